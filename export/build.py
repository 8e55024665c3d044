"""A recipe to a bundle: the only place where the steps are chained.

Finished steps are kept in a work folder named by the recipe's hash and skipped the next time. The bundle is written
last, file by file with the manifest at the end, so that a build that breaks off leaves no bundle that looks whole.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from tokenizers import Tokenizer

from ..encoding.bundle import MANIFEST, Bundle, File, Variant, hash_file, read_bundle
from ..encoding.conformance import to_array
from ..encoding.encoder import Encoder
from ..encoding.tokens import ROLES, Tokens
from .card import card
from .graph import export_graph
from .quantize import quantize_int8
from .recipe import FolderSource, Recipe
from .source import CONFIG, TOKENIZER, WEIGHTS, fetch
from .verify import Report, calibration_texts, compare, golden_texts, reference, require, sentences

WIDTH, PRECISION = "xl", "int8"
GRAPH, GOLDEN, REPORT, CARD, RECIPE = "model.int8.onnx", "golden.npz", "report.json", "README.md", "recipe.toml"

Say = Callable[[str], None]


def build(recipe: Recipe, output: Path, work: Path, force: bool, say: Say) -> Bundle:
    """Build the bundle of a recipe.

    Args:
        output: the bundle's folder; other files in it are left alone.
        work: where intermediate files are kept.
        force: do finished steps again.
        say: told what is being done, a line a step.

    Returns:
        The bundle, read back and verified.

    Raises:
        ExportError: the recipe's source cannot be had, or the result falls short of what the recipe asks for.
    """
    folder = _work_folder(recipe, work)
    if force:
        shutil.rmtree(folder, ignore_errors=True)
    staged = folder / "bundle"
    staged.mkdir(parents=True, exist_ok=True)

    def step(path: Path, what: str, make: Callable[[Path], None]) -> None:
        if path.exists():
            say(f"{what}: done before")
            return
        say(what)
        unfinished = path.with_name(f"unfinished-{path.name}")
        make(unfinished)
        unfinished.replace(path)

    source = _fetched(recipe, folder)
    fused, graph = folder / "fused.onnx", staged / GRAPH
    step(fused, "export and fuse", lambda path: export_graph(source, recipe.encoder.pooling, path))
    step(staged / TOKENIZER, "tokenizer", lambda path: _write_tokenizer(source / TOKENIZER, path))
    tokens = Tokens(staged / TOKENIZER, dict.fromkeys(ROLES, ""), recipe.encoder.max_tokens)
    texts = sentences()

    def quantize(path: Path) -> None:
        calibration = [tokens.ids(text, "document")[0] for text in calibration_texts()]
        quantize_int8(fused, path, calibration, recipe.quantize.weight_bits, recipe.quantize.outlier_ratio)

    step(graph, "quantize to int8", quantize)
    step(staged / GOLDEN, "golden vectors", lambda path: _write_golden(source, recipe, path))
    shutil.copyfile(recipe.path, staged / RECIPE)

    say("verify")
    space = _space(source, staged / TOKENIZER, recipe)
    dim = onnx.load(graph, load_external_data=False).graph.output[0].type.tensor_type.shape.dim[-1].dim_value
    encoder = Encoder(_write_manifest(staged, recipe, space, dim, (TOKENIZER, GRAPH, GOLDEN, RECIPE)))
    report = compare(encoder, texts, reference(source, recipe, texts))
    require(report, recipe.verify)
    (staged / REPORT).write_text(json.dumps(report.values(), indent=2, sort_keys=True) + "\n")
    (staged / CARD).write_text(card(recipe, report, dim, len(golden_texts())))
    names = (TOKENIZER, GRAPH, GOLDEN, RECIPE, REPORT, CARD)
    _write_manifest(staged, recipe, space, dim, names)

    output.mkdir(parents=True, exist_ok=True)
    (output / MANIFEST).unlink(missing_ok=True)
    for name in (*names, MANIFEST):
        if not (output / name).exists() or not (output / name).samefile(staged / name):
            shutil.copyfile(staged / name, output / name)
    bundle = read_bundle(output)
    bundle.verify()
    say(
        f"built {output}: cosine {report.cosine_mean} mean, {report.cosine_min} worst, "
        f"top-10 overlap {report.top10_overlap} over {report.sentences} texts"
    )
    return bundle


def verify_bundle(bundle: Bundle, recipe: Recipe, work: Path) -> Report:
    """Measure a bundle against its source; raises ExportError where it falls short of its recipe."""
    texts = sentences()
    report = compare(Encoder(bundle), texts, reference(_fetched(recipe, _work_folder(recipe, work)), recipe, texts))
    require(report, recipe.verify)
    return report


def _work_folder(recipe: Recipe, work: Path) -> Path:
    """Named by all that its steps depend on; the other sources are pinned by the recipe itself."""
    parts = [recipe.sha256]
    if isinstance(recipe.source, FolderSource):
        source = recipe.path.parent / recipe.source.path
        parts += [hash_file(source / name) for name in (WEIGHTS, TOKENIZER, CONFIG) if (source / name).is_file()]
    return work / f"{recipe.name}-{hashlib.sha256(''.join(parts).encode()).hexdigest()[:12]}"


def _fetched(recipe: Recipe, folder: Path) -> Path:
    """The source's folder, fetched once; it was compared with the recipe's hash then."""
    fetched = folder / "source"
    return fetched if (fetched / WEIGHTS).exists() else fetch(recipe, fetched)


def _write_manifest(folder: Path, recipe: Recipe, space: str, dim: int, names: tuple[str, ...]) -> Bundle:
    bundle = Bundle(
        folder=folder,
        name=recipe.name,
        space=space,
        dim=dim,
        max_tokens=recipe.encoder.max_tokens,
        prefixes={"document": recipe.encoder.document_prefix, "query": recipe.encoder.query_prefix},
        tokenizer=TOKENIZER,
        golden=GOLDEN,
        variants=(Variant(WIDTH, PRECISION, GRAPH),),
        files={name: File((folder / name).stat().st_size, hash_file(folder / name)) for name in names},
    )
    (folder / MANIFEST).write_text(bundle.manifest())
    return bundle


def _write_tokenizer(source: Path, path: Path) -> None:
    """The tokenizer without the padding and truncation that its file may carry."""
    tokenizer = Tokenizer.from_file(str(source))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(path), pretty=False)


def _write_golden(source: Path, recipe: Recipe, path: Path) -> None:
    texts = golden_texts()
    with path.open("wb") as stream:
        np.savez(stream, texts=to_array(texts), vectors=reference(source, recipe, texts))


def _space(source: Path, tokenizer: Path, recipe: Recipe) -> str:
    """sha256 of what makes the vector space: weights, tokenizer, pooling, length and prefixes; not the precision."""
    encoder = recipe.encoder
    parts = [hash_file(source / WEIGHTS), hash_file(tokenizer), encoder.pooling, str(encoder.max_tokens)]
    parts += [encoder.query_prefix, encoder.document_prefix]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
