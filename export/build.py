"""A recipe to a bundle: the only place where the steps are chained.

Finished steps are kept in a work folder named by the recipe's hash and skipped the next time. The bundle is written
last, file by file with the manifest at the end, so that a build that breaks off leaves no bundle that looks whole.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from tokenizers import Tokenizer

from ..bundle.golden import Golden, stored
from ..bundle.manifest import MANIFEST, STATIC, Bundle, BundleFile, Variant, read_bundle
from ..bundle.quality import REPORT
from ..disk import hash_file
from ..encoding.encoder import Encoder
from ..encoding.engine import load
from ..encoding.tokens import Tokens
from .bundle.card import card
from .bundle.install import put_in_place
from .bundle.pack import graph_name, pack
from .bundle.verify import (
    Report,
    compare,
    golden_texts,
    reference,
    report_text,
    require,
    sentences,
    tool_versions,
    turned,
)
from .errors import ExportError
from .quantize.activations import Floats
from .quantize.calibration import own_texts
from .quantize.onnx_graph import stored_rotation
from .quantize.quantize import FLOAT32, quantized
from .recipe.recipe import WIDEST, FolderSource, Recipe
from .recipe.source import CONFIG, TOKENIZER, WEIGHTS, fetch
from .steps import Say, Work
from .train.family import LOOK_UP, family

GOLDEN, CARD, RECIPE = "golden.npz", "README.md", "recipe.toml"
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
    precisions = recipe.precisions if precisions is None else tuple(dict.fromkeys(precisions))
    if strange := [name for name in precisions if name not in (*recipe.precisions, FLOAT32)]:
        known = ", ".join((*recipe.precisions, FLOAT32))
        raise ExportError(f"{recipe.path}: describes no precision {strange[0]!r}, expected some of {known}")
    folder = _work_folder(recipe, work)
    if force:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    steps = Work(folder, say)
    texts = texts or recipe.path.parent
    source = _fetched(recipe, folder)
    encoder = recipe.encoder
    tokenizer = steps.step(TOKENIZER, "tokenizer", lambda path: _write_tokenizer(source / TOKENIZER, path))
    tokens = Tokens(tokenizer, {"document": encoder.document_prefix, "query": encoder.query_prefix}, encoder.max_tokens)
    _check_vocabulary(tokens, source)
    found = family(recipe, source, tokens, texts, steps)
    graphs = quantized(recipe, found.models, tokens, texts, precisions, steps)
    measured = sentences()
    exact = steps.array("reference.npy", "reference", lambda: reference(source, recipe, measured))
    expected = turned(exact, found.rotation)

    say("pack and verify")
    staged = folder / "bundle"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    dim = expected.shape[1]
    data = pack({name: onnx.load(path) for name, path in graphs.items()}, staged)
    shutil.copyfile(tokenizer, staged / TOKENIZER)
    shutil.copyfile(recipe.path, staged / RECIPE)
    variants = []
    for name in graphs:
        width, _, precision = name.partition(".")
        variants.append(Variant(width, precision, graph_name(name), data[name]))
    if found.static is not None and recipe.static is not None:
        shutil.copyfile(found.static, staged / LOOK_UP)
        variants.append(Variant(STATIC, f"int{recipe.static.bits}", LOOK_UP))
    _check_bytes(recipe, staged, variants)
    texts_kept = golden_texts(tokens)
    _write_golden(staged, tokens, variants, texts_kept, turned(reference(source, recipe, texts_kept), found.rotation))
    names = (TOKENIZER, *dict.fromkeys(name for v in variants for name in v.files), GOLDEN, RECIPE)
    bundle = _write_manifest(staged, recipe, _space(found.space, tokenizer, recipe), dim, variants, names)
    reports = _reports(bundle, recipe, measured, expected)
    (staged / REPORT).write_text(report_text(reports))
    sizes = {v.name: sum((staged / name).stat().st_size for name in v.files) for v in variants}
    (staged / CARD).write_text(card(recipe, reports, sizes, dim))
    names = (*names, REPORT, CARD)
    _write_manifest(staged, recipe, bundle.space, dim, variants, names)

    put_in_place(staged, output, (*names, MANIFEST))
    bundle = read_bundle(output)
    bundle.verify()
    for name, report in reports.items():
        say(
            f"built {output}: {name}, {sizes[name] / 1e6:.2f} MB, cosine {report.cosine_mean} mean, "
            f"{report.cosine_min} worst, top-10 overlap {report.top10_overlap} over {report.sentences} texts"
        )
    return bundle


def verify_bundle(bundle: Bundle, recipe: Recipe, work: Path) -> dict[str, Report]:
    """Measure a bundle against its source, by variant; raises ExportError where it falls short of its recipe."""
    texts, graph = sentences(), bundle.variants[0].graph
    expected = reference(_fetched(recipe, _work_folder(recipe, work)), recipe, texts)
    return _reports(bundle, recipe, texts, turned(expected, stored_rotation(onnx.load(bundle.folder / graph))))


def _reports(bundle: Bundle, recipe: Recipe, texts: list[str], expected: Floats) -> dict[str, Report]:
    """Measure each variant; raises ExportError for the first that falls short of its bar."""
    reports = {}
    for variant in bundle.variants:
        with Encoder(bundle, width=variant.width, precision=variant.precision) as encoder:
            reports[variant.name] = compare(encoder, texts, expected)
        bar = variant.precision if variant.width == WIDEST else variant.name
        if bar in recipe.verify:
            require(reports[variant.name], recipe.verify[bar], variant.name)
    return reports


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


def _fetched(recipe: Recipe, folder: Path) -> Path:
    """The source's folder, fetched once; it was compared with the recipe's hash then."""
    fetched = folder / "source"
    return fetched if (fetched / WEIGHTS).exists() else fetch(recipe, fetched)


def _write_manifest(
    folder: Path, recipe: Recipe, space: str, dim: int, variants: Sequence[Variant], names: tuple[str, ...]
) -> Bundle:
    bundle = Bundle(
        folder=folder,
        name=recipe.name,
        space=space,
        dim=dim,
        max_tokens=recipe.encoder.max_tokens,
        prefixes={"document": recipe.encoder.document_prefix, "query": recipe.encoder.query_prefix},
        tokenizer=TOKENIZER,
        golden=GOLDEN,
        variants=tuple(variants),
        files={name: BundleFile((folder / name).stat().st_size, hash_file(folder / name)) for name in names},
    )
    (folder / MANIFEST).write_text(bundle.manifest())
    return bundle


def _check_bytes(recipe: Recipe, folder: Path, variants: Sequence[Variant]) -> None:
    """Raise where the files of the widest encoder's int4 take more than the recipe allows."""
    for variant in variants:
        found = sum((folder / name).stat().st_size for name in variant.files)
        if recipe.int4 is not None and variant.name == f"{WIDEST}.int4" and found > recipe.int4.max_bytes:
            raise ExportError(f"int4 takes {found} bytes, the recipe allows {recipe.int4.max_bytes}; raise max_bytes")


