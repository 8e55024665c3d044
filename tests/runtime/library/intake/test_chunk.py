from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from nestling import Document
from nestling.bundle.manifest import default_bundle
from nestling.encoding.tokens import Tokens
from nestling.library.intake.chunk import OVERLAP_TOKENS, PASSAGE_TOKENS, cut, passages_of

TOKENS = Tokens(default_bundle() / "tokenizer.json", {"document": "", "query": ""}, 256)
WORD = st.sampled_from(
    ["owl", "night.", "Unbelievableness", "日本語", "naïve", "x1-y2", "!", "\n\n", "- item", "😀", "العربية"]
)
TEXTS = st.lists(WORD, max_size=120).map(" ".join)


def covers(text: str, ranges: list[tuple[int, int]]) -> bool:
    """Whether every token of a text lies whole in one of the ranges."""
    return all(any(a <= begin and end <= b for a, b in ranges) for begin, end in TOKENS.spans(text).chars.tolist())


@settings(max_examples=150, derandomize=True, deadline=None)
@given(TEXTS, st.integers(8, 60), st.integers(0, 20))
def test_every_token_is_in_a_passage_and_none_is_too_long(text: str, room: int, overlap: int) -> None:
    ranges = cut(text, TOKENS, room, overlap)
    assert covers(text, ranges)
    assert all(TOKENS.count(text[begin:end]) <= room for begin, end in ranges)
    assert ranges == sorted(set(ranges))
    assert ranges == cut(text, TOKENS, room, overlap)


def test_a_text_that_fits_is_one_passage() -> None:
    text = "  Owls hunt at night.  "
    assert cut(text, TOKENS, 20, 5) == [(2, 21)]


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_a_text_without_tokens_is_one_empty_passage(text: str) -> None:
    assert cut(text, TOKENS, 20, 5) == [(0, 0)]


def test_passages_begin_where_sentences_begin() -> None:
    sentences = [f"Number {n} is a sentence of some ordinary words about owls." for n in range(60)]
    text = " ".join(sentences)
    ranges = cut(text, TOKENS, 100, 24)
    starts = np.cumsum([0, *(len(sentence) + 1 for sentence in sentences)])
    assert len(ranges) > 5
    assert {begin for begin, _ in ranges} <= set(starts.tolist())
    assert {end + 1 for _, end in ranges} <= set(starts.tolist())


def test_passages_overlap_by_about_what_is_asked() -> None:
    text = " ".join(f"Number {n} is a sentence." for n in range(200))
    ranges = cut(text, TOKENS, 100, 24)
    overlaps = [TOKENS.count(text[after[0] : before[1]]) for before, after in itertools.pairwise(ranges)]
    assert all(12 <= overlap <= 36 for overlap in overlaps)


def test_passages_are_of_about_equal_length() -> None:
    text = " ".join(f"Number {n} is a sentence." for n in range(50))
    counts = [TOKENS.count(text[begin:end]) for begin, end in cut(text, TOKENS, 180, 24)]
    assert len(counts) == 2
    assert abs(counts[0] - counts[1]) < 30


@pytest.mark.parametrize("text", ["x" * 5000, "日" * 1000, "a-" * 2000, "😀" * 600, "ab1" * 1500])
def test_text_without_spaces_is_cut_too(text: str) -> None:
    ranges = cut(text, TOKENS, 50, 10)
    assert covers(text, ranges)
    assert all(TOKENS.count(text[begin:end]) <= 50 for begin, end in ranges)


