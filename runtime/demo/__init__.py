"""The demo: a small collection written for Nestling, and questions with the document that answers each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files

from ..document import Document


@dataclass(frozen=True)
class DemoQuestion:
    """A question to the demo collection.

    Attributes:
        text: as a person would ask it.
        answer: id of the document that answers it.
    """

    text: str
    answer: str


def demo_documents() -> list[Document]:
    """The demo collection."""
    return [Document(**json.loads(line)) for line in _lines("documents.jsonl")]


def demo_questions() -> list[DemoQuestion]:
    """Questions to the demo collection."""
    return [DemoQuestion(values["text"], values["answer"]) for values in map(json.loads, _lines("questions.jsonl"))]


def _lines(name: str) -> list[str]:
    return (files(__package__) / name).read_text(encoding="utf-8").splitlines()
