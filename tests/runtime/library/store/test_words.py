from __future__ import annotations

import re
import sqlite3
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nestling.library.search.lexical import any_of, terms
from nestling.library.store.words import TOKENIZER, cut, folded, indexed, indexed_title, located

SAME = [
    # normal forms, compatibility forms, unseen characters
    ("Cafe\u0301 du Monde", "café"),
    ("ＰＤＦ　ｆｉｌｅ", "pdf"),
    ("ﬁsh and ﬂour", "fish"),
    ("ﾄﾞﾗｲﾊﾞｰ", "ドライバー"),
    ("か\u3099くせい", "がくせい"),
    ("in\u00adter\u00adna\u00adtion\u00adal", "international"),
    ("zero\u200bwidth", "zerowidth"),
    ("می\u200cخواهم", "میخواهم"),
    ("\u200fמילה\u200f", "מילה"),
    ("한국어", unicodedata.normalize("NFD", "한국어")),
    ("5㎎ daily", "mg"),
    ("Nestling™ is here", "nestling"),
    # letters with accents, strokes and other forms
    ("η οδός", "ΟΔΟΣ"),
    ("ΐ ΰ Ὀδυσσεύς", "οδυσσευσ"),
    ("ᾠδή", "ωδη"),
    ("новогодняя ёлка", "елка"),
    ("за́мок", "замок"),
    ("Đà Nẵng", "da nang"),
    ("Łódź", "lodz"),
    ("Søren Kierkegård", "soren kierkegard"),
    ("Straße", "STRASSE"),
    ("cœur", "coeur"),
    ("encyclopædia", "encyclopaedia"),
    ("þing", "thing"),
    ("ISINDI", "ısındı"),
    ("İSTANBUL", "istanbul"),
    ("Diyarbakır", "DİYARBAKIR"),
    ("Nguyễn", "nguyen"),
    # marks that many leave out
    ("قَرَأَ الطَّالِبُ كِتَابًا", "الطالب"),
    ("قرأ الطالب", "الطَّالِبُ"),
    ("مـــرحبا", "مرحبا"),
    ("أحمد", "احمد"),
    ("مكتبة", "مكتبه"),
    ("علي", "علی"),
    # what Arabic writes to a word
    ("زار المدينة القديمة", "مدينة"),
    ("مدينة قديمة", "المدينة"),
    ("قال وزير الخارجية", "الوزير"),
    ("سافر بالطائرة والقطار", "طائرة قطار"),
    ("أعطى للطالب كتابا", "الطالب"),
    ("فالكتاب وكتاب كالكتاب", "كتاب"),
    ("وَالْمَدِينَة", "مدينه"),
    ("عاصمة ألمانيا", "وألمانيا"),
    ("والله أعلم", "الله"),
    ("שָׁלוֹם עֲלֵיכֶם", "שלום"),
    ("क़लम", "कलम"),
    ("ज़रूरत", "जरूरत"),
    # digits
    ("٢٠٢٤", "2024"),
    ("२०२४", "2024"),
    ("๒๕๖๗", "2567"),
    ("１２３", "123"),
    # scripts without spaces
    ("患者对青霉素过敏，需要改用其他抗生素治疗。", "青霉素"),
    ("東京都庁で住民票の写しを申請する方法", "住民票"),
    ("新しいプリンターのドライバーを入れる", "ドライバー"),
    ("환자는 페니실린에 알레르기가 있다", "페니실린"),
    ("물을 마신다", "물"),
    ("吃药", "药"),
    ("药房", "药"),
    ("ผู้ป่วยแพ้ยาเพนิซิลลินต้องเปลี่ยนยา", "เพนิซิลลิน"),
    ("ຂ້ອຍມັກກິນເຂົ້າໜຽວ", "ເຂົ້າໜຽວ"),
    ("ខ្ញុំចូលចិត្តបាយ", "បាយ"),
    ("ကျွန်တော်မြန်မာစာဖတ်တယ်", "မြန်မာ"),
    ("用Python写的脚本", "Python"),
    ("重跑gen-itgc后50条引用清零", "itgc"),
    ("重跑gen-itgc后50条引用清零", "50"),
    ("用Python写的脚本", "用Python写"),
    # names with signs
    ("a book on C++ for all", "C++"),
    ("a book on C# for all", "c#"),
    ("moving to .NET soon", ".NET"),
    ("the R&D budget", "R&D"),
    ("the R & D budget", "r&d"),
    ("write to jane.doe@example.org today", "jane.doe@example.org"),
    ("From: Jane <jane.doe@example.org>", "Jane.Doe@Example.org"),
]
OTHER = [
    ("له كتاب", "الله"),
    ("مر به", "البه"),
    ("رأى ورد", "رد"),
    ("उसने दान दिया", "दिन"),
    ("बाल काटना", "बोली"),
    ("கல்", "கால்"),
    ("বই", "বাই"),
    ("กา", "กิ"),
    ("мой дом", "мои"),
    ("患者对青霉素过敏", "地震"),
    ("新しいプリンターのドライバーを入れる", "テレビ"),
    ("환자는 페니실린에 알레르기가 있다", "지진"),
    ("ผู้ป่วยแพ้ยาเพนิซิลลินต้องเปลี่ยนยา", "แผ่นดินไหว"),
    ("用Python写的脚本", "Perl"),
    ("vitamin C is in lemons", "C++"),
    ("a book on C# for all", "C++"),
    ("a book on C++ for all", "C#"),
    ("a net for fish", ".NET"),
    ("R and D are letters", "R&D"),
    ("ask AT the desk, T said", "AT&T"),
    ("a@b.example.org", "b@a.example.org"),
]


