"""A finished bundle against the torch reference, through the code that will run it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer

from ...arrays import Floats
from ...bundle.manifest import Bundle
from ...demo import demo_documents, demo_questions
from ...encoding.conformance import agreement
from ...encoding.encoder import Encoder
from ...encoding.tokens import Tokens
from ..errors import ExportError
from ..quantize.onnx_graph import load_model, pool
from ..recipe.parts import EncoderRecipe, VerifyRecipe
from ..recipe.training import WIDEST

MIN_SENTENCES = 500
GOLDEN_TEXTS = 64

_TOOLS = ("numpy", "onnx", "onnxruntime", "optimum", "optimum-onnx", "tokenizers", "torch", "transformers")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_LONG_DOCUMENTS = 4


@dataclass(frozen=True)
class VerifyReport:
    """What a variant of a bundle was measured at.

    Attributes:
        sentences: how many texts were compared.
        cosine_mean, cosine_min: between the bundle's vectors and the float32 reference's.
        top10_overlap: share of each text's ten nearest others that both find, averaged.
    """

    sentences: int
    cosine_mean: float
    cosine_min: float
    top10_overlap: float


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


def golden_texts(tokens: Tokens) -> list[str]:
    """Some of `sentences`, spread over all lengths, from the shortest on, each cut to what the encoder reads."""
    ordered = sorted((tokens.readable(text, "document") for text in sentences()), key=lambda text: (len(text), text))
    rows = np.linspace(0, len(ordered) - 1, GOLDEN_TEXTS).round().astype(int)
    return [ordered[row] for row in rows]


def reference(source: Path, encoder: EncoderRecipe, texts: list[str]) -> Floats:
    """The vectors of the original weights in torch and float32, (n, dim), one text at a time, as documents."""
    tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True)  # type: ignore[no-untyped-call]
    model = load_model(source)
    rows = []
    with torch.inference_mode():
        for text in texts:
            ids = tokenizer(
                encoder.document_prefix + text,
                truncation=True,
                max_length=encoder.max_tokens,
                return_tensors="pt",
            )["input_ids"]
            rows.append(pool(model(input_ids=ids).last_hidden_state, encoder.pooling).numpy()[0])
    return np.stack(rows).astype(np.float32)


def turned(vectors: Floats, rotation: Floats | None) -> Floats:
    """Vectors as a bundle has them whose encoders turn theirs; None for not at all."""
    return vectors if rotation is None else np.asarray(vectors @ rotation, dtype=np.float32)


def compare(encoder: Encoder, texts: list[str], expected: Floats) -> VerifyReport:
    """Measure an encoder against the reference's vectors of the same texts."""
    # What is behind the limit is cut, so that a long text is compared without a warning.
    texts = [encoder.tokens.readable(text, "document") for text in texts]
    found = encoder.encode(texts, role="document")
    cosines = (found * expected).sum(axis=1)
    return VerifyReport(
        sentences=len(texts),
        cosine_mean=round(float(cosines.mean()), 4),
        cosine_min=round(float(cosines.min()), 4),
        top10_overlap=round(agreement(found, expected, 10), 4),
    )


def measured(
    bundle: Bundle, bars: Mapping[str, VerifyRecipe], texts: list[str], expected: Floats
) -> dict[str, VerifyReport]:
    """Measure each variant of a bundle against the reference's vectors of some texts.

    Args:
        bars: what must be reached, by precision for the widest encoder and by WIDTH.PRECISION.
        expected: (n, dim) float32.

    Raises:
        ExportError: a variant falls short of its bar.
    """
    reports = {}
    for variant in bundle.variants:
        with Encoder(bundle, width=variant.width, precision=variant.precision) as encoder:
            reports[variant.name] = compare(encoder, texts, expected)
        bar = variant.precision if variant.width == WIDEST else variant.name
        if bar in bars:
            require(reports[variant.name], bars[bar], variant.name)
    return reports


def report_text(reports: Mapping[str, VerifyReport]) -> str:
    """What is written to report.json: the report of each variant, and the versions of the tools."""
    values: dict[str, Any] = {name: asdict(report) for name, report in reports.items()}
    values["versions"] = tool_versions()
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
        ("top-10 overlap", report.top10_overlap, bar.min_top10_overlap),
    ):
        if not found >= least:  # so that what is no number falls short too
            raise ExportError(
                f"{variant}: {what} to the reference is {found}, the recipe asks for {least}; no bundle was written"
            )
