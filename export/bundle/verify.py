"""A finished bundle against sentence-transformers, through the code that will run it."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import numpy as np
import torch

from ...arrays import Floats
from ...bundle.manifest import ROLES, Bundle, Role
from ...demo import demo_documents, demo_questions
from ...encoding.conformance import agreement
from ...encoding.encoder import Encoder
from ...encoding.tokens import Tokens
from ...errors import TruncationWarning
from ..encoder.head import Turn
from ..encoder.sentence_encoder import SentenceEncoder
from ..errors import ExportError
from ..recipe.parts import VerifyRecipe
from ..recipe.training import WIDEST

MIN_SENTENCES = 500
# What the exported weights as they are must reach in any case.
EXACT = VerifyRecipe(0.9999, 0.999, 0.9)
GOLDEN_TEXTS = 64

_QUERIES, _QUERY_CHARS = 128, 200
_TRIED = 12
_TOOLS = ("numpy", "onnx", "onnxruntime", "optimum", "optimum-onnx", "sentence-transformers", "tokenizers", "torch",
          "transformers")  # fmt: skip
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_LONG_DOCUMENTS = 4


@dataclass(frozen=True)
class VerifyReport:
    """What a variant of a bundle was measured at.

    Attributes:
        sentences: how many texts were compared as documents.
        cosine_mean, cosine_min: between the bundle's vectors and those of sentence-transformers in float32.
        top10_overlap: share of each text's ten nearest others that both find, averaged.
        queries: how many texts were compared as queries.
        query_cosine_mean, query_cosine_min: the same of them.
    """

    sentences: int
    cosine_mean: float
    cosine_min: float
    top10_overlap: float
    queries: int
    query_cosine_mean: float
    query_cosine_min: float


def sentences() -> list[str]:
    """Real texts of one to some hundred words: sentences of old books, and of the demo collection the sentences,
    titles, questions, documents, and some documents in a row."""
    documents = demo_documents()
    texts = (files(__package__) / "sentences.txt").read_text(encoding="utf-8").splitlines()
    texts += [part for document in documents for part in _SENTENCE_END.split(document.text)]
    texts += [document.title for document in documents] + [question.text for question in demo_questions()]
    texts += [document.text for document in documents]
    whole = [document.text for document in documents]
    texts += [" ".join(whole[row : row + _LONG_DOCUMENTS]) for row in range(0, len(whole), _LONG_DOCUMENTS)]
    return list(dict.fromkeys(texts))


def compared_texts() -> dict[Role, list[str]]:
    """By role, what is compared: all of `sentences` as documents, and short ones among them as queries."""
    texts = sentences()
    short = [text for text in texts if len(text) <= _QUERY_CHARS]
    return {"document": texts, "query": short[:: max(1, len(short) // _QUERIES)]}


def golden_texts(tokens: Tokens) -> list[str]:
    """Some of `sentences`, spread over all lengths, from the shortest on, each cut to what the encoder reads."""
    ordered = sorted((tokens.readable(text, "document") for text in sentences()), key=lambda text: (len(text), text))
    rows = np.linspace(0, len(ordered) - 1, GOLDEN_TEXTS).round().astype(int)
    return [ordered[row] for row in rows]


def compare_exact(
    encoder: SentenceEncoder,
    tokens: Tokens,
    texts: Mapping[Role, list[str]],
    expected: Mapping[Role, Floats],
) -> None:
    """Raise ExportError where an encoder in float32 gives other vectors than sentence-transformers, before any time is
    spent on it.

    Args:
        texts, expected: as of `measured`.
    """
    for role in ROLES:
        some = range(0, len(texts[role]), max(1, len(texts[role]) // _TRIED))
        for row in some:
            ids = tokens.ids(texts[role][row], role)[0]
            with torch.inference_mode():
                found = encoder(input_ids=torch.from_numpy(ids[None, :])).numpy()[0]
            cosine = float(found @ expected[role][row])
            if not cosine > EXACT.min_cosine:
                raise ExportError(
                    f"as {role} the model gives another vector than sentence-transformers for "
                    f"{texts[role][row][:40]!r} (cosine {cosine:.4f}); it has a setting that is not read, so no bundle "
                    "was written"
                )


def compare(encoder: Encoder, texts: Mapping[Role, list[str]], expected: Mapping[Role, Floats]) -> VerifyReport:
    """Measure an encoder against the reference's vectors of the same texts, by role."""
    found: dict[Role, Floats] = {}
    for role in ROLES:
        with warnings.catch_warnings():  # what is behind the limit is cut, as the reference cuts it
            warnings.simplefilter("ignore", TruncationWarning)
            found[role] = encoder.encode(texts[role], role=role)
    cosines = {role: (found[role] * expected[role]).sum(axis=1) for role in ROLES}
    return VerifyReport(
        sentences=len(texts["document"]),
        cosine_mean=round(float(cosines["document"].mean()), 4),
        cosine_min=round(float(cosines["document"].min()), 4),
        top10_overlap=round(agreement(found["document"], expected["document"], 10), 4),
        queries=len(texts["query"]),
        query_cosine_mean=round(float(cosines["query"].mean()), 4),
        query_cosine_min=round(float(cosines["query"].min()), 4),
    )


