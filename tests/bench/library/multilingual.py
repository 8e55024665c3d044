"""What a multilingual bundle finds: xquad in its own language and in English, pud's translations.

    python -m tests.bench.library.multilingual XQUAD_FOLDER PUD_FOLDER WORK_FOLDER [BUNDLE...] [-o RESULT.json]

Of xquad every fourth question is asked, of each language its paragraphs and the English ones: by meaning, by words and
by both, through `Library`, and by vectors alone in float32 and by bits of which 40 are compared again. Of pud each
sentence is asked for its English translation among 1,000. `tokens` are those of a bundle's tokenizer a word of English,
for what says the same; `unknown` are thousandths of tokens that no piece stands for. Of a bundle with several widths
those that are narrower are asked by vectors alone.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from nestling import Document, Encoder, Library
from nestling.arrays import Floats
from nestling.bundle.manifest import Bundle
from nestling.evaluate import ranking_measures, read_collection

from ..machine import ROOT, described, finished
from .languages import LANGUAGES

EVERY, RESCORED, DEPTH = 4, 40, 10
PUD = ("ar", "cs", "de", "es", "fr", "hi", "id", "it", "ko", "pl", "pt", "ru", "sv", "th", "tr", "zh")
MODES = ("dense", "lexical", "hybrid")


def ndcg(runs: dict[str, dict[str, float]], relevant: dict[str, dict[str, int]]) -> float:
    """Mean nDCG@10."""
    asked = {id: relevant[id] for id in runs}
    return round(float(np.mean([values["nDCG@10"] for values in ranking_measures(asked, runs).values()])), 4)


def by_vectors(queries: Floats, documents: Floats, ids: list[str], asked: list[str]) -> dict[str, dict[str, float]]:
    """Runs of the best by cosine."""
    order = np.argsort(-(queries @ documents.T), axis=1, kind="stable")[:, :DEPTH]
    return {id: {ids[key]: float(DEPTH - n) for n, key in enumerate(row)} for id, row in zip(asked, order, strict=True)}


def by_bits(queries: Floats, documents: Floats, ids: list[str], asked: list[str]) -> dict[str, dict[str, float]]:
    """Runs of the best by signs, the first of which are compared again by cosine."""
    near = np.argsort(-(np.sign(queries) @ np.sign(documents).T), axis=1, kind="stable")[:, :RESCORED]
    runs = {}
    for id, query, row in zip(asked, queries, near, strict=True):
        best = row[np.argsort(-(documents[row] @ query), kind="stable")][:DEPTH]
        runs[id] = {ids[key]: float(DEPTH - n) for n, key in enumerate(best)}
    return runs


def searched(library: Library, asked: dict[str, str], mode: Any) -> dict[str, dict[str, float]]:
    """Runs of a library."""
    return {
        id: {hit.id: float(DEPTH - n) for n, hit in enumerate(library.search(text, k=DEPTH, mode=mode))}
        for id, text in asked.items()
    }


def studied(encoder: Encoder, xquad: Path, pud: Path, work: Path) -> dict[str, Any]:
    """All figures of a bundle."""
    rows, english = [], np.zeros((0, 0), dtype=np.float32)
    for language in LANGUAGES:
        ids, texts, asked, relevant = collection(xquad, language)
        documents = encoder.encode(texts, role="document")
        queries = encoder.encode(list(asked.values()), role="query")
        english = documents if language == "en" else english
        given = [documents, ids, list(asked)]
        row: dict[str, Any] = {"language": language, "float": ndcg(by_vectors(queries, *given), relevant)}
        row["bits"] = ndcg(by_bits(queries, *given), relevant)
        row["to English"] = ndcg(by_vectors(queries, english, ids, list(asked)), relevant)
        path = work / f"{encoder.bundle.name}-{encoder.width}-{language}.nest"
        path.unlink(missing_ok=True)
        with Library(path, encoder=encoder) as library:
            library.add([Document(id=id, text=text) for id, text in zip(ids, texts, strict=True)])
            row |= {mode: ndcg(searched(library, asked, mode), relevant) for mode in MODES}
        row |= tokens_of(encoder, texts)
        rows.append(row)
        print(encoder.bundle.name, row, flush=True)
    return {"xquad": rows, "pud": translated(encoder, pud)}


def collection(xquad: Path, language: str) -> tuple[list[str], list[str], dict[str, str], dict[str, dict[str, int]]]:
    """The ids and texts of a language's paragraphs, its questions by id, and what is relevant to each."""
    read = read_collection(xquad, documents_in=language, queries_in=language)
    asked = dict(list(read.queries.items())[::EVERY])
    return [one.id for one in read.documents], [one.text for one in read.documents], asked, read.judgements


