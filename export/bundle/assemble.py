"""Finished graphs to a folder with all files of a bundle, and its manifest."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ...arrays import Floats
from ...bundle.golden import Golden, stored
from ...bundle.manifest import MANIFEST, STATIC, Bundle, BundleFile, Variant
from ...disk import hash_file
from ...encoding.engine import load
from ...encoding.tokens import Tokens
from ..errors import ExportError
from ..recipe.recipe import Recipe
from ..source.settings import Settings
from .pack import graph_name, pack

GOLDEN, LOOK_UP, RECIPE = "golden.npz", "static.npz", "recipe.toml"


def put_files(
    recipe: Recipe, text: str, graphs: Mapping[str, Path], static: Path | None, tokenizer: Path, folder: Path
) -> list[Variant]:
    """Write what encoders run on into a folder: packed graphs, the table of tokens, the tokenizer; and the recipe.

    Args:
        text: of the recipe, as it is to stand in the folder.
        graphs: by the name of their variant, WIDTH.PRECISION.
        static: `static.npz`; None for none.

    Returns:
        The variants, in the order of the graphs, the static one last.

    Raises:
        ExportError: the files of the widest encoder that int4 is of take more than the recipe allows.
    """
    data = pack({name: onnx.load(path) for name, path in graphs.items()}, folder)
    shutil.copyfile(tokenizer, folder / tokenizer.name)
    (folder / RECIPE).write_text(text, encoding="utf-8")
    variants = []
    for name in graphs:
        width, _, precision = name.partition(".")
        variants.append(Variant(width, precision, graph_name(name), data[name]))
    if static is not None and recipe.static is not None:
        shutil.copyfile(static, folder / LOOK_UP)
        variants.append(Variant(STATIC, f"int{recipe.static.bits}", LOOK_UP))
    for variant in variants:
        found = sum((folder / name).stat().st_size for name in variant.files)
        if variant.name == f"{recipe.int4_widths()[0]}.int4" and 0 < recipe.int4.max_bytes < found:
            raise ExportError(f"int4 takes {found} bytes, the recipe allows {recipe.int4.max_bytes}; raise max_bytes")
    return variants


def put_golden(folder: Path, tokens: Tokens, variants: Sequence[Variant], texts: list[str], expected: Floats) -> None:
    """Write the golden texts with the vectors of the original weights, and with those of each variant as they are here.

    Args:
        expected: (n, dim) float32, of the original weights.
    """
    built = {}
    for variant in variants:
        engine = load(folder, variant, tokens, expected.shape[1])
        built[variant.name] = engine.run(texts, "document", 1)[0]
    with (folder / GOLDEN).open("wb") as stream:
        arrays: dict[str, Any] = {**stored(Golden(texts, expected, built))}
        np.savez(stream, **arrays)


def put_manifest(
    folder: Path, name: str, settings: Settings, weights: str, tokenizer: str, variants: Sequence[Variant]
) -> Bundle:
    """Write the manifest of all files that a folder has.

    Args:
        weights: sha256 of the weights of all encoders.
        tokenizer: name of the tokenizer's file.
    """
    paths = [path for path in folder.iterdir() if path.name != MANIFEST]
    bundle = Bundle(
        folder=folder,
        name=name,
        space=_space(weights, folder / tokenizer, settings),
        dim=settings.dim,
        max_tokens=settings.max_tokens,
        prefixes={"document": settings.document_prefix, "query": settings.query_prefix},
        tokenizer=tokenizer,
        golden=GOLDEN,
        variants=tuple(variants),
        files={path.name: BundleFile(path.stat().st_size, hash_file(path)) for path in paths},
    )
    (folder / MANIFEST).write_text(bundle.manifest())
    return bundle


def _space(weights: str, tokenizer: Path, settings: Settings) -> str:
    """sha256 of what makes the vector space: weights, tokenizer, pooling, length and prefixes; not the precision."""
    parts = [weights, hash_file(tokenizer), " ".join(settings.pooling), str(settings.max_tokens)]
    parts += [settings.query_prefix, settings.document_prefix, *map(repr, settings.layers)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