def _check_vocabulary(tokens: Tokens, source: Path) -> None:
    """Raise where the tokenizer gives ids that the token table has no row for."""
    rows = json.loads((source / CONFIG).read_text())["vocab_size"]
    if tokens.highest_id >= rows:
        raise ExportError(
            f"the tokenizer gives ids up to {tokens.highest_id} and the weights have {rows} rows of tokens; "
            "they do not belong together"
        )


def _write_tokenizer(source: Path, path: Path) -> None:
    """The tokenizer without the padding and truncation that its file may carry."""
    tokenizer = Tokenizer.from_file(str(source))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(path), pretty=False)


def _write_golden(
    folder: Path, tokens: Tokens, variants: Sequence[Variant], texts: list[str], expected: Floats
) -> None:
    """The golden texts with the vectors of the original weights, and with those of each variant as they are here."""
    built = {}
    for variant in variants:
        engine = load(folder, variant, tokens, expected.shape[1])
        built[variant.name] = engine.run(texts, "document", 1)[0]
    with (folder / GOLDEN).open("wb") as stream:
        arrays: dict[str, Any] = {**stored(Golden(texts, expected, built))}
        np.savez(stream, **arrays)


def _space(weights: str, tokenizer: Path, recipe: Recipe) -> str:
    """sha256 of what makes the vector space: weights, tokenizer, pooling, length and prefixes; not the precision."""
    encoder = recipe.encoder
    parts = [weights, hash_file(tokenizer), encoder.pooling, str(encoder.max_tokens)]
    parts += [encoder.query_prefix, encoder.document_prefix]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