def finds(text: str, query: str) -> bool:
    db = sqlite3.connect(":memory:")
    db.execute(f'CREATE VIRTUAL TABLE t USING fts5 (body, tokenize = "{TOKENIZER}")')
    db.execute("INSERT INTO t VALUES (?)", (indexed(text),))
    match = any_of(terms(query))
    return bool(match) and db.execute("SELECT count(*) FROM t WHERE t MATCH ?", (match,)).fetchone()[0] == 1


@pytest.mark.parametrize(("text", "query"), SAME)
def test_a_word_is_found_however_it_is_written(text: str, query: str) -> None:
    assert finds(text, query)
    assert finds(unicodedata.normalize("NFD", text), unicodedata.normalize("NFC", query))
    assert finds(unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", query))


@pytest.mark.parametrize(("text", "query"), OTHER)
def test_another_word_is_not_found(text: str, query: str) -> None:
    assert not finds(text, query)
    assert not finds(unicodedata.normalize("NFD", text), query)


def test_runs_of_scripts_without_spaces_are_pairs_and_the_last_character() -> None:
    (run,) = cut("青霉素")
    assert (run.words, run.spans, run.kind) == (["青霉", "霉素", "素"], [(0, 2), (1, 3), (2, 3)], "c")
    assert [run.words for run in cut("用Python写")] == [["用"], ["python"], ["写"]]
    (thai,) = cut("แพ้ยา")
    assert thai.words == ["แพ้", "พ้ย", "ยา", "า"]


def test_names_with_signs_come_after_their_parts_and_stand_where_they_stand() -> None:
    (run,) = cut("C++")
    assert (run.words[0], len(run.words[1]), run.spans, run.kind) == ("c", 3, [(0, 1), (0, 3)], "name")
    assert [run.kind for run in cut("ask jane@example.org, or AT&T")] == ["a", "name", "a", "name"]


ASCII = st.text(st.characters(max_codepoint=126), max_size=80)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
WORDS = st.lists(
    st.sampled_from(
        [*" .,-&@#+'\n", "C++", "R&D", "a@b.org", "Straße", "青霉", "素", "ไทย", "दिन", "물", "①", "é", "x1"]
    )
).map("".join)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(ASCII)
def test_plain_text_has_the_words_that_fts5_cuts_from_it(text: str) -> None:
    plain = [word for run in cut(text) for word in (run.words[:-1] if run.kind == "name" else run.words)]
    assert plain == re.findall(r"[a-z0-9]+", text.lower())
    if indexed(text) is text:
        assert not any(run.kind == "name" for run in cut(text))


@settings(max_examples=500, derandomize=True, deadline=None)
@given(st.one_of(ANY, WORDS))
def test_spans_lie_in_the_text_and_words_are_folded_already(text: str) -> None:
    for run in cut(text):
        assert len(run.words) == len(run.spans) > 0
        for word, (start, stop) in zip(run.words, run.spans, strict=True):
            assert 0 <= start < stop <= len(text)
            assert word
            assert not re.search(r"\s", word)
            assert folded(word) in (word, unicodedata.normalize("NFC", word))
        if run.paired:
            assert all(one[0] < other[0] for one, other in pairwise(run.spans))


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.one_of(ANY, WORDS))
def test_normal_forms_are_cut_alike(text: str) -> None:
    forms = {tuple(indexed(unicodedata.normalize(form, text)).split()) for form in ("NFC", "NFD")}
    assert len({tuple(word.lower() for word in form) for form in forms}) == 1


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.one_of(ANY, WORDS))
def test_every_word_of_the_index_is_located_in_the_text(text: str) -> None:
    words = indexed(text)
    if words is text:
        assert located(text, words, [(0, len(text))]) == ((0, len(text)),)
        return
    begin = 0
    for word, span in zip(words.split(), (span for run in cut(text) for span in run.spans), strict=True):
        assert located(text, words, [(begin, begin + len(word))]) == (span,)
        begin += len(word) + 1


def test_what_overlaps_is_located_as_one() -> None:
    text = "对青霉素过敏"
    at = indexed(text).index("青霉")
    assert located(text, indexed(text), [(at, at + 2), (at + 3, at + 5)]) == ((1, 4),)


def test_names_of_copies_are_words_of_a_title_that_is_a_name() -> None:
    assert indexed_title("owl", "/a/owl.txt", "[]") == "owl"
    assert indexed_title("owl", "/a/owl.txt", '["/b/heron.txt", "/b/owl2.txt"]') == "owl heron owl2"
    assert indexed_title("Owls at night", "/a/owl.txt", '["/b/heron.txt"]') == "Owls at night"


HOSTILE = [
    "a.a" * 40_000,
    "a" * 200_000,
    "@" * 100_000,
    "a@a" * 40_000,
    "+" * 100_000,
    "&a" * 60_000,
    "a\u0301" * 60_000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_cutting_takes_time_in_proportion(text: str) -> None:
    assert len(list(cut(text))) <= len(text)