def narrower(bundle: Bundle, xquad: Path) -> dict[str, dict[str, float]]:
    """By width, mean nDCG@10 over the languages: of its own vectors, of its questions among the widest's paragraphs, of
    both in English paragraphs, and how many times as fast it encodes as the widest."""
    encoders = {width: Encoder(bundle, width=width) for width in bundle.widths}
    widest = next(iter(encoders))
    found: dict[str, dict[str, list[float]]] = {}
    english: dict[str, Floats] = {}
    for language in LANGUAGES:
        ids, texts, asked, relevant = collection(xquad, language)
        seconds, vectors = {}, {}
        for width, encoder in encoders.items():
            begin = time.perf_counter()
            documents = encoder.encode(texts, role="document")
            seconds[width] = time.perf_counter() - begin
            vectors[width] = documents, encoder.encode(list(asked.values()), role="query")
            english.setdefault(width, documents)
        for width, (documents, queries) in vectors.items():
            given = [ids, list(asked)]
            row = {
                "own": ndcg(by_vectors(queries, documents, *given), relevant),
                "queries": ndcg(by_vectors(queries, vectors[widest][0], *given), relevant),
                "to English": ndcg(by_vectors(queries, english[width], *given), relevant),
                "times as fast": seconds[widest] / seconds[width],
            }
            for key, value in row.items():
                found.setdefault(width, {}).setdefault(key, []).append(value)
    return {width: {key: float(np.mean(values)) for key, values in row.items()} for width, row in found.items()}


def tokens_of(encoder: Encoder, texts: list[str]) -> dict[str, float]:
    """How many tokens paragraphs have, and how many of a thousand are unknown."""
    ids = [encoder.tokens.ids(text, "document")[0] for text in texts]
    unknown = encoder.tokens.unknown
    count = sum(map(len, ids))
    return {
        "tokens": count,
        "unknown": round(1000 * sum(int((one == unknown).sum()) for one in ids) / count, 3),
    }


def translated(encoder: Encoder, pud: Path) -> dict[str, float]:
    """By language, the part of its sentences whose nearest English one is their translation."""
    english = sentences(pud / "en.tsv")
    documents = encoder.encode(list(english.values()), role="document")
    found = {}
    for language in PUD:
        own = sentences(pud / f"{language}.tsv")
        nearest = (encoder.encode(list(own.values()), role="query") @ documents.T).argmax(axis=1)
        names = list(english)
        found[language] = round(float(np.mean([names[key] == id for key, id in zip(nearest, own, strict=True)])), 3)
    print(encoder.bundle.name, found, flush=True)
    return found


def sentences(path: Path) -> dict[str, str]:
    """The sentences of a file of pud, by id."""
    rows = (line.partition("\t") for line in path.read_text(encoding="utf-8").splitlines())
    return {id: text for id, _, text in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("xquad", type=Path)
    parser.add_argument("pud", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("bundles", nargs="*", default=["nestling-multi"])
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "tests/bench/results/multilingual.json")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {}
    for bundle in arguments.bundles:
        encoder = Encoder(bundle)
        found = studied(encoder, arguments.xquad, arguments.pud, arguments.work)
        if len(encoder.bundle.widths) > 1:
            found["widths"] = narrower(encoder.bundle, arguments.xquad)
        result[encoder.bundle.name] = found
    given = " ".join(map(str, [arguments.xquad, arguments.pud, "WORK_FOLDER", *arguments.bundles]))
    command = f"python -m tests.bench.library.multilingual {given}"
    finished(arguments.output, {**described(command, Encoder().threads), "bundles": result})


if __name__ == "__main__":
    main()