def measured(
    bundle: Bundle,
    bars: Mapping[str, VerifyRecipe],
    texts: Mapping[Role, list[str]],
    expected: Mapping[Role, Floats],
    turn: Turn | None,
) -> dict[str, VerifyReport]:
    """Measure each variant of a bundle against the reference's vectors of some texts.

    Args:
        bars: what must be reached, by precision for the widest encoder and by WIDTH.PRECISION.
        texts, expected: by role, and their vectors (n, dim) float32.
        turn: what the bundle's vectors are against the reference's; None for the same.

    Raises:
        ExportError: a variant falls short of its bar, or float32 of what it must be in any case.
    """
    if turn is not None:
        expected = {role: turn(expected[role]) for role in ROLES}
    reports = {}
    for variant in bundle.variants:
        with Encoder(bundle, width=variant.width, precision=variant.precision) as encoder:
            reports[variant.name] = compare(encoder, texts, expected)
        bar = variant.precision if variant.width == WIDEST else variant.name
        if bar in bars:
            require(reports[variant.name], bars[bar], variant.name)
        if variant.name == f"{WIDEST}.float32":
            require(reports[variant.name], EXACT, variant.name)
    return reports


def report_text(reports: Mapping[str, VerifyReport], departures: Sequence[str], taken: str) -> str:
    """What is written to report.json: the report of each variant, the versions of the tools, where the recipe departs
    from the model's own settings, and how near weights that were taken out of a graph are to it."""
    values: dict[str, Any] = {name: asdict(report) for name, report in reports.items()}
    values["versions"] = tool_versions()
    if departures:
        values["departures"] = list(departures)
    if taken:
        values["taken"] = taken
    return json.dumps(values, indent=2, sort_keys=True) + "\n"


def tool_versions() -> dict[str, str]:
    """The versions of the tools that a bundle's files depend on."""
    return {tool: version(tool) for tool in _TOOLS}


def require(report: VerifyReport, bar: VerifyRecipe, variant: str) -> None:
    """Raise ExportError where a report falls short of its recipe."""
    if report.sentences < MIN_SENTENCES:
        raise ExportError(f"only {report.sentences} sentences to verify with, expected {MIN_SENTENCES} or more")
    for what, found, least in (
        ("mean cosine", report.cosine_mean, bar.min_cosine_mean),
        ("worst cosine", report.cosine_min, bar.min_cosine),
        ("mean cosine of queries", report.query_cosine_mean, bar.min_cosine_mean),
        ("worst cosine of queries", report.query_cosine_min, bar.min_cosine),
        ("top-10 overlap", report.top10_overlap, bar.min_top10_overlap),
    ):
        if not found >= least:  # so that what is no number falls short too
            raise ExportError(
                f"{variant}: {what} to the reference is {found}, the recipe asks for {least}; no bundle was written"
            )
