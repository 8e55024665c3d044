"""A recipe to a bundle: the only place where the steps are chained.

Finished steps are kept in a work folder named by the recipe's hash and skipped the next time. The bundle is written
last, file by file with the manifest at the end, so that a build that breaks off leaves no bundle that looks whole.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from tokenizers import Tokenizer

from ..encoding.bundle import MANIFEST, Bundle, File, Variant, hash_file, read_bundle
from ..encoding.encoder import Encoder
from ..encoding.engine import Engine, new_session
from ..encoding.golden import Golden, stored
from ..encoding.tokens import Tokens
from .activations import Ids
from .blocks import Blocks, Grid
from .calibration import drawn_texts, own_texts
from .card import card
from .embedding import TABLE, compress_table, put_values, rounded_table
from .errors import ExportError
from .gradients import embedding_moments
from .graph import export_graph, optimized, write
from .int4 import quantize_int4
from .int8 import quantize_int8
from .pack import graph_name, pack
from .recipe import FolderSource, Recipe
from .source import CONFIG, TOKENIZER, WEIGHTS, fetch
from .verify import Report, compare, golden_texts, reference, report_text, require, sentences, tool_versions

WIDTH, FLOAT32 = "xl", "float32"
GOLDEN, REPORT, CARD, RECIPE = "golden.npz", "report.json", "README.md", "recipe.toml"

_SEED = 0

Say = Callable[[str], None]


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
        texts: where the files are that the recipe draws passages from; None for the recipe's own folder.

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

    def step(name: str, what: str, make: Callable[[Path], None]) -> Path:
        path = folder / name
        if path.exists():
            say(f"{what}: done before")
            return path
        say(what)
        unfinished = path.with_name(f"unfinished-{path.name}")
        make(unfinished)
        unfinished.replace(path)
        return path

    drawn: list[str] = []
    if recipe.int4 is not None and "int4" in precisions and not (folder / "int4.onnx").exists():
        drawn = drawn_texts(recipe.int4, texts or recipe.path.parent, _SEED)
    source = _fetched(recipe, folder)
    encoder = recipe.encoder
    fused = step(
        "float32.onnx", "export and fuse", lambda path: export_graph(source, encoder.pooling, encoder.max_tokens, path)
    )
    tokenizer = step(TOKENIZER, "tokenizer", lambda path: _write_tokenizer(source / TOKENIZER, path))
    tokens = Tokens(tokenizer, {"document": encoder.document_prefix, "query": encoder.query_prefix}, encoder.max_tokens)
    _check_vocabulary(tokens, fused)
    measured = sentences()
    calibration = [tokens.ids(text, "document")[0] for text in own_texts()]
    second = step("gradients.npy", "gradients", lambda path: _write_gradients(source, recipe, calibration, path))
    expected = step("reference.npy", "reference", lambda path: _write_reference(source, recipe, measured, path))

    @cache
    def table() -> Blocks:
        table = recipe.table
        return rounded_table(onnx.load(fused), Grid(table.bits, table.group, table.symmetric), np.load(second))

    def quantize(precision: str, path: Path) -> None:
        model = onnx.load(fused)
        put_values(model, table())
        if recipe.int8 is not None and precision == "int8":
            int8 = recipe.int8
            model = quantize_int8(model, calibration, int8.weight_bits, int8.outlier_ratio, int8.float_ratio, folder)
            compress_table(model, table())
        elif recipe.int4 is not None:
            ids = [*calibration, *(tokens.ids(text, "document")[0] for text in drawn)]
            grids = quantize_int4(model, onnx.load(fused), ids, table(), recipe.int4.max_bytes)
            say("; ".join(f"{count} matrices in {grid}" for grid, count in Counter(map(str, grids.values())).items()))
        write(optimized(model, folder), path)

    graphs = {FLOAT32: fused}
    for precision in recipe.precisions:
        if precision in precisions:
            graphs[precision] = step(f"{precision}.onnx", f"quantize to {precision}", partial(quantize, precision))

    say("pack and verify")
    staged = folder / "bundle"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    models = {precision: onnx.load(graphs[precision]) for precision in precisions}
    dim = onnx.load(fused).graph.output[0].type.tensor_type.shape.dim[-1].dim_value
    data = pack(models, staged)
    shutil.copyfile(tokenizer, staged / TOKENIZER)
    shutil.copyfile(recipe.path, staged / RECIPE)
    variants = tuple(Variant(WIDTH, name, graph_name(name), data[name]) for name in precisions)
    _check_bytes(recipe, staged, variants)
    _write_golden(staged, recipe, tokens, variants, dim, source)
    names = (TOKENIZER, *dict.fromkeys(name for v in variants for name in v.files), GOLDEN, RECIPE)
    bundle = _write_manifest(staged, recipe, _space(source, tokenizer, recipe), dim, variants, names)
    reports = {}
    for variant in variants:
        with Encoder(bundle, precision=variant.precision) as opened:
            reports[variant.precision] = compare(opened, measured, np.load(expected))
        if variant.precision in recipe.verify:
            require(reports[variant.precision], recipe.verify[variant.precision], variant.precision)
    (staged / REPORT).write_text(report_text(reports))
    sizes = {v.precision: sum((staged / name).stat().st_size for name in v.files) for v in variants}
    (staged / CARD).write_text(card(recipe, reports, sizes, dim))
    names = (*names, REPORT, CARD)
    _write_manifest(staged, recipe, bundle.space, dim, variants, names)

    _put_in_place(staged, output, (*names, MANIFEST))
    bundle = read_bundle(output)
    bundle.verify()
    for name, report in reports.items():
        say(
            f"built {output}: {name}, {sizes[name] / 1e6:.2f} MB, cosine {report.cosine_mean} mean, "
            f"{report.cosine_min} worst, top-10 overlap {report.top10_overlap} over {report.sentences} texts"
        )
    return bundle


def _put_in_place(staged: Path, output: Path, names: Sequence[str]) -> None:
    """Copy a bundle's files and then put them in place, the manifest last.

    They are replaced rather than overwritten: an encoder that is open has the old files mapped.
    """
    output.mkdir(parents=True, exist_ok=True)
    fresh = {name: output / f"unfinished-{name}" for name in names}
    try:
        for name, path in fresh.items():
            shutil.copyfile(staged / name, path)
        (output / MANIFEST).unlink(missing_ok=True)
        for name, path in fresh.items():
            path.replace(output / name)
    finally:
        for path in fresh.values():
            path.unlink(missing_ok=True)


def verify_bundle(bundle: Bundle, recipe: Recipe, work: Path) -> dict[str, Report]:
    """Measure a bundle against its source, by precision; raises ExportError where it falls short of its recipe."""
    texts = sentences()
    expected = reference(_fetched(recipe, _work_folder(recipe, work)), recipe, texts)
    reports = {}
    for variant in bundle.variants:
        with Encoder(bundle, width=variant.width, precision=variant.precision) as encoder:
            reports[variant.precision] = compare(encoder, texts, expected)
        if variant.precision in recipe.verify:
            require(reports[variant.precision], recipe.verify[variant.precision], variant.precision)
    return reports


def _work_folder(recipe: Recipe, work: Path) -> Path:
    """Named by all that its steps depend on but their code; sources that are no folder are pinned by the recipe."""
    parts = [recipe.sha256, *own_texts(), *sentences(), *tool_versions().values()]
    if isinstance(recipe.source, FolderSource):
        source = recipe.path.parent / recipe.source.path
        parts += [hash_file(source / name) for name in (WEIGHTS, TOKENIZER, CONFIG) if (source / name).is_file()]
    return work / f"{recipe.name}-{hashlib.sha256(''.join(parts).encode()).hexdigest()[:12]}"


def _fetched(recipe: Recipe, folder: Path) -> Path:
    """The source's folder, fetched once; it was compared with the recipe's hash then."""
    fetched = folder / "source"
    return fetched if (fetched / WEIGHTS).exists() else fetch(recipe, fetched)


def _write_manifest(
    folder: Path, recipe: Recipe, space: str, dim: int, variants: tuple[Variant, ...], names: tuple[str, ...]
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
        variants=variants,
        files={name: File((folder / name).stat().st_size, hash_file(folder / name)) for name in names},
    )
    (folder / MANIFEST).write_text(bundle.manifest())
    return bundle


def _check_bytes(recipe: Recipe, folder: Path, variants: tuple[Variant, ...]) -> None:
    """Raise where the files of int4 take more than the recipe allows."""
    for variant in variants:
        found = sum((folder / name).stat().st_size for name in variant.files)
        if recipe.int4 is not None and variant.precision == "int4" and found > recipe.int4.max_bytes:
            raise ExportError(f"int4 takes {found} bytes, the recipe allows {recipe.int4.max_bytes}; raise max_bytes")


def _check_vocabulary(tokens: Tokens, graph: Path) -> None:
    """Raise where the tokenizer gives ids that the token table has no row for."""
    rows = next(tensor.dims[0] for tensor in onnx.load(graph).graph.initializer if tensor.name == TABLE)
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


def _write_gradients(source: Path, recipe: Recipe, texts: Sequence[Ids], path: Path) -> None:
    with path.open("wb") as stream:
        np.save(stream, embedding_moments(source, recipe.encoder.pooling, texts, _SEED))


def _write_reference(source: Path, recipe: Recipe, texts: list[str], path: Path) -> None:
    with path.open("wb") as stream:
        np.save(stream, reference(source, recipe, texts))


def _write_golden(
    folder: Path, recipe: Recipe, tokens: Tokens, variants: tuple[Variant, ...], dim: int, source: Path
) -> None:
    """The golden texts with the vectors of the original weights, and with those of each variant as they are here."""
    texts = golden_texts(tokens)
    built = {}
    for variant in variants:
        engine = Engine(tokens, new_session(folder / variant.graph, dim))
        built[variant.name] = np.stack([engine.run(text, "document")[0] for text in texts])
    with (folder / GOLDEN).open("wb") as stream:
        arrays: dict[str, Any] = {**stored(Golden(texts, reference(source, recipe, texts), built))}
        np.savez(stream, **arrays)


def _space(source: Path, tokenizer: Path, recipe: Recipe) -> str:
    """sha256 of what makes the vector space: weights, tokenizer, pooling, length and prefixes; not the precision."""
    encoder = recipe.encoder
    parts = [hash_file(source / WEIGHTS), hash_file(tokenizer), encoder.pooling, str(encoder.max_tokens)]
    parts += [encoder.query_prefix, encoder.document_prefix]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
