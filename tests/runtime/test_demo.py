from __future__ import annotations

import re

from nestling import Library
from nestling.demo import demo_documents, demo_questions

COMMON = frozenset(
    "a an and any are as at be been by can do does for from had has have how i if in into is it its me my no not of "
    "off on one or our out so than that the their them then there they this to too up was we were what when where "
    "which who why will with would you your".split()
)


def stems(text: str) -> set[str]:
    """Words without their commonest endings, and without words that carry no content."""
    words = set(re.findall(r"[a-z0-9]+", text.lower())) - COMMON
    return {re.sub(r"(ing|ed|es|s|ly|e|y)$", "", word) if len(word) > 4 else word for word in words}


def test_the_collection_is_as_described() -> None:
    documents = demo_documents()
    assert len(documents) >= 60
    assert len({document.id for document in documents}) == len(documents)
    topics = {document.metadata["topic"] for document in documents}
    assert topics == {"first aid", "clinic", "household", "computers", "nature"}


def test_several_questions_share_no_word_with_their_answer() -> None:
    by_id = {document.id: document for document in demo_documents()}
    apart = [
        question.text
        for question in demo_questions()
        if not stems(question.text) & stems(f"{by_id[question.answer].title} {by_id[question.answer].text}")
    ]
    assert len(apart) >= 5


def test_the_demo_answers_its_questions(tmp_path) -> None:
    with Library(tmp_path / "demo.nest") as library:
        library.add(demo_documents())
        ranks = []
        for question in demo_questions():
            ids = [hit.id for hit in library.search(question.text, k=3)]
            ranks.append(ids.index(question.answer) + 1 if question.answer in ids else None)
    # As it is with the bundled encoder. Of those who ask as one talks at home it misses one among the first three.
    assert ranks.count(1) >= len(ranks) - 5
    assert ranks.count(None) <= 1
