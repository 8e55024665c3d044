"""Calendars: entries as documents, their times as instants, and what a damaged one still gives."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from nestling.document import Document, Skip
from nestling.readers import read_here

pytest.importorskip("icalendar")

FILES = Path(__file__).parent / "files"

# As Outlook writes a time zone of its own making, behind the events that are in it.
ZONE = """BEGIN:VTIMEZONE
TZID:Customized Time Zone
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0630
TZOFFSETTO:+0530
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0530
TZOFFSETTO:+0630
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE
"""


def calendar(folder: Path, *entries: str) -> Path:
    path = folder / "a.ics"
    text = "\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", *(one.strip("\n") for one in entries), "END:VCALENDAR", ""])
    path.write_bytes(text.replace("\n", "\r\n").encode())
    return path


def event(*lines: str) -> str:
    return "\n".join(["BEGIN:VEVENT", *lines, "END:VEVENT"])


def one(path: Path) -> Document:
    (item,) = read_here(path)
    assert isinstance(item, Document), item
    return item


def test_what_a_program_writes_is_an_entry_a_document() -> None:
    path = FILES / "ward.ics"
    training, closed = read_here(path)
    assert training == Document(
        f"{path}:CWNDSHCUD48RCXEBC3RF3S4VZ3V5QGXJK6SI",
        "Start: 2024-05-02 10:00 (Europe/Berlin)\nEnd: 2024-05-02 11:30 (Europe/Berlin)\n"
        "Repeats: FREQ=WEEKLY;UNTIL=20240629T220000Z\nPlace: Ward 3, Köln\nCategories: clinic, training\n\n"
        "Bring clean dressings, scissors and the burn chart; the blisters stay closed while the water runs.",
        "Burns training; first part",
        {
            "start": "2024-05-02T08:00:00Z",
            "end": "2024-05-02T09:30:00Z",
            "location": "Ward 3, Köln",
            "categories": ["clinic", "training"],
        },
        str(path),
    )
    assert isinstance(closed, Document)
    assert (closed.title, closed.text) == ("Ward closed", "Start: 2024-12-24\nEnd: 2024-12-26")
    assert closed.metadata == {"start": "2024-12-24", "end": "2024-12-27"}


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("DTSTART:20240701T080000Z", "2024-07-01T08:00:00Z"),
        ("DTSTART;TZID=America/New_York:20240701T100000", "2024-07-01T14:00:00Z"),
        ("DTSTART;TZID=W. Europe Standard Time:20240701T100000", "2024-07-01T08:00:00Z"),
        ("DTSTART;TZID=/mozilla.org/20070129_1/Europe/Berlin:20240701T100000", "2024-07-01T08:00:00Z"),
        ("DTSTART;TZID=Customized Time Zone:20240701T100000", "2024-07-01T03:30:00Z"),
        ("DTSTART;TZID=Customized Time Zone:20240101T100000", "2024-01-01T04:30:00Z"),
        ("DTSTART:20240701T100000", "2024-07-01T10:00:00"),
        ("DTSTART;VALUE=DATE:20240701", "2024-07-01"),
    ],
)
def test_a_time_is_an_instant_whatever_tells_its_zone(tmp_path: Path, written: str, instant: str) -> None:
    assert one(calendar(tmp_path, event("SUMMARY:x", written), ZONE)).metadata == {"start": instant}


def test_the_time_zones_of_one_calendar_are_not_those_of_the_next(tmp_path: Path) -> None:
    there = event("SUMMARY:x", "DTSTART;TZID=Customized Time Zone:20240101T100000")
    assert one(calendar(tmp_path, ZONE, there)).metadata == {"start": "2024-01-01T04:30:00Z"}
    assert one(calendar(tmp_path, ZONE.replace("+0530", "-0800"), there)).metadata == {"start": "2024-01-01T18:00:00Z"}
    assert one(calendar(tmp_path, there)).metadata == {"start": "2024-01-01T10:00:00"}


def test_a_duration_gives_the_end(tmp_path: Path) -> None:
    found = one(calendar(tmp_path, event("SUMMARY:x", "DTSTART:20240701T080000Z", "DURATION:PT90M")))
    assert found.metadata == {"start": "2024-07-01T08:00:00Z", "end": "2024-07-01T09:30:00Z"}


def test_who_comes_stands_in_the_text_and_in_the_metadata(tmp_path: Path) -> None:
    path = calendar(
        tmp_path,
        event(
            "UID:1", "SUMMARY:Board", "STATUS:CONFIRMED", "ORGANIZER;CN=Bo:MAILTO:bo@example.org",
            'ATTENDEE;CN="Doe, Jane";PARTSTAT=ACCEPTED:mailto:jane@example.org', "ATTENDEE:mailto:lin@example.com",
        ),
    )  # fmt: skip
    found = one(path)
    assert (
        found.text
        == "Organizer: Bo <bo@example.org>\nAttendee: Doe, Jane <jane@example.org>\nAttendee: lin@example.com"
    )
    assert found.metadata == {
        "status": "confirmed",
        "organizer": "Bo <bo@example.org>",
        "attendees": ["Doe, Jane <jane@example.org>", "lin@example.com"],
    }


def test_folded_and_escaped_text_is_whole_and_html_is_read(tmp_path: Path) -> None:
    folded = event("SUMMARY:Visit\\, first", "DESCRIPTION:one\\ntwo\\; gau\n ze\\\\box")
    assert one(calendar(tmp_path, folded)).text == "one\ntwo; gauze\\box"
    html = event("SUMMARY:x", "DESCRIPTION:<p>Bring <b>gauze</b></p><ul><li>clean</ul>")
    assert one(calendar(tmp_path, html)).text == "Bring gauze\nclean"
    outlook = event(
        "SUMMARY:x", "DESCRIPTION:\\n", "X-ALT-DESC;FMTTYPE=text/html:<html><body>Bring gauze</body></html>"
    )
    assert one(calendar(tmp_path, outlook)).text == "Bring gauze"


@pytest.mark.parametrize("fold", ["\r\n ", "\n ", "\r\n\t", "\r "])
@pytest.mark.parametrize("said", ["Grüße an Jörg", "火曜日の点検", "on 🚑 call"])
def test_a_line_that_is_broken_within_a_character_is_whole(tmp_path: Path, fold: str, said: str) -> None:
    path, whole = tmp_path / "a.ics", said.encode()
    for width in (1, 2, 3, 5):
        folded = fold.encode().join(whole[at : at + width] for at in range(0, len(whole), width))
        path.write_bytes(b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:" + folded + b"\r\nEND:VEVENT\r\nno")
        (found,) = read_here(path)
        assert isinstance(found, Document)
        assert (found.title, found.metadata) == (said, {})


def test_tasks_and_journals_are_entries_and_alarms_are_not(tmp_path: Path) -> None:
    path = calendar(
        tmp_path,
        "BEGIN:VTODO\nUID:1\nSUMMARY:Order gauze\nDUE;VALUE=DATE:20240501\nSTATUS:COMPLETED\n"
        "COMPLETED:20240430T100000Z\nBEGIN:VALARM\nDESCRIPTION:beep\nEND:VALARM\nEND:VTODO",
        "BEGIN:VJOURNAL\nUID:2\nSUMMARY:Round\nDESCRIPTION:all well\nEND:VJOURNAL",
    )
    todo, journal = read_here(path)
    assert isinstance(todo, Document)
    assert isinstance(journal, Document)
    assert (todo.title, todo.text) == (
        "Order gauze", "Due: 2024-05-01\nCompleted: 2024-04-30 10:00 (UTC)\nStatus: completed\nReminder: beep",
    )  # fmt: skip
    assert todo.metadata == {"due": "2024-05-01", "completed": "2024-04-30T10:00:00Z", "status": "completed"}
    assert (journal.title, journal.text) == ("Round", "all well")


def alarm(*lines: str) -> str:
    return "\n".join(["BEGIN:VALARM", "ACTION:DISPLAY", "TRIGGER:-PT15M", *lines, "END:VALARM"])


def test_what_a_reminder_says_of_its_own_is_text(tmp_path: Path) -> None:
    alarms = (
        alarm("DESCRIPTION:Take the blue\n  key\\, and gauze"), alarm("DESCRIPTION:This is an event reminder"),
        alarm("DESCRIPTION:Rounds"), alarm(),
        alarm("SUMMARY:Mail to all", "DESCRIPTION:Come"), alarm("DESCRIPTION:Come"),
    )  # fmt: skip
    plain = one(calendar(tmp_path, event("SUMMARY:Rounds", "LOCATION:Ward 3", "DESCRIPTION:as ever")))
    found = one(calendar(tmp_path, event("SUMMARY:Rounds", "LOCATION:Ward 3", *alarms, "DESCRIPTION:as ever")))
    assert found.text == (
        "Place: Ward 3\nReminder: Take the blue key, and gauze\nReminder: Mail to all\nReminder: Come\n\nas ever"
    )
    assert (found.id, found.title, found.metadata) == (plain.id, "Rounds", {"location": "Ward 3"})


def test_an_event_that_is_cancelled_says_so(tmp_path: Path) -> None:
    found = one(calendar(tmp_path, event("SUMMARY:Rounds", "STATUS:CANCELLED")))
    assert (found.text, found.metadata) == ("Status: cancelled", {"status": "cancelled"})


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("X-WR-CALNAME:Ward 3", "Ward 3"),
        ("X-WR-CALNAME;VALUE=TEXT:Ward\\, th\n ree", "Ward, three"),
        ("NAME:Ward 3\nX-WR-CALNAME:Ward 3\nX-WR-CALDESC:x\n y", "Ward 3"),
        ("X-WR-CALNAME:\nX-WR-TIMEZONE:Europe/Berlin", None),
    ],
)
def test_an_entry_knows_the_name_of_its_calendar(tmp_path: Path, line: str, name: str | None) -> None:
    titled, bare = read_here(calendar(tmp_path, line, event("UID:1", "SUMMARY:x"), event("UID:2", "LOCATION:here")))
    assert isinstance(titled, Document)
    assert isinstance(bare, Document)
    assert (titled.title, titled.metadata.get("calendar")) == ("x", name)
    assert (bare.title, bare.metadata.get("calendar")) == (name or "a", name)


def test_the_name_of_one_calendar_is_not_that_of_the_next(tmp_path: Path) -> None:
    path = calendar(
        tmp_path, "X-WR-CALNAME:one", event("UID:1"), "END:VCALENDAR\nBEGIN:VCALENDAR", event("UID:2", "NAME:no")
    )
    assert [item.title for item in read_here(path) if isinstance(item, Document)] == ["one", "a"]


@pytest.mark.parametrize(
    "part", ["X-WR-CALNAME:a\n", " a\n", "BEGIN:VALARM\nDESCRIPTION:a\n", "BEGIN:X\nEND:Y\n", "DESCRIPTION:a\n"]
)
@pytest.mark.parametrize("begin", ["X-WR-CALNAME:a\n", "BEGIN:VEVENT\nBEGIN:VALARM\n"])
def test_the_time_for_names_and_reminders_grows_with_their_length(tmp_path: Path, begin: str, part: str) -> None:
    def seconds(count: int) -> float:
        path = tmp_path / "a.ics"
        path.write_text(f"BEGIN:VCALENDAR\n{begin}{part * count}END:VALARM\nEND:VEVENT\n{event('SUMMARY:x')}\n")
        begun = time.process_time()
        assert list(read_here(path))
        return time.process_time() - begun

    seconds(10)
    assert seconds(20_000) < 16 * seconds(5_000) + 1


def test_an_entry_keeps_its_id_when_others_come_before_it(tmp_path: Path) -> None:
    series, moved = event("UID:s", "SUMMARY:a"), event("UID:s", "RECURRENCE-ID:20240708T080000Z", "SUMMARY:b")
    unnamed = event("SUMMARY:c")

    def ids(*entries: str) -> dict[str, str]:
        return {item.id: item.title for item in read_here(calendar(tmp_path, *entries)) if isinstance(item, Document)}

    before = ids(series, moved, unnamed)
    assert [one.rpartition(":")[2] for one in before][:2] == ["s", "s 20240708T080000Z"]
    assert ids(event("SUMMARY:new"), unnamed, unnamed, moved, series).items() >= before.items()
    assert len(ids(unnamed, unnamed)) == 2


def test_what_is_broken_costs_itself_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.ics"
    path.write_text(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:one\nDTSTART:2024junk\nEND:VTODO\nno property\nLOCATION:here\n"
        "END:VEVENT\nBEGIN:VEVENT\nSUMMARY:two\nBEGIN:VEVENT\nSUMMARY:three\nBEGIN:VTODO\nSUMMARY:four\nBEGIN:VALARM\nACT"
    )
    found = list(read_here(path))
    documents = [item for item in found if isinstance(item, Document)]
    assert [(item.title, item.text) for item in documents] == [
        ("one", "Start: 2024junk\nPlace: here"), ("two", ""), ("three", ""), ("four", ""),
    ]  # fmt: skip
    skips = [(item.source.removeprefix(str(path)), item.reason) for item in found if isinstance(item, Skip)]
    cut = "is cut off before its end; what is there of it was read"
    assert [(where, reason) for where, reason in skips if reason == cut] == [(":9", cut), (":11", cut), (":13", cut)]
    assert [where for where, reason in skips if reason.startswith("has a line that cannot be read (")] == [":2"]
    assert len(skips) == 4


def test_a_time_zone_that_cannot_be_read_is_named_and_its_times_stay(tmp_path: Path) -> None:
    path = calendar(
        tmp_path, "BEGIN:VTIMEZONE\nTZID:Q\nEND:VTIMEZONE", event("SUMMARY:x", "DTSTART;TZID=Q:20240101T100000")
    )
    skip, document = read_here(path)
    reason = "is a time zone that cannot be read; times in it are kept as they are written"
    assert skip == Skip(f"{path}:3", reason, within=True)
    assert isinstance(document, Document)
    assert document.metadata == {"start": "2024-01-01T10:00:00"}


def test_what_is_no_calendar_says_so_and_an_empty_one_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.ics"
    path.write_text("Dear diary")
    assert list(read_here(path)) == [Skip(str(path), "is no calendar (BEGIN:VCALENDAR is missing)")]
    assert list(read_here(calendar(tmp_path, ZONE))) == []


def test_ten_thousand_entries_take_their_time_each(tmp_path: Path) -> None:
    def seconds(count: int) -> float:
        path = calendar(tmp_path, *(event(f"UID:{n}", "SUMMARY:x", "DTSTART:20240701T080000Z") for n in range(count)))
        begin = time.process_time()
        assert sum(isinstance(item, Document) for item in read_here(path)) == count
        return time.process_time() - begin

    seconds(10)
    assert seconds(4000) < 16 * seconds(1000)
