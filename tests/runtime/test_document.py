from __future__ import annotations

import dataclasses
import re
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from nestling import Document
from nestling.document import Report, Skip, clean


def test_a_document_needs_an_id_and_a_text() -> None:
    document = Document(id="a", text="")
    assert (document.title, document.metadata, document.source) == ("", {}, "")
    with pytest.raises(dataclasses.FrozenInstanceError):
        document.id = "b"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"id": " "}, ValueError, "a document's id is empty, expected a name that is unique in the library"),
        ({"id": 3}, TypeError, "id is int, expected str"),
        ({"text": None}, TypeError, "document 'a': text is NoneType, expected str"),
        ({"text": "b\0c"}, ValueError, "document 'a': text holds a NUL character at 1; remove it"),
        ({"title": "b\ud800"}, ValueError, "document 'a': title holds a lone surrogate at 1; remove it"),
        ({"metadata": ["x"]}, TypeError, "document 'a': metadata is list, expected a dict"),
        ({"metadata": {1: "x"}}, TypeError, "document 'a': a metadata key is int, expected str"),
        ({"metadata": {"x": float("nan")}}, ValueError, "document 'a': metadata 'x' is nan, expected a finite number"),
        (
            {"metadata": {"x": 2**70}},
            ValueError,
            "document 'a': metadata 'x' is over 64 bits, expected a smaller number",
        ),
        (
            {"metadata": {"x": {1}}},
            TypeError,
            "document 'a': metadata 'x' is set, expected str, int, float, bool or None",
        ),
        ({"metadata": {"x": "\0"}}, ValueError, "document 'a': metadata 'x' holds a NUL character at 0; remove it"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        Document(**{"id": "a", "text": "b", **fields})


def test_clean_leaves_good_text_and_replaces_what_cannot_be_kept() -> None:
    assert clean("naïve 日本 😀\n") == "naïve 日本 😀\n"
    assert clean("a\0b") == "a\ufffdb"
    assert clean("a\ud800b") == "a\ufffdb"
    assert clean("\ud83d\ude00") == "😀"  # a pair that JSON escapes left apart


def test_reports_add_up() -> None:
    skip = Skip("a.txt", "is empty")
    assert Report(added=1, skipped=(skip,)) + Report(added=2, removed=3) == Report(3, 0, 0, 3, (skip,))


def test_a_date_in_metadata_becomes_its_iso_text() -> None:
    noon = datetime(2024, 5, 2, 12, 30, 15, 999, tzinfo=timezone(timedelta(hours=2)))
    given = {"day": date(2024, 5, 2), "at": noon, "local": noon.replace(tzinfo=None), "year": 2024}
    document = Document("a", "b", metadata=given)
    assert document.metadata == {
        "day": "2024-05-02",
        "at": "2024-05-02T10:30:15Z",
        "local": "2024-05-02T12:30:15",
        "year": 2024,
    }
    assert given["day"] == date(2024, 5, 2)


def test_a_list_of_scalars_is_a_value() -> None:
    when = datetime(2024, 1, 1, 9, tzinfo=timezone(timedelta(hours=9)))
    assert Document("a", "x", metadata={"tags": ("b", 1, None, when)}).metadata == {
        "tags": ["b", 1, None, "2024-01-01T00:00:00Z"]
    }
    with pytest.raises(TypeError, match=r"^document 'a': metadata 'tags' is dict, expected str, int, float, bool"):
        Document("a", "x", metadata={"tags": [{}]})  # type: ignore[list-item, dict-item]
