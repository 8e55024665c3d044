"""What stands in the calendars of a file, taken apart by its lines: what is broken in it costs itself alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO

from ...document import clean

_OUTER = frozenset({"VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VTIMEZONE"})
_EDGE = re.compile(r"(BEGIN|END):[ \t]*([\w-]+)[ \t]*\n?", re.IGNORECASE)
_NAME = re.compile(r"(?:X-WR-CALNAME|NAME)(?:;[^:]*)?:(.*)\n?", re.IGNORECASE)
_SAYS = re.compile(r"^(?:SUMMARY|DESCRIPTION)[;:]", re.IGNORECASE | re.MULTILINE)
_ESCAPED = re.compile(r"\\(.)")
_MAX_NAME = 1000
_MAX_OPEN = 20


@dataclass(frozen=True)
class Component:
    """An entry of a calendar, or a time zone.

    Attributes:
        line: the number of its first line.
        block: its lines; what stands within it only where that makes up a time zone.
        is_whole: whether it has its end.
        alarms: the lines of each reminder in it that says something.
        calendar: the name of the calendar around it; empty where it has none.
    """

    kind: str
    line: int
    block: str
    is_whole: bool
    alarms: tuple[str, ...]
    calendar: str


def components(text: str) -> Iterator[Component]:
    """What stands in the calendars of a file. An end of what has not begun is left out."""
    first, calendar, is_name = 0, "", False
    lines: list[str] = []
    open_: list[str] = []
    alarms: list[list[str]] = []

    def made(*, is_whole: bool) -> Component:
        # A time zone is closed with what is open in it.
        ends = open_ if open_[0] == "VTIMEZONE" else open_[:1]
        said = (_closed(alarm, ["VALARM"]) for alarm in alarms)
        saying = tuple(alarm for alarm in said if _SAYS.search(alarm))
        return Component(open_[0], first, _closed(lines, ends), is_whole, saying, _shown(calendar))

    for number, line in enumerate(StringIO(text), start=1):
        edge = _EDGE.fullmatch(line)
        begins, name = edge is not None and edge[1].upper() == "BEGIN", edge[2].upper() if edge else ""
        # Nothing holds a calendar, an entry, or one of its own kind: what is open was cut off.
        if open_ and (name == "VCALENDAR" or (begins and (name in _OUTER or name == open_[0]))):
            yield made(is_whole=False)
            open_ = []
        if name == "VCALENDAR":
            calendar, is_name = "", False
            continue
        if begins:
            if not open_:
                first, lines, alarms = number, [], []
            if len(open_) < _MAX_OPEN:
                open_.append(name)
            if len(open_) == 2 and name == "VALARM":
                alarms.append([])
        ends = edge is not None and not begins and name in open_
        if ends and name == open_[0]:
            yield made(is_whole=True)
            open_ = []
        elif open_ and (not lines or open_[0] == "VTIMEZONE" or (len(open_) == 1 and edge is None)):
            lines.append(line)
        elif len(open_) == 2 and open_[1] == "VALARM" and not ends:
            alarms[-1].append(line)
        if ends and open_:
            del open_[len(open_) - 1 - open_[::-1].index(name) :]
        if not open_ and edge is None:
            found = _NAME.fullmatch(line) if not calendar else None
            if is_name and line[:1] in (" ", "\t"):
                calendar = (calendar + line[1:].rstrip("\n"))[:_MAX_NAME]
            else:
                is_name = found is not None
                calendar = found[1][:_MAX_NAME] if found is not None else calendar
    if open_:
        yield made(is_whole=False)


def _closed(lines: list[str], open_: list[str]) -> str:
    return "\n".join([*(line.rstrip("\n") for line in lines), *(f"END:{name}" for name in reversed(open_)), ""])


def _shown(name: str) -> str:
    """A name without its escapes, on one line."""
    return clean(" ".join(_ESCAPED.sub(lambda one: " " if one[1] in "nN" else one[1], name).split()))
