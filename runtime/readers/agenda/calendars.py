"""Calendars (.ics): an event, a task or a journal entry a document, its times as instants."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ...document import Document, Skip, clean
from ..html import page_text
from ..ids import Ids, metadata_of
from ..text import Unreadable, read_bytes, text_of
from .components import components
from .folds import with_whole_characters

_TIMES = (
    ("DTSTART", "start", "Start"),
    ("DTEND", "end", "End"),
    ("DUE", "due", "Due"),
    ("COMPLETED", "completed", "Completed"),
)
_LINES = (("RRULE", "Repeats"), ("LOCATION", "Place"), ("ORGANIZER", "Organizer"), ("ATTENDEE", "Attendee"))
_BELOW = ("DESCRIPTION", "COMMENT", "CONTACT", "RESOURCES", "URL", "CONFERENCE", "X-GOOGLE-CONFERENCE", "ATTACH")
_REMIND = ("SUMMARY", "DESCRIPTION")
_NO_ENTRIES = frozenset({"VTIMEZONE", "STANDARD", "DAYLIGHT", "VFREEBUSY", "VALARM"})
# What programs write into each reminder where nobody wrote anything.
_NO_REMINDERS = frozenset({"this is an event reminder", "reminder", "event reminder", "alarm", "alarm notification"})
_HTML = re.compile(r"</?(?:p|br|a|b|i|u|ul|ol|li|div|span|html|table)\b[^<>]*>", re.IGNORECASE)


def read_ics(path: Path) -> Iterator[Document | Skip]:
    """A calendar: a document for each of its entries, named by its UID.

    Its title is the entry's summary; metadata are `start`, `end`, `due`, `completed`, `location`, `status`,
    `organizer`, `attendees`, `categories` and `calendar`, the name of the whole, as far as they are given. A time is in
    UTC, of a whole day its date.
    """
    from icalendar.timezone import tzp

    file = text_of(with_whole_characters(read_bytes(path)), str(path))
    yield from file.skips
    if not re.search(r"^BEGIN:[ \t]*V", file.text, re.IGNORECASE | re.MULTILINE):
        raise Unreadable("is no calendar (BEGIN:VCALENDAR is missing)")
    tzp.use_zoneinfo()  # the time zones that another calendar has defined are not this one's
    for found in components(file.text):
        if found.kind == "VTIMEZONE" and isinstance(_parsed(found.block), str):  # it may stand behind what is in it
            yield Skip(
                f"{path}:{found.line}",
                "is a time zone that cannot be read; times in it are kept as they are written",
                within=True,
            )
    ids = Ids(path)
    for found in components(file.text):
        if found.kind in _NO_ENTRIES:
            continue
        where = f"{path}:{found.line}"
        entry = _parsed(found.block)
        if isinstance(entry, str):
            yield Skip(where, entry)
            continue
        for name, reason in entry.errors:
            if name is None:
                yield Skip(where, f"has a line that cannot be read ({reason})", within=True)
        alarms = [_parsed(alarm) for alarm in found.alarms]
        yield from (Skip(where, f"has a reminder that {one}", within=True) for one in alarms if isinstance(one, str))
        alarms = [alarm for alarm in alarms if not isinstance(alarm, str)]
        metadata = {**file.metadata, **({"calendar": found.calendar} if found.calendar else {})}
        yield _document(entry, alarms, ids.of(_named(entry), found.block.encode()), path, metadata)
        if not found.is_whole:
            yield Skip(where, "is cut off before its end; what is there of it was read", within=True)


def _parsed(block: str) -> Any:
    """A component; where it cannot be parsed, the reason."""
    from icalendar import Component

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return Component.from_ical(block)
        except Exception as error:  # of the parser, for which it was too much
            return f"cannot be parsed ({type(error).__name__}: {error})"


def _named(entry: Any) -> str:
    """Its UID, and of one day of a series that day."""
    return " ".join(_raw(value) for name in ("UID", "RECURRENCE-ID") for value in _values(entry, name))


def _document(entry: Any, alarms: list[Any], id: str, path: Path, metadata: dict[str, Any]) -> Document:
    lines, known = [], dict(metadata)
    for name, key, label in _TIMES:
        for value in _values(entry, name):
            time = _time(value)
            if time is not None:
                known[key] = time
            lines.append(f"{label}: {_raw(value) if time is None else _shown(time, value, last=name == 'DTEND')}")
    if "end" not in known and "start" in known:
        known |= _ended(entry, known["start"])
    for name, label in _LINES:
        lines += [f"{label}: {shown}" for value in _values(entry, name) if (shown := _person(value))]
    status = [_said(value).lower() for value in _values(entry, "STATUS")]
    lines += [f"Status: {one}" for one in status if one not in ("", "confirmed")]  # which every event is
    categories = [one for value in _values(entry, "CATEGORIES") for one in _several(value)]
    if categories:
        lines.append(f"Categories: {', '.join(categories)}")
    below = [shown for name in _BELOW for value in _values(entry, name) if (shown := _said(value))]
    if not any(map(_said, _values(entry, "DESCRIPTION"))):
        below += [page_text(_raw(value))[1] for value in _values(entry, "X-ALT-DESC")]
    people = {name: [_person(value) for value in _values(entry, name)] for name in ("ORGANIZER", "ATTENDEE")}
    found = {
        "location": [_said(value) for value in _values(entry, "LOCATION")],
        "status": status,
        "organizer": people["ORGANIZER"],
        "attendees": people["ATTENDEE"],
        "categories": categories,
    }
    known |= metadata_of(found)
    title = " ".join(" ".join(_said(value) for value in _values(entry, "SUMMARY")).split())
    said = {" ".join(one.split()).lower() for one in (title, *below)} | _NO_REMINDERS
    reminders = dict.fromkeys(_said(value) for one in alarms for name in _REMIND for value in _values(one, name))
    lines += [f"Reminder: {one}" for one in reminders if one and " ".join(one.split()).lower() not in said]
    text = clean("\n".join([*lines, *([""] if lines and below else []), *below]))
    return Document(id, text, clean(title) or metadata.get("calendar") or path.stem, known, str(path))


def _values(entry: Any, name: str) -> list[Any]:
    value = entry.get(name)
    return value if isinstance(value, list) else [] if value is None else [value]


def _time(value: Any) -> date | None:
    """The date or the instant; None where it is none."""
    try:
        time = value.dt
        if isinstance(time, datetime) and time.tzinfo is not None:
            time.astimezone(timezone.utc)  # which some at the ends of the calendar have not
    except (ValueError, AttributeError, OverflowError):
        return None
    return time if isinstance(time, date) else None


def _shown(time: date, value: Any, last: bool) -> str:
    """A time as it was written, with its time zone; the end of whole days is the day behind the last."""
    if not isinstance(time, datetime):
        return str(time - timedelta(days=1) if last and time > date.min else time)
    zone = value.params.get("TZID") or ("UTC" if time.tzinfo is not None else "")
    return f"{time:%Y-%m-%d %H:%M}{f' ({zone})' if zone else ''}"


def _ended(entry: Any, start: date) -> dict[str, date]:
    for value in _values(entry, "DURATION"):
        try:
            return {"end": start + value.dt}
        except (ValueError, AttributeError, OverflowError, TypeError):
            return {}
    return {}


def _person(value: Any) -> str:
    """Whom an address belongs to, with it; of what is no address its text."""
    text = _said(value)
    if text.lower().startswith("mailto:"):
        text = text[7:]
    name = " ".join(str(getattr(value, "params", {}).get("CN", "")).split())
    return f"{name} <{text}>" if name and name != text else text


def _several(value: Any) -> list[str]:
    return [text for one in getattr(value, "cats", [value]) if (text := _said(one))]


def _said(value: Any) -> str:
    """A value as a person reads it; of what is attached its name."""
    text = _raw(value)
    if type(value).__name__ == "vBinary":
        names = (value.params.get(key) for key in ("X-FILENAME", "FILENAME", "X-APPLE-FILENAME"))
        return next((f"[{name}]" for name in names if name), "")
    if _HTML.search(text):
        text = page_text(text)[1]
    return clean(text).strip()


def _raw(value: Any) -> str:
    return str(value) if isinstance(value, str) else value.to_ical().decode(errors="replace")
