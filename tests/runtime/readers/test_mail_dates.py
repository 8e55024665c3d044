"""Dates of messages: what is meant, however it is written, or none and a word about it; never another instant."""

from __future__ import annotations

from pathlib import Path

import pytest

from letters import FROM, HEADERS, read

TEN, NINE, EIGHT = "2024-01-02T10:00:00Z", "2024-01-02T09:00:00Z", "2024-01-02T08:00:00Z"


@pytest.mark.parametrize(
    ("said", "instant"),
    [
        ("Mon, 01 Jan 2024 00:30:00 +0900", "2023-12-31T15:30:00Z"),
        ("Sun, 31 Dec 2023 23:30:00 -0500 (EST)", "2024-01-01T04:30:00Z"),
        ("31 Dec 2023 23:30 EST", "2024-01-01T04:30:00Z"),
        ("Tue, 2 Jan 2024 10:00:00 CET", NINE),
        ("Tue, 2 Jan 2024 10:00:00 GMT+0100", NINE),
        ("Tue, 2 Jan 2024 10:00:00 GMT+2", EIGHT),
        ("Tue, 2 Jan 2024 10:00:00 UTC+02:00", EIGHT),
        ("Tue, 2 Jan 2024 10:00:00 GMT -3", "2024-01-02T13:00:00Z"),
        ("Tue, 2 Jan 2024 10:00:00 +2", EIGHT),
        ("Tue, 2 Jan 2024 10:00:00 +02", EIGHT),
        ("Tue, 2 Jan 2024 10:00:00 +200", EIGHT),
        ("Tue, 2 Jan 2024 10:00:00 +02:00", EIGHT),
        ("Tue, 2 Jan 2024 10:00:00 +0530", "2024-01-02T04:30:00Z"),
        ("Tue, 2 Jan 2024 10:00:00 +0100 CET", NINE),
        ("Tue, 2 Jan 2024 10:00:00 +0100 (W. Europe Standard Time)", NINE),
        ("Tue, 2 Jan 2024 10:00:00 (CET)", NINE),
        ('Tue, 2 Jan 2024 10:00:00 "GMT"', TEN),
        ("Tue, 2 Jan 2024 10:00:00 \u22120500", "2024-01-02T15:00:00Z"),
        ("Tue, 2 Jan 2024 10:00:00 -0000", TEN),
        ("Tue, 2 Jan 2024 10:00:00", TEN),
        ("Tue, 2 Jan 2024 24:00:00 +0000", "2024-01-03T00:00:00Z"),
        ("Sun, 31 Dec 2023 24:00 +0000", "2024-01-01T00:00:00Z"),
        ("Sat, 31 Dec 2016 23:59:60 +0000", "2017-01-01T00:00:00Z"),
        ("Tue, 2 Jan 2024 10.00.00 +0000", TEN),
        ("Tue, 2 Jan 2024, 10:00:00 PM +0000", "2024-01-02T22:00:00Z"),
        ("Tue, 2 Jan 2024 12:30 a.m. EST", "2024-01-02T05:30:00Z"),
        ("Tue, 2 Jan 2024 22:00:00 PM GMT", "2024-01-02T22:00:00Z"),
        ("Tue,02-Jan-24 10:00:00 GMT", TEN),
        ("2 Jan 99 10:00:00 GMT", "1999-01-02T10:00:00Z"),
        ("Tue, 2 Jan 124 10:00:00 GMT", TEN),
        ("Tue Jan  2 10:00:00 2024", TEN),
        ("Tue Jan 2 10:00:00 CET 2024", NINE),
        ("Tue Jan  2 10:00:00 2024 +0200", EIGHT),
        ("Tue Jan 02 2024 10:00:00 GMT+0100 (Central European Time)", NINE),
        ("January 2, 2024 10:00 AM GMT", TEN),
        ("Di, 2. Januar 2024 10:00:00 MEZ", NINE),
        ("mar., 2 janv. 2024 10:00:00 +0100", NINE),
        ("Fr, 1 M\u00e4r 2024 10:00:00 +0100", "2024-03-01T09:00:00Z"),
        ("Wed, 4 Sept 2024 10:00:00 +0000", "2024-09-04T10:00:00Z"),
        ("2024-01-02T10:00:00+01:00", NINE),
        ("2024-01-02 10:00:00.123 Z", TEN),
        ("2024/1/2 10:00:00 +0000", TEN),
        ("2.1.2024 10:00 +0000", TEN),
        ("Tue, 2 Jan 2024", "2024-01-02"),
    ],
)
def test_a_date_is_the_instant_that_is_meant(tmp_path: Path, said: str, instant: str) -> None:
    document, skips = read(tmp_path, f"{HEADERS}Date: {said}\n\nbody")
    assert (document.metadata.get("date"), skips) == (instant, [])


@pytest.mark.parametrize(
    "said",
    [
        "yesterday", "Mon, 99 Foo 99999 99:99:99 +9999", "Fri, 31 Dec 9999 23:59:59 -0100", "01/02/2024 10:00:00 +0000",
        "Tue, 2 Jan 2024 10:00:00 IST", "Tue, 2 Jan 2024 10:00:00 Nowhere", "Tue, 2 Jan 2024 10:00:00 Etc/GMT+2",
        "Tue, 2 Jan 2024 10:00:00 EST5EDT", "Tue, 2 Jan 2024 10:00:00 +9900", "Tue, 2 Jan 2024 10:00:00 +0199",
        "Tue, 2 Jan 2024 24:30:00 +0000", "Tue, 2 Jan 2024 25:00:00 +0000", "Tue, 2 Jan 2024 10:60:00 +0000",
        "Tue, 30 Feb 2024 10:00:00 +0000", "Tue, 2 Jan 0024 10:00:00 +0000", "Tue, 2 Jan 2024 10:00:00 +-0500",
        "Tue, 2 Jan 2024 10:00:00 +0100 +0200", "Tue, 2 Jan 2024 00:30 PM",
    ],
)  # fmt: skip
def test_a_date_that_tells_no_instant_is_left_out_and_told(tmp_path: Path, said: str) -> None:
    document, skips = read(tmp_path, f"{HEADERS}Date: {said}\n\nbody")
    assert document.metadata == {"from": "Ana <ana@example.org>"}
    assert document.text == f"{FROM}body"
    assert skips == [("", f"its date, '{said}', cannot be read for sure; the message is read without one")]


def test_a_message_without_a_date_has_none(tmp_path: Path) -> None:
    for date in ("", "Date:\n", "Date:   \n"):
        document, skips = read(tmp_path, f"{HEADERS}{date}\nbody")
        assert ("date" in document.metadata, skips) == (False, [])
