from __future__ import annotations

import itertools
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nestling import Document
from nestling.library.store.texts import LONGEST_DEFLATED_BYTES, from_stored, is_whole, to_stored

TEXT = "The heron stands in the reeds — it waits for a fish. " * 40
PACKED = zlib.compress(TEXT.encode())


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=400))
def test_a_text_comes_back(text: str) -> None:
    stored = to_stored(text)
    assert isinstance(stored, str) or len(stored) < len(text.encode())
    assert from_stored(stored) == text
    assert is_whole(stored)


def test_what_gains_nothing_and_what_is_long_stay_plain() -> None:
    assert to_stored("owl") == "owl"
    assert to_stored("") == ""
    for longest in ("a" * LONGEST_DEFLATED_BYTES, "ä" * (LONGEST_DEFLATED_BYTES // 2)):
        stored = to_stored(longest)
        assert isinstance(stored, bytes)
        assert from_stored(stored) == longest
        assert is_whole(stored)
    assert to_stored("a" * (LONGEST_DEFLATED_BYTES + 1)) == "a" * (LONGEST_DEFLATED_BYTES + 1)
    assert to_stored("ä" * LONGEST_DEFLATED_BYTES) == "ä" * LONGEST_DEFLATED_BYTES


def test_of_bytes_that_were_cut_off_what_is_there_is_read() -> None:
    for length in range(len(PACKED)):
        assert TEXT.startswith(from_stored(PACKED[:length]).rstrip("\ufffd"))
        assert not is_whole(PACKED[:length])
    assert len(from_stored(PACKED[:-4])) == len(TEXT)


@pytest.mark.parametrize("damaged", [b"", b"\0", b"no deflated text", PACKED + b"\0", zlib.compress(b"\xff" * 99)])
def test_what_is_no_deflated_text_is_not_whole(damaged: bytes) -> None:
    assert isinstance(from_stored(damaged), str)
    assert not is_whole(damaged)


@pytest.mark.parametrize("text", [TEXT, "It waits for a fish, it waits.", "a" * 40])
def test_any_changed_bit_is_seen_and_breaks_nothing(text: str) -> None:
    packed = zlib.compress(text.encode())
    for place, bit in itertools.product(range(len(packed)), range(8)):
        damaged = bytearray(packed)
        damaged[place] ^= 1 << bit
        found = from_stored(bytes(damaged))
        assert not is_whole(bytes(damaged)) or found == text
        Document("a", found)


def test_what_holds_nul_is_no_text_of_a_document() -> None:
    assert from_stored(zlib.compress(b"one\0two")) == "one\ufffdtwo"
    assert not is_whole(zlib.compress(b"one\0two"))


def test_what_expands_to_more_than_is_ever_stored_is_cut_off() -> None:
    bomb = zlib.compress(b"a" * (50 << 20))
    assert from_stored(bomb) == from_stored(bomb[:-9]) == "a" * LONGEST_DEFLATED_BYTES
    assert not is_whole(bomb)


@pytest.mark.parametrize("packed", [zlib.compress(b"\xff"), zlib.compress(b"a")[:2] + b"\0\0\0\xff\xff" * 99])
def test_what_is_longer_than_is_ever_stored_is_read_no_further(packed: bytes) -> None:
    begin = time.process_time()
    from_stored(packed + bytes(100 << 20))
    assert not is_whole(packed + bytes(100 << 20))
    assert time.process_time() - begin < 2
