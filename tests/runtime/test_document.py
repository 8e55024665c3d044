from __future__ import annotations

import dataclasses
import json
import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any

import numpy as np
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
            {"metadata": {"x": {"y": 1}}},
            TypeError,
            "document 'a': metadata 'x' is dict, expected str, int, float, bool, None, a date, or a list of them",
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


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Name(str):
    def __str__(self) -> str:
        return "something else"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (np.int64(3), 3),
        (np.uint8(3), 3),
        (np.float32(0.5), 0.5),
        (np.float64(0.25), 0.25),
        (np.float16(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("owl"), "owl"),
        (np.datetime64("2024-05-02"), "2024-05-02"),
        (np.datetime64("2024-05-02T12:30:15.5", "ns"), "2024-05-02T12:30:15"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Name("owl"), "owl"),
        ((1, "a", None, True, 0.5), [1, "a", None, True, 0.5]),
        ([np.int64(3), Colour.RED, date(2024, 5, 2)], [3, "red", "2024-05-02"]),
        ([], []),
    ],
)
def test_a_metadata_value_is_taken_as_what_python_has_for_it(value: Any, kept: Any) -> None:
    found = Document("a", "b", metadata={"x": value}).metadata["x"]
    assert found == kept
    assert type(found) is type(kept)
    if isinstance(kept, list):
        assert [type(one) for one in found] == [type(one) for one in kept]
    assert json.loads(json.dumps(found)) == kept


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"a", "metadata 'x' is bytes, expected str, int, float, bool, None, a date, or a list of them"),
        ({"y": 1}, "metadata 'x' is dict, expected str, int, float, bool, None, a date, or a list of them"),
        ([[1]], "metadata 'x', value 0 is list, expected str, int, float, bool, None, a date, or a list of them"),
        ([1, {}], "metadata 'x', value 1 is dict, expected"),
        (["a", "\0"], "metadata 'x', value 1 holds a NUL character at 0; remove it"),
        ([float("inf")], "metadata 'x', value 0 is inf, expected a finite number"),
        (np.array([1, 2]), "metadata 'x' is ndarray, expected"),
        (np.array(1), "metadata 'x' is ndarray, expected"),
        (np.bytes_(b"a"), "metadata 'x' is bytes_, expected"),
        (np.complex64(1), "metadata 'x' is complex64, expected"),
        (np.longdouble(1), "metadata 'x' is longdouble, expected"),
        (np.timedelta64(1, "s"), "metadata 'x' is timedelta64, expected"),
        (np.datetime64("NaT"), "metadata 'x' is datetime64, expected"),
        (np.uint64(2**64 - 1), "metadata 'x' is over 64 bits, expected a smaller number"),
        (np.float32("nan"), "metadata 'x' is nan, expected a finite number"),
        (Decimal("1.5"), "metadata 'x' is Decimal, expected"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=2))), "metadata 'x': the time 0001-01-01T00:00:00+02:00"),
        (list(range(10_001)), "metadata 'x' is a list of 10001, expected at most 10000 values"),
    ],
)
def test_a_metadata_value_that_a_filter_cannot_compare_is_refused(value: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^document 'a': {re.escape(message)}"):
        Document("a", "b", metadata={"x": value})


def test_metadata_is_the_documents_own() -> None:
    tags = ["owl"]
    given = {"tags": tags, np.str_("kind"): "note"}
    document = Document("a", "b", metadata=given)
    tags.append("hawk")
    given["tags"] = []
    assert document.metadata == {"tags": ["owl"], "kind": "note"}
    assert {type(key) for key in document.metadata} == {str}
