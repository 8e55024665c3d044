"""What is printed for a person."""

from __future__ import annotations

import time
from typing import Any

import pytest

from nestling.commands import show


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (12_345_678, "12.3 MB"), (999_949, "999.9 kB"),
        (999_950, "1.0 MB"), (7 * 10**9, "7.0 GB"), (10**16, "10000.0 TB"),
    ],
)  # fmt: skip
def test_sizes_have_the_unit_that_suits_them(count: int, said: str) -> None:
    assert show.size(count) == said


@pytest.fixture
def described() -> dict[str, Any]:
    """What `info --json` says of a library."""
    return {
        "path": "notes.nest", "documents": 1200, "passages": 3400, "passages of xl": 3000, "passages of static": 400,
        "files": 1100, "folders": ["/home/ana/a", "/home/ana/b"], "synced": "2026-03-02T23:30:00Z", "failures": 2,
        "bytes": 4_300_000, "bytes of text": 1_900_000, "bytes of bits": 163_200, "bundle": "nestling-en",
        "space": "0123456789abcdef", "dim": 384, "document width": "xl", "unrefined": 400, "earlier": None,
    }  # fmt: skip


def test_a_library_is_described_in_columns(
    described: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC-1")
    time.tzset()
    show.pairs(show.library_info(described))
    monkeypatch.undo()
    time.tzset()
    assert capsys.readouterr().out.splitlines() == [
        "library             notes.nest",
        "documents           1,200",
        "passages            3,400 (3,000 at width xl, 400 at width static)",
        "passages to refine  400",
        "files               1,100",
        "could not be read   2",
        "folders             /home/ana/a",
        "                    /home/ana/b",
        "last sync           2026-03-03 00:30",
        "size                4.3 MB",
        "  text              1.9 MB",
        "  bits              163.2 kB",
        "made with           bundle nestling-en, 384 dimensions, space 01234567",
        "document width      xl",
    ]


def test_a_library_that_was_never_synced_says_so(described: dict[str, Any]) -> None:
    shown = show.library_info({**described, "synced": None, "folders": []})
    assert (shown["last sync"], shown["folders"]) == ("never", [])
