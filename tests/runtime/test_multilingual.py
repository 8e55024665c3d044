"""The bundle of the data package nestling-multi: sound, within its size, and asked in one language it finds another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nestling import Document, Encoder, Library
from nestling.bundle.manifest import read_bundle
from nestling.encoding.conformance import conformance

BUNDLE = Path(__file__).parents[2] / "models" / "nestling-multi"
DOCUMENTS = {
    "burn": "Cool a burn under running water for twenty minutes.",
    "fever": "A child with a high fever should drink plenty of water.",
    "snake": "After a snake bite keep the person still and call for help.",
    "bread": "Bake the bread at 220 degrees for forty minutes.",
    "train": "The train to the airport leaves every half hour.",
    "battery": "The laptop battery should be charged before first use.",
}
QUESTIONS = {
    "Wie lange soll man eine Verbrennung kühlen?": "burn",
    "¿Qué hago si me muerde una serpiente?": "snake",
    "Что давать ребёнку при высокой температуре?": "fever",
    "烧伤后应该用水冲多久？": "burn",
    "बुखार वाले बच्चे को क्या पिलाना चाहिए?": "fever",
    "متى يغادر القطار إلى المطار؟": "train",
    "ต้องอบขนมปังนานเท่าไร": "bread",
    "Yüksek ateşi olan çocuğa ne verilmeli?": "fever",
    "Pin máy tính xách tay nên sạc khi nào?": "battery",
    "Πόση ώρα ψήνεται το ψωμί;": "bread",
}


@pytest.fixture(scope="module")
def multi() -> Encoder:
    """Its encoder."""
    return Encoder(BUNDLE)


def test_it_is_sound_and_within_40_megabytes() -> None:
    found = list(conformance(BUNDLE))
    assert [one.variant for one in found] == ["xl.int8", "m.int8", "xl.int4", "static.int4"]
    assert min(one.cosine_min for one in found) > 0.99
    bundle = read_bundle(BUNDLE)
    used = {bundle.tokenizer, *bundle.variants[0].files}
    assert sum(bundle.files[name].bytes for name in used) <= 40_000_000
    assert bundle.name == BUNDLE.name


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_finds_what_answers_it_in_english(question: str, multi: Encoder, tmp_path: Path) -> None:
    with Library(tmp_path / "a.nest", encoder=multi) as library:
        library.add([Document(id=id, text=text) for id, text in DOCUMENTS.items()])
        assert library.search(question, k=1)[0].id == QUESTIONS[question]


def test_vectors_do_not_depend_on_what_else_is_asked(multi: Encoder) -> None:
    texts = [*QUESTIONS, *DOCUMENTS.values()]
    together = multi.encode(texts, role="document")
    alone = np.concatenate([Encoder(BUNDLE, threads=1).encode([text], role="document") for text in texts])
    assert (together == alone).all()


def test_nothing_of_common_languages_is_unknown(multi: Encoder) -> None:
    unknown = multi.tokens.unknown
    for text in QUESTIONS:
        assert unknown not in multi.tokens.ids(text, "query")[0]
    assert unknown in multi.tokens.ids("𓀀𓁐", "query")[0]
