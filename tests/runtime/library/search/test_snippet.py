from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nestling.library.search.snippet import MARKS, SNIPPET_CHARS, marks_of, snippet_of

WORDS = st.lists(st.sampled_from(["owl", "Owl", "mouse", "night", " ", "\n\n", "  ", "😀", "naïve", ".", "x" * 50]))
TEXTS = st.one_of(st.text(max_size=300), WORDS.map(" ".join), WORDS.map("".join))
AROUND = ("\ue000", "\ue001")


@st.composite
def marked_texts(draw: st.DrawFn) -> tuple[str, tuple[tuple[int, int], ...]]:
    """A text without marks, and some ranges in it that do not overlap."""
    text = draw(TEXTS.filter(lambda text: not set(text) & {*MARKS, *AROUND}))
    places = sorted(draw(st.sets(st.integers(0, len(text)), max_size=12)))
    return text, tuple(zip(places[::2], places[1::2], strict=False))


def with_marks(text: str, marks: tuple[tuple[int, int], ...], around: tuple[str, str]) -> str:
    for start, stop in reversed(marks):
        text = f"{text[:start]}{around[0]}{text[start:stop]}{around[1]}{text[stop:]}"
    return text


@settings(max_examples=200, derandomize=True, deadline=None)
@given(marked_texts())
def test_marks_are_where_the_marked_words_stand(case: tuple[str, tuple[tuple[int, int], ...]]) -> None:
    text, marks = case
    assert marks_of(text, with_marks(text, marks, MARKS)) == marks
    assert marks_of(text, text) == ()
    assert marks_of(text, with_marks(text + "?", marks, MARKS)) == ()


@settings(max_examples=400, derandomize=True, deadline=None)
@given(marked_texts(), st.integers(20, 300))
def test_a_snippet_is_a_part_of_the_text_with_marks_inside(
    case: tuple[str, tuple[tuple[int, int], ...]], chars: int
) -> None:
    text, marks = case
    snippet = snippet_of(text, marks, chars, AROUND)
    bare = snippet.removeprefix("… ").removesuffix(" …")
    plain = bare.replace(AROUND[0], "").replace(AROUND[1], "")
    assert " ".join(plain.split()) in " ".join(text.split())
    assert "\n" not in snippet
    assert len(plain) <= chars
    assert bare.count(AROUND[0]) == bare.count(AROUND[1]) <= len(marks)
    shown = [part.partition(AROUND[1])[0] for part in bare.split(AROUND[0])[1:]]
    left = [" ".join(text[start:stop].split()) for start, stop in marks]
    for words in shown:
        assert " ".join(words.split()) in left
        del left[: left.index(" ".join(words.split())) + 1]


def test_a_short_text_is_shown_whole() -> None:
    assert snippet_of("Owls hunt\nat  night.", [(0, 4), (14, 19)]) == "**Owls** hunt at **night**."
    assert snippet_of("Owls hunt.", []) == "Owls hunt."
    assert snippet_of("", []) == ""


def test_the_part_with_the_most_different_words_is_shown() -> None:
    text = "owl owl owl owl. " + "filler words are here. " * 40 + "The owl heard a mouse. " + "And more of it. " * 40
    marks = [(start, start + len(word)) for word in ("owl", "mouse") for start in places(text, word)]
    snippet = snippet_of(text, sorted(marks))
    assert "The **owl** heard a **mouse**." in snippet
    assert snippet.startswith("… ")
    assert snippet.endswith(" …")
    assert len(snippet) <= SNIPPET_CHARS + 20


def places(text: str, word: str) -> list[int]:
    return [place for place in range(len(text)) if text.startswith(word, place)]


def test_a_text_without_marks_is_shown_from_its_begin_in_whole_words() -> None:
    snippet = snippet_of("wordy " * 100, [])
    assert snippet.startswith("wordy wordy")
    assert snippet.endswith("wordy …")


@pytest.mark.parametrize("text", ["x" * 1000, "x" * 500 + " owl " + "y" * 500])
def test_text_without_spaces_is_cut_anywhere(text: str) -> None:
    marks = [(start, start + 3) for start in places(text, "owl")]
    snippet = snippet_of(text, marks)
    assert len(snippet) <= SNIPPET_CHARS + 10
    assert snippet.count("**owl**") == len(marks)
