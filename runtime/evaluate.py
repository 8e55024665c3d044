"""Retrieval quality and speed over a folder in BEIR layout, through `Library` as an application would use it."""

from __future__ import annotations

import gzip
import json
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .document import Document
from .encoding.encoder import Encoder
from .errors import NestlingError
from .library.library import Library
from .library.search.query import Mode
from .readers.jsonl import named_text

MEASURES = ("nDCG@10", "Recall@100", "MRR@10")
DEPTH = 100

_MAX_GRADE = 1_000_000  # trec_eval counts every grade up to the highest

EvalProgress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Collection:
    """A collection with judged queries.

    Attributes:
        name: the folder's name.
        documents: what is searched.
        queries: text by query id, of the queries that have a judgement.
        judgements: by query id and document id, 1 or more for relevant.
    """

    name: str
    documents: list[Document]
    queries: dict[str, str]
    judgements: dict[str, dict[str, int]]


@dataclass(frozen=True)
class QueryRun:
    """How the queries of a collection are asked.

    Attributes:
        mode: by meaning, by words, or both.
        exact: rescore every passage rather than the nearest by their bits.
    """

    mode: Mode
    exact: bool = False


@dataclass(frozen=True)
class EvalResult:
    """What a run over a collection measured.

    Attributes:
        width, query_width: that documents, and that queries were encoded at.
        measures: mean over the queries, by name.
        by_query: each query's measures, by query id.
        documents, passages, queries: how many there were.
        documents_per_second: reading text to committed file.
        query_p50_ms, query_p95_ms: one search, encoding included.
        file_bytes: of the library's file.
    """

    collection: str
    mode: str
    exact: bool
    bundle: str
    width: str
    query_width: str
    precision: str
    dim: int
    measures: dict[str, float]
    by_query: dict[str, dict[str, float]]
    documents: int
    passages: int
    queries: int
    documents_per_second: float
    query_p50_ms: float
    query_p95_ms: float
    file_bytes: int


def read_collection(folder: Path, *, documents_in: str | None = None, queries_in: str | None = None) -> Collection:
    """Read `corpus.jsonl`, `queries.jsonl` (each plain or .gz) and `qrels/test.tsv`.

    Args:
        documents_in, queries_in: of a parallel collection the languages, as `en` for `corpus.en.jsonl`; the ids are the
            same in all of them.

    Raises:
        NestlingError: a file is missing or a line is not as it must be.
    """
    judgements = _judgements(folder / "qrels" / "test.tsv")
    corpus, asked = (_in_language(name, one) for name, one in (("corpus", documents_in), ("queries", queries_in)))
    documents = list(_documents(folder / corpus))
    queries = {document.id: document.text for document in _documents(folder / asked)}
    if missing := sorted(set(judgements) - set(queries)):
        raise NestlingError(f"{folder}: the judged query {missing[0]!r} is not in {asked}")
    judged = {id: text for id, text in queries.items() if id in judgements}
    languages = [one for one in (queries_in, documents_in) if one is not None]
    name = " ".join([folder.resolve().name, "-".join(languages)]).strip()
    return Collection(name, documents, judged, judgements)


def _in_language(name: str, language: str | None) -> str:
    """The name of a file of a collection."""
    if language is not None and not (language.isascii() and language.replace("-", "").isalnum()):
        raise NestlingError(f"{language!r} is no language, expected one as in the files' names: en, pt-br")
    return f"{name}.jsonl" if language is None else f"{name}.{language}.jsonl"


def evaluate(
    collection: Collection,
    encoder: Encoder,
    runs: Sequence[QueryRun],
    progress: EvalProgress | None = None,
    *,
    query_width: str | None = None,
) -> list[EvalResult]:
    """Index a collection in a temporary library, then for each run ask every query for 100 documents and measure.

    Args:
        progress: called with `documents` or `queries`, how many are done, and how many there are.
        query_width: of the queries' encoder; None for the given one, which encodes the documents.
    """
    require_measures()

    def said(done: int, total: int) -> None:
        if progress is not None:
            progress("documents", done, total)

    with (
        tempfile.TemporaryDirectory() as folder,
        Library(Path(folder, "eval.nest"), encoder=encoder, query_width=query_width) as library,
    ):
        begin = time.perf_counter()
        library.add(collection.documents, progress=said)
        documents_per_second = len(collection.documents) / (time.perf_counter() - begin)
        return [_asked(library, collection, run, documents_per_second, progress) for run in runs]


