"""The date of a message as an instant, as programs of fifty years write it; one that may mean another is none."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone

from ...document import plain

MAX_DATE = 200

# By their first letters, in the languages whose programs write them in their own; one that means two is in none.
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan ene gen", "feb fév fev", "mar mär mrt mrz", "apr avr abr", "may mai mag mei maj", "jun juin giu",
            "jul juil lug", "aug aoû ago", "sep set", "oct okt out ott", "nov", "dec dez dic déc",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
# Names of zones that mean one offset, those of RFC 5322 first; `IST`, which means three, is not among them.
_ZONES = {
    **dict.fromkeys("UT UTC GMT Z WET".split(), 0),
    "EST": -300,
    "EDT": -240,
    "CST": -360,
    "CDT": -300,
    "MST": -420,
    "MDT": -360,
    "PST": -480,
    "PDT": -420,
    "AST": -240,
    "ADT": -180,
    "AKST": -540,
    "AKDT": -480,
    "HST": -600,
    **dict.fromkeys("CET MEZ BST WEST MET".split(), 60),
    **dict.fromkeys("CEST MESZ EET MEST SAST".split(), 120),
    **dict.fromkeys("EEST MSK".split(), 180),
    **dict.fromkeys("HKT SGT AWST".split(), 480),
    **dict.fromkeys("JST KST".split(), 540),
    "AEST": 600,
    "AEDT": 660,
    "NZST": 720,
    "NZDT": 780,
}
_FIRST = 1900
_MOST_OFFSET = 15 * 60
_TIME = r"(?P<time>\d{1,2}[:.]\d{1,2}(?:[:.]\d{1,2}(?:[.,]\d+)?)?(?:\s?[AaPp]\.?[Mm]\b\.?)?)"
_REST = rf"(?:,?\s+(?:at\s+)?{_TIME}\s*(?P<zone>.*))?"
_DAY, _MONTH, _YEAR = r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?", r"(?P<month>[^\W\d_]{3,12})[.,]?", r"(?P<year>\d{2,4})"
_WEEKDAY = r"(?:[^\W\d_]{2,12}[.,]?[ ,]\s*)?"
_FORMS = [
    re.compile(form)
    for form in (
        rf"{_WEEKDAY}{_DAY}[\s-]*{_MONTH}[\s-]*{_YEAR}{_REST}",
        rf"{_WEEKDAY}{_MONTH}\s+{_DAY},?\s+(?P<year>\d{{4}}){_REST}",
        rf"{_WEEKDAY}{_MONTH}\s+{_DAY},?\s+{_TIME}\s*(?P<zone>[A-Za-z]*)\s+(?P<year>\d{{4}})(?P<behind>.*)",
        rf"(?P<year>\d{{4}})(?P<mark>[-/.])(?P<month>\d\d?)(?P=mark)(?P<day>\d\d?)(?:(?:[Tt]|,?\s+){_TIME}\s*(?P<zone>.*))?",
        rf"{_WEEKDAY}(?P<day>\d\d?)\.(?P<month>\d\d?)\.(?P<year>\d{{4}}){_REST}",
    )
]
_COMMENT = re.compile(r"\(([^()]*)\)")
_CLOCK = re.compile(r"(\d+)[:.](\d+)(?:[:.](\d+)(?:[.,]\d+)?)?(?:\s?([AaPp])\.?[Mm]\.?)?")
_OFFSET = re.compile(
    r"(?:(?:[A-Za-z]+\s+)?|(?:GMT|UTC|UT)\s?)([+-])(\d{1,2}):?(\d\d)?(?:\s+[A-Za-z. ]+)?", re.IGNORECASE
)


def instant_of(said: str) -> str | None:
    """A date of a message in ISO 8601: in UTC, of one without a time the day; None where it tells none for sure.

    A time without a zone is taken as UTC.
    """
    said = said[:MAX_DATE].replace("\u2212", "-")
    comments = _COMMENT.findall(said)
    bare = " ".join(_COMMENT.sub(" ", said).replace('"', " ").split()).rstrip(";,. ")
    form = next((found for form in _FORMS if (found := form.fullmatch(bare)) is not None), None)
    if form is None:
        return None
    parts = form.groupdict()
    try:
        day = date(_year(parts["year"]), _month(parts["month"]), int(parts["day"]))
        if parts["time"] is None:
            return day.isoformat()
        zone = f"{parts['zone'] or ''} {parts.get('behind') or ''}".strip() or next(iter(comments), "").strip()
        begin = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
        return str(plain(begin + _clock(parts["time"]) - _offset(zone)))
    except (ValueError, OverflowError):
        return None


def _year(digits: str) -> int:
    """By RFC 5322, of two digits or of three, as programs wrote it that counted from 1900."""
    year = int(digits)
    if len(digits) < 4:
        year += 2000 if len(digits) == 2 and year < 50 else 1900
    if year < _FIRST:
        raise ValueError(digits)
    return year


def _month(name: str) -> int:
    if name.isdecimal():
        return int(name)
    small = name.lower()
    number = next((_MONTHS[small[:size]] for size in (4, 3) if small[:size] in _MONTHS), None)
    if number is None:
        raise ValueError(name)
    return number


def _clock(time: str) -> timedelta:
    """The time of day; 24:00:00 is the end of the day, the second 60 one that was put in."""
    found = _CLOCK.fullmatch(time)
    if found is None:
        raise ValueError(time)
    hour, minute, second = (int(part or 0) for part in found.groups()[:3])
    if (half := (found[4] or "").lower()) and (hour <= 12 or half == "a"):
        if hour > 12 or (hour == 0 and half == "p"):
            raise ValueError(time)
        hour = hour % 12 + (12 if half == "p" else 0)
    if minute > 59 or second > 60 or hour > 24 or (hour == 24 and (minute or second)):
        raise ValueError(time)
    return timedelta(hours=hour, minutes=minute, seconds=second)


def _offset(zone: str) -> timedelta:
    """What a zone is before UTC; none is UTC."""
    if not zone:
        return timedelta()
    if (named := _ZONES.get(zone.upper())) is not None:
        return timedelta(minutes=named)
    found = _OFFSET.fullmatch(zone)
    if found is None:
        raise ValueError(zone)
    hours, minutes = int(found[2]), int(found[3] or 0)
    if minutes > 59 or 60 * hours + minutes > _MOST_OFFSET:
        raise ValueError(zone)
    return (-1 if found[1] == "-" else 1) * timedelta(hours=hours, minutes=minutes)
