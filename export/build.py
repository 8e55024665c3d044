"""A recipe to a bundle: the only place where the steps are chained.

Finished steps are kept in a work folder named by the recipe's hash and skipped the next time. The bundle is written
last, file by file with the manifest at the end, so that a build that breaks off leaves no bundle that looks whole.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import onnx

from ..bundle.manifest import MANIFEST, Bundle, read_bundle
from ..bundle.quality import REPORT
from ..disk import hash_file
from ..encoding.tokens import Tokens
from .bundle.assemble import put_files, put_golden, put_manifest
from .bundle.card import CARD, card
from .bundle.install import put_in_place
from .bundle.verify import (
    VerifyReport,
    golden_texts,
    measured,
    reference,
    report_text,
    sentences,
    tool_versions,
    turned,
)
from .errors import ExportError
from .quantize.calibration import own_texts
from .quantize.onnx_graph import stored_rotation
from .quantize.quantize import FLOAT32, quantized
from .recipe.parts import FolderSource
from .recipe.recipe import Recipe
from .recipe.source import CONFIG, TOKENIZER, WEIGHTS, fetch, write_tokenizer
from .steps import BuildSteps, Say
from .train.family import family

# The parts of a recipe that no step depends on.
_INDECISIVE = {"path", "name", "verify", "card"}


def build(
    recipe: Recipe,
    output: Path,
    work: Path,
    force: bool,
    say: Say,
    precisions: Sequence[str] | None = None,
    texts: Path | None = None,
) -> Bundle:
    """Build the bundle of a recipe.

    Args:
        output: the bundle's folder; other files in it are left alone.
        work: where intermediate files are kept.
        force: do finished steps again.
        say: told what is being done, a line a step.
        precisions: what the bundle is to hold, the default first; None for all that the recipe describes. `float32`,
            the original weights, may be among them.
        texts: where the files are that the recipe names; None for the recipe's own folder.

    Returns:
        The bundle, read back and verified.

    Raises:
        ExportError: the recipe's source cannot be had, or the result falls short of what the recipe asks for.
    """
    chosen = _chosen(recipe, precisions)
    work = _work_folder(recipe, work)
    if force:
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    texts = texts or recipe.path.parent
    source = _fetched(recipe, work)
    tokenizer = BuildSteps(work, write_tokenizer.__module__, say).file(
        TOKENIZER, "tokenizer", lambda path: write_tokenizer(source, path)
    )
    tokens = _tokens(recipe, source, tokenizer)
    tokenized = work / f"tokens-{hash_file(tokenizer)[:12]}"  # all further steps are of these tokens
    found = family(recipe, source, tokens, texts, tokenized, say)
    graphs = quantized(recipe, found.models, found.space, tokens, texts, chosen, tokenized, say)
    compared = sentences()
    exact = BuildSteps(work, reference.__module__, say).array(
        "reference.npy", "reference", lambda: reference(source, recipe.encoder, compared)
    )

    say("pack and verify")
    staged = work / "bundle"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    dim = exact.shape[1]
    variants = put_files(recipe, graphs, found.static, tokenizer, staged)
    golden = golden_texts(tokens)
    put_golden(staged, tokens, variants, golden, turned(reference(source, recipe.encoder, golden), found.rotation))
    bundle = put_manifest(staged, recipe, found.space, dim, variants)
    reports = measured(bundle, recipe.verify, compared, turned(exact, found.rotation))
    sizes = {variant.name: bundle.bytes_of(variant) for variant in variants}
    (staged / REPORT).write_text(report_text(reports))
    (staged / CARD).write_text(card(recipe, reports, sizes, dim))
    bundle = put_manifest(staged, recipe, found.space, dim, variants)

    put_in_place(staged, output, (*bundle.files, MANIFEST))
    bundle = read_bundle(output)
    bundle.verify()
    _say_built(output, reports, sizes, say)
    return bundle


def verify_bundle(bundle: Bundle, recipe: Recipe, work: Path) -> dict[str, VerifyReport]:
    """Measure a bundle against its source, by variant; raises ExportError where it falls short of its recipe."""
    texts, graph = sentences(), bundle.variants[0].graph
    expected = reference(_fetched(recipe, _work_folder(recipe, work)), recipe.encoder, texts)
    rotation = stored_rotation(onnx.load(bundle.folder / graph))
    return measured(bundle, recipe.verify, texts, turned(expected, rotation))


def _chosen(recipe: Recipe, precisions: Sequence[str] | None) -> tuple[str, ...]:
    """The precisions to build, the default first; raises for one that the recipe does not describe."""
    known = (*recipe.precisions, FLOAT32)
    chosen = recipe.precisions if precisions is None else tuple(dict.fromkeys(precisions))
    if strange := [name for name in chosen if name not in known]:
        raise ExportError(f"{recipe.path}: describes no precision {strange[0]!r}, expected some of {', '.join(known)}")
    return chosen


def _work_folder(recipe: Recipe, work: Path) -> Path:
    """Named by all that its steps depend on but their code; sources that are no folder are pinned by the recipe.

    What a bundle must reach and what its card says are not in it, so that they can be changed after a long training.
    """
    decisive = [repr(getattr(recipe, part.name)) for part in fields(Recipe) if part.name not in _INDECISIVE]
    parts = [*decisive, *own_texts(), *sentences(), *tool_versions().values()]
    if isinstance(recipe.source, FolderSource):
        source = recipe.path.parent / recipe.source.path
        parts += [hash_file(source / name) for name in (WEIGHTS, TOKENIZER, CONFIG) if (source / name).is_file()]
    return work / f"{recipe.name}-{hashlib.sha256(''.join(parts).encode()).hexdigest()[:12]}"


def _fetched(recipe: Recipe, work: Path) -> Path:
    """The source's folder, fetched once; it was compared with the recipe's hash then."""
    fetched = work / "source"
    return fetched if (fetched / WEIGHTS).exists() else fetch(recipe, fetched)


def _tokens(recipe: Recipe, source: Path, tokenizer: Path) -> Tokens:
    """What cuts texts into token ids; raises where the weights have no row in their token table for some of them."""
    encoder = recipe.encoder
    tokens = Tokens(tokenizer, {"document": encoder.document_prefix, "query": encoder.query_prefix}, encoder.max_tokens)
    rows = json.loads((source / CONFIG).read_text())["vocab_size"]
    if tokens.highest_id >= rows:
        raise ExportError(
            f"the tokenizer gives ids up to {tokens.highest_id} and the weights have {rows} rows of tokens; "
            "they do not belong together"
        )
    return tokens


def _say_built(output: Path, reports: Mapping[str, VerifyReport], sizes: Mapping[str, int], say: Say) -> None:
    for name, report in reports.items():
        say(
            f"built {output}: {name}, {sizes[name] / 1e6:.2f} MB, cosine {report.cosine_mean} mean, "
            f"{report.cosine_min} worst, top-10 overlap {report.top10_overlap} over {report.sentences} texts"
        )