def _asked(
    library: Library, collection: Collection, run: QueryRun, documents_per_second: float, progress: EvalProgress | None
) -> EvalResult:
    found: dict[str, dict[str, float]] = {}
    query_ms: list[float] = []
    for done, (id, text) in enumerate(collection.queries.items(), start=1):
        begin = time.perf_counter()
        hits = library.search(text, k=DEPTH, mode=run.mode, exact=run.exact)
        query_ms.append(1000 * (time.perf_counter() - begin))
        found[id] = scored_by_rank([hit.id for hit in hits])
        if progress is not None:
            progress("queries", done, len(collection.queries))
    by_query = ranking_measures(collection.judgements, found)
    encoder, info = library.encoder, library.info()
    return EvalResult(
        collection=collection.name,
        mode=run.mode,
        exact=run.exact,
        bundle=encoder.bundle.name,
        width=encoder.width,
        query_width=library.query_width,
        precision=encoder.precision,
        dim=encoder.dim,
        measures=means(by_query),
        by_query=by_query,
        documents=info.documents,
        passages=info.passages,
        queries=len(found),
        documents_per_second=documents_per_second,
        query_p50_ms=float(np.percentile(query_ms, 50)),
        query_p95_ms=float(np.percentile(query_ms, 95)),
        file_bytes=info.bytes,
    )


def ranking_measures(
    judgements: dict[str, dict[str, int]], found: dict[str, dict[str, float]]
) -> dict[str, dict[str, float]]:
    """Each query's nDCG@10, Recall@100 and MRR@10 by ir_measures; 0 for a query without hits.

    Args:
        judgements: by query id and document id, the grade.
        found: by query id and document id, the score.
    """
    require_measures()
    import ir_measures

    names = {ir_measures.parse_measure(name.replace("MRR", "RR").replace("Recall", "R")): name for name in MEASURES}
    values: dict[str, dict[str, float]] = {id: dict.fromkeys(MEASURES, 0.0) for id in judgements}
    for metric in ir_measures.iter_calc(list(names), judgements, found):
        values[metric.query_id][names[metric.measure]] = float(metric.value)
    return values


def scored_by_rank(ids: Sequence[str]) -> dict[str, float]:
    """Ids, best first, with scores that say their ranks alone, so that no measure orders equal scores by itself."""
    return {id: float(len(ids) - row) for row, id in enumerate(ids)}


def means(by_query: dict[str, dict[str, float]]) -> dict[str, float]:
    """The mean over all queries of each of what `ranking_measures` gave."""
    return {name: float(np.mean([values[name] for values in by_query.values()])) for name in MEASURES}


def require_measures() -> None:
    """Raise NestlingError where what `ranking_measures` needs is not installed."""
    if find_spec("ir_measures") is None:
        raise NestlingError("measuring needs the extra eval; install it with: pip install 'nestling[eval]'")


def _judgements(path: Path) -> dict[str, dict[str, int]]:
    judgements: dict[str, dict[str, int]] = {}
    try:
        rows = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise NestlingError(f"{path}: cannot be read ({error.strerror}); expected a folder in BEIR layout") from error
    except UnicodeDecodeError as error:
        raise NestlingError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    for number, row in enumerate(rows[1:], start=2):
        cells = row.split("\t")
        try:
            query, document, grade = cells[0], cells[1], int(cells[2])
            if grade > _MAX_GRADE:
                raise ValueError
        except (IndexError, ValueError):
            expected = f"expected query-id, corpus-id and a whole score of at most {_MAX_GRADE:,}"
            raise NestlingError(f"{path}:{number}: {expected}") from None
        if grade > 0:
            judgements.setdefault(query, {})[document] = grade
    if not judgements:
        raise NestlingError(f"{path}: has no relevant judgement")
    return judgements


def _documents(path: Path) -> Iterator[Document]:
    """The documents, or the queries, of a .jsonl file, plain or .gz."""
    zipped = path.with_name(path.name + ".gz")
    if not path.exists() and not zipped.exists():
        raise NestlingError(f"{path}: is missing, and so is {zipped.name}; expected a folder in BEIR layout")
    found = path if path.exists() else zipped
    number = 0
    try:
        with found.open("rb") if found == path else gzip.open(found, "rb") as lines:
            for line in lines:
                number += 1
                yield Document(*named_text(json.loads(line), ["_id"]))
    except (ValueError, RecursionError):
        raise NestlingError(
            f"{found}:{number}: is no JSON object with _id and text, and a title that is text"
        ) from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise NestlingError(f"{found}: is cut short or damaged behind line {number} ({error}); copy it anew") from None