def test_a_book_is_cut_whole() -> None:
    text = "The quick brown fox, as told, jumps over 12 lazy dogs. " * 6000
    ranges = cut(text, TOKENS, 180, 24)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == len(text) - 1
    assert all(after[0] <= before[1] + 1 for before, after in itertools.pairwise(ranges))
    assert max(TOKENS.count(text[begin:end]) for begin, end in ranges[:: len(ranges) // 50]) <= 180


def test_the_title_stands_before_every_passage() -> None:
    document = Document("a", "One short sentence. " * 200, title="Owls")
    passages = passages_of(document, TOKENS)
    assert len(passages) > 3
    for passage in passages:
        assert passage.text == f"Owls\n{document.text[passage.start : passage.stop]}"
        assert TOKENS.count(passage.text) <= PASSAGE_TOKENS


def test_a_long_title_is_shortened_before_a_passage() -> None:
    (first, *rest) = passages_of(Document("a", "word " * 400, title="endless " * 500), TOKENS)
    assert first.text.startswith("endless endless")
    assert TOKENS.count(first.text) <= PASSAGE_TOKENS
    assert len(rest) >= 3


def test_a_document_without_text_is_its_title() -> None:
    (passage,) = passages_of(Document("a", "", title="Owls"), TOKENS)
    assert (passage.start, passage.stop, passage.text) == (0, 0, "Owls\n")


def test_the_encoder_reads_every_passage_whole() -> None:
    assert TOKENS.max_tokens > PASSAGE_TOKENS + OVERLAP_TOKENS
    small = Tokens(default_bundle() / "tokenizer.json", {"document": "passage: ", "query": ""}, 48)
    for passage in passages_of(Document("a", "One short sentence. " * 50, title="Owls at night"), small):
        assert small.ids(passage.text, "document")[1] == 0


PROSE = "The quick brown fox, as told, jumps over 12 lazy dogs. Then it sleeps!  Nobody minds;\nwhy would they? "


def cover_in_order(text: str, ranges: list[tuple[int, int]]) -> bool:
    """`covers`, in one pass, for a long text whose ranges are in order."""
    starts = np.array([begin for begin, _ in ranges])
    stops = np.array([end for _, end in ranges])
    spans = TOKENS.spans(text).chars
    last = np.searchsorted(starts, spans[:, 0], side="right") - 1
    return bool((last >= 0).all() and (spans[:, 1] <= stops[last]).all())


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.text(max_size=400), st.integers(100, 180))
def test_any_text_is_covered_in_order_by_passages_that_fit(text: str, room: int) -> None:
    ranges = cut(text, TOKENS, room, OVERLAP_TOKENS)
    assert covers(text, ranges)
    assert all(0 <= begin <= end <= len(text) for begin, end in ranges)
    assert all(TOKENS.count(text[begin:end]) <= room for begin, end in ranges)
    assert all(before[0] < after[0] and before[1] < after[1] for before, after in itertools.pairwise(ranges))


@settings(max_examples=100, derandomize=True, deadline=None)
@given(TEXTS, st.integers(8, 60), st.integers(0, 20))
def test_no_overlap_is_over_twice_what_is_asked(text: str, room: int, overlap: int) -> None:
    spans = TOKENS.spans(text).chars
    for before, after in itertools.pairwise(cut(text, TOKENS, room, overlap)):
        shared = (spans[:, 0] >= after[0]) & (spans[:, 1] <= before[1])
        assert shared.sum() <= 2 * overlap


@pytest.mark.parametrize(
    ("sentence", "mark"),
    [
        ("猫头鹰在夜间捕食田鼠和其他小动物。", "。"),
        ("البومة تصطاد الفئران في الليل. ", "."),
        ("Eulen jagen nachts 🦉! ", "!"),
    ],
)
def test_sentences_of_other_scripts_stay_whole(sentence: str, mark: str) -> None:
    text = (sentence * 60).strip()
    ranges = cut(text, TOKENS, 150, 24)
    assert len(ranges) > 2
    assert covers(text, ranges)
    for begin, end in ranges:
        assert text[:begin].rstrip().endswith(mark) or begin == 0
        assert text[begin:end].endswith(mark)


def test_paragraphs_and_list_items_begin_passages() -> None:
    items = "\n".join(f"- item number {n} without a full stop" for n in range(80))
    ranges = cut(items, TOKENS, 60, 12)
    assert len(ranges) > 8
    assert all(items[begin : begin + 6] == "- item" for begin, _ in ranges)


@pytest.mark.parametrize("text", ["🦉 " * 2500, "الليل" * 1000, "夜" * 5000, "a1b2.c3" * 715, "z" * 5000])
def test_five_thousand_characters_of_any_kind_are_covered(text: str) -> None:
    ranges = cut(text, TOKENS, PASSAGE_TOKENS, OVERLAP_TOKENS)
    assert len(text) >= 5000
    assert cover_in_order(text, ranges)
    assert all(TOKENS.count(text[begin:end]) <= PASSAGE_TOKENS for begin, end in ranges)


def test_a_long_text_has_the_same_tokens_in_blocks_as_in_one() -> None:
    text = PROSE * (300_000 // len(PROSE) + 1)
    assert len(text) >= 300_000
    whole = Tokenizer.from_file(str(default_bundle() / "tokenizer.json"))
    whole.no_truncation()
    whole.no_padding()
    assert TOKENS.spans(text).chars.tolist() == [list(pair) for pair in whole.encode(text, None, False, False).offsets]


@pytest.mark.parametrize("unit", [PROSE, "夜の森で梟が鳴く。", "3.14,2.72,"])
def test_every_token_and_word_of_a_text_over_several_blocks_is_in_a_passage_that_fits(unit: str) -> None:
    text = unit * (300_000 // len(unit) + 1)
    ranges = cut(text, TOKENS, PASSAGE_TOKENS, OVERLAP_TOKENS)
    assert cover_in_order(text, ranges)
    covered = np.zeros(len(text), dtype=bool)
    for begin, end in ranges:
        covered[begin:end] = True
    assert all(covered[match.start() : match.end()].all() for match in re.finditer(r"\w+", text))
    assert max(TOKENS.count(text[begin:end]) for begin, end in ranges) <= PASSAGE_TOKENS


@pytest.mark.parametrize("max_tokens", [64, 66, 68, 80])
def test_a_long_title_leaves_room_for_the_text_in_a_bundle_that_reads_little(max_tokens: int) -> None:
    small = Tokens(default_bundle() / "tokenizer.json", {"document": "", "query": ""}, max_tokens)
    document = Document("a", "word " * 400, title="endless " * 500)
    passages = passages_of(document, small)
    assert all(small.ids(passage.text, "document")[1] == 0 for passage in passages)
    assert covers(document.text, [(passage.start, passage.stop) for passage in passages])
    assert len(passages) <= 40  # at least ten words of the text in each


def test_a_title_that_is_the_name_of_the_file_stands_before_no_passage() -> None:
    for source, title, read in (("/a/owls.txt", "owls", False), ("/a/owls.txt", "Owls", True), ("", "owls", True)):
        (passage,) = passages_of(Document("a", "They hunt.", title, source=source), TOKENS)
        assert passage.text == ("They hunt." if not read else f"{title}\nThey hunt.")


HEADED = "".join(f"\n## Part {n}\n" + f"Sentence {n} is of some ordinary words. " * (6 + n % 3) for n in range(40))


@pytest.mark.parametrize("text", [HEADED, HEADED.replace("\n## ", "\f")])
def test_passages_begin_at_headings_and_pages_and_do_not_overlap_there(text: str) -> None:
    ranges = cut(text, TOKENS, 180, 24)
    starts = {match.end() for match in re.finditer(r"\f|\n(?=##)", text)}
    assert len(ranges) > 8
    assert all(begin in starts for begin, _ in ranges[1:])
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(ranges))
    assert covers(text, ranges)


def test_passages_of_a_part_without_headings_overlap_and_those_over_a_heading_do_not() -> None:
    prose = "Number one is a sentence of some ordinary words. " * 60
    text = f"{prose}\n# Second part\n{prose}"
    border = text.index("# Second part")
    ranges = cut(text, TOKENS, 100, 24)
    assert all(end <= border or begin >= border for begin, end in ranges)
    inside = [(before, after) for before, after in itertools.pairwise(ranges) if after[0] != border]
    assert len(inside) > 8
    assert all(after[0] < before[1] for before, after in inside)
