"""How well words alone find a paragraph by a question in its own language, by the rule that text is cut by.

    python -m tests.bench.library.languages ../shared/data/xquad

Each language's paragraphs are indexed by SQLite's FTS5 in memory and asked by its questions, any word of which may
match, ranked by BM25. The rules: FTS5's own tokenizers unicode61 and trigram, a segmenter by a dictionary where one is
installed (jieba for Chinese, pythainlp for Thai), and Nestling's words.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nestling.library.search import lexical
from nestling.library.store.words import TOKENIZER, indexed

from ..machine import described, finished

RESULT = Path(__file__).parents[1] / "results" / "languages.json"
LANGUAGES = ("en", "de", "es", "ro", "el", "ru", "tr", "ar", "hi", "vi", "th", "zh")
UNICODE61 = "porter unicode61 remove_diacritics 2"


@dataclass(frozen=True)
class Rule:
    """A way to cut text.

    Attributes:
        tokenizer: FTS5's.
        cut: what it is given for a text.
        terms: FTS5 expressions for a question.
    """

    tokenizer: str
    cut: Callable[[str], str]
    terms: Callable[[str], list[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    relevant = dict(line.split("\t")[:2] for line in (folder / "qrels" / "test.tsv").read_text().splitlines()[1:])
    rows = []
    for language in LANGUAGES:
        corpus, queries = (list(lines(folder / f"{kind}.{language}.jsonl")) for kind in ("corpus", "queries"))
        row = {"language": language}
        for name, rule in _rules(language):
            db = _index([f"{one.get('title', '')} {one['text']}" for one in corpus], rule)
            (size,) = db.execute("SELECT sum(length(block)) FROM t_data").fetchone()
            gains = [_gain(db, rule.terms(one["text"]), corpus, relevant[one["_id"]]) for one in queries]
            row |= {name: round(sum(gains) / len(gains), 4), f"{name} KB": round(size / 1000)}
        rows.append(row)
        print(json.dumps(row), flush=True)
    finished(RESULT, {**described(f"python -m tests.bench.library.languages {folder}", 1), "results": rows})


def _rules(language: str) -> Iterator[tuple[str, Rule]]:
    yield "unicode61", Rule(UNICODE61, str, lambda text: _quoted(re.findall(r"\w+", text)))
    yield "trigram", Rule("trigram", str, lambda text: _quoted(text[at : at + 3] for at in range(len(text) - 2)))
    if language == "zh":
        import jieba

        jieba.setLogLevel("ERROR")
        yield "segmenter", _segmented(jieba.lcut)
    if language == "th":
        from pythainlp.tokenize import word_tokenize

        yield "segmenter", _segmented(word_tokenize)
    yield "nestling", Rule(TOKENIZER, indexed, lexical.terms)


def _segmented(cut: Callable[[str], list[str]]) -> Rule:
    return Rule(TOKENIZER, lambda text: " ".join(cut(text)), lambda text: _quoted(cut(text)))


def _quoted(words: Iterator[str] | list[str]) -> list[str]:
    return [f'"{word}"' for word in dict.fromkeys(words) if '"' not in word and any(map(str.isalnum, word))]


def _index(texts: list[str], rule: Rule) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.execute(f'CREATE VIRTUAL TABLE t USING fts5 (body, tokenize = "{rule.tokenizer}")')
    db.executemany("INSERT INTO t (rowid, body) VALUES (?, ?)", ((n, rule.cut(text)) for n, text in enumerate(texts)))
    db.execute("INSERT INTO t (t) VALUES ('optimize')")
    return db


def _gain(db: sqlite3.Connection, terms: list[str], corpus: list[dict[str, str]], relevant: str) -> float:
    """nDCG@10 of a question with one right answer."""
    select = "SELECT rowid FROM t WHERE t MATCH ? ORDER BY bm25(t), rowid LIMIT 10"
    found = db.execute(select, (" OR ".join(terms),)).fetchall() if terms else []
    return next((1 / math.log2(rank + 2) for rank, (row,) in enumerate(found) if corpus[row]["_id"] == relevant), 0.0)


def lines(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a file of JSON Lines."""
    with path.open(encoding="utf-8") as stream:
        yield from map(json.loads, stream)


if __name__ == "__main__":
    main()
