from __future__ import annotations

import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nestling.library import deflate
from nestling.library.deflate import LONGEST_BYTES, deflated, inflated, is_whole

TEXT = "The heron stands in the reeds — it waits for a fish. " * 40
PACKED = zlib.compress(TEXT.encode())


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_comes_back(text: str) -> None:
    stored = deflated(text)
    if isinstance(stored, str):
        assert stored == text
    else:
        assert len(stored) < len(text.encode())
        assert inflated(stored) == text
        assert is_whole(stored)


def test_what_gains_nothing_and_what_is_long_stay_plain() -> None:
    assert deflated("owl") == "owl"
    assert deflated("") == ""
    assert deflated("a" * LONGEST_BYTES) == zlib.compress(b"a" * LONGEST_BYTES)
    assert deflated("a" * (LONGEST_BYTES + 1)) == "a" * (LONGEST_BYTES + 1)
    assert deflated("ä" * LONGEST_BYTES) == "ä" * LONGEST_BYTES


def test_of_bytes_that_were_cut_off_what_is_there_is_read() -> None:
    for length in range(len(PACKED)):
        assert TEXT.startswith(inflated(PACKED[:length]).rstrip("\ufffd"))
        assert not is_whole(PACKED[:length])
    assert len(inflated(PACKED[:-4])) == len(TEXT)


@pytest.mark.parametrize("damaged", [b"", b"\0", b"no deflated text", PACKED + b"\0", zlib.compress(b"\xff" * 99)])
def test_what_is_no_deflated_text_is_not_whole(damaged: bytes) -> None:
    assert isinstance(inflated(damaged), str)
    assert not is_whole(damaged)


def test_any_changed_bit_is_seen_and_breaks_nothing() -> None:
    drawn = random.Random(0)
    for _ in range(300):
        damaged = bytearray(PACKED)
        damaged[drawn.randrange(len(PACKED))] ^= 1 << drawn.randrange(8)
        found = inflated(bytes(damaged))
        assert not is_whole(bytes(damaged)) or found == TEXT
        found.encode()


def test_what_expands_to_more_than_is_ever_stored_is_cut_off() -> None:
    bomb = zlib.compress(b"a" * (50 << 20))
    assert len(inflated(bomb)) == LONGEST_BYTES
    assert not is_whole(bomb)
    assert len(inflated(bomb[:-9])) == LONGEST_BYTES
    deflate._inflated.cache_clear()
