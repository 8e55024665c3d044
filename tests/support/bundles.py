"""Bundles that tests change."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nestling.bundle.golden import Golden, read_golden, stored
from nestling.bundle.manifest import BundleFile, Variant, read_bundle
from nestling.disk import hash_file
from nestling.encoding.engine import load
from nestling.encoding.tokens import Tokens

FORMATS = Path(__file__).parents[1] / "format"


def tiny_bundle(folder: Path) -> Path:
    """The widest encoder of the frozen bundle, int8 and int4, in a folder that may be written; it runs in a moment."""
    frozen = read_bundle(FORMATS / "v4" / "bundle")
    variants = tuple(variant for variant in frozen.variants if variant.width == "xl")
    others = {name for variant in frozen.variants for name in variant.files}
    names = set(frozen.files) - others | {name for variant in variants for name in variant.files}
    bundle = replace(
        frozen, folder=folder / "bundle", variants=variants, files={name: frozen.files[name] for name in sorted(names)}
    )
    bundle.folder.mkdir(parents=True)
    for name in bundle.files:
        shutil.copy(frozen.folder / name, bundle.folder)
    (bundle.folder / "manifest.json").write_text(bundle.manifest())
    return bundle.folder


def listed_anew(folder: Path, name: str, **changes: Any) -> None:
    """Make the manifest say of a file what it is now, and of the bundle what is given."""
    path = folder / "manifest.json"
    values = {**json.loads(path.read_text()), **changes}
    values["files"][name] = {"bytes": (folder / name).stat().st_size, "sha256": hash_file(folder / name)}
    path.write_text(json.dumps(values))


def turn_golden(folder: Path, cosine: float, *names: str) -> None:
    """Turn stored golden vectors so that each has this cosine to what it was."""
    path = folder / "golden.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    for name in names:
        rows = arrays[name].astype(np.float64)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        across = np.roll(rows, 1, axis=1)
        across -= (across * rows).sum(axis=1, keepdims=True) * rows
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        arrays[name] = (cosine * rows + np.sqrt(1 - cosine**2) * across).astype(np.float16)
    np.savez(path, **arrays)
    listed_anew(folder, path.name)


def tiny_family(folder: Path) -> Path:
    """A bundle whose widths xl, s and static share a space, in a folder that may be written.

    Its xl is the int8 graph of the frozen bundle, its s the int4 graph as another encoder of nearly the same vectors,
    and its table has for each token the vector that xl gives it alone.
    """
    bundle = tiny_bundle(folder)
    manifest = read_bundle(bundle)
    xl, other = manifest.variants
    variants = (xl, Variant("s", "int8", other.graph, other.data), Variant("static", "int4", "static.npz"))
    tokens = Tokens(bundle / manifest.tokenizer, dict(manifest.prefixes), manifest.max_tokens)
    widest = load(bundle, xl, tokens, manifest.dim)
    rows = np.stack([widest.vector(np.array([2, token, 3])) for token in range(tokens.highest_id + 1)])
    rows[:5] = 0  # of the special tokens
    np.savez(bundle / "static.npz", **token_table(rows))
    golden = read_golden(manifest)
    built = {}
    for variant in variants:
        engine = load(bundle, variant, tokens, manifest.dim)
        built[variant.name] = engine.run(golden.texts, "document", 1)[0]
    arrays: dict[str, Any] = {**stored(Golden(golden.texts, golden.reference, built))}
    np.savez(bundle / manifest.golden, **arrays)
    names = [*manifest.files, "static.npz"]
    files = {name: BundleFile((bundle / name).stat().st_size, hash_file(bundle / name)) for name in names}
    family = replace(manifest, variants=variants, files=files)
    (bundle / "manifest.json").write_text(family.manifest())
    return bundle


def token_table(rows: npt.NDArray[np.float32]) -> dict[str, Any]:
    """The arrays of a `static.npz` of 4 bits for rows of tokens, (tokens, dim) float32 with an even dim."""
    scales = np.maximum(np.abs(rows).max(axis=1), 1e-6) / 7
    raised = (np.rint(rows / scales[:, None]) + 8).astype(np.uint8)
    return {"codes": raised[:, 0::2] | raised[:, 1::2] << 4, "factors": scales.astype(np.float16)}


def table_in_another_space(
    folder: Path, family: Path, *, dim: int = 32, max_tokens: int | None = None, unrelated: bool = False
) -> Path:
    """A bundle of the table of `tiny_family` alone, in a space of its own: its vectors turned, and cut to a length.

    Args:
        folder: where it is made.
        max_tokens: that it reads, other than the family does.
        unrelated: each token has the vector of another, so that both say nothing of one another.
    """
    shutil.copytree(family, bundle := folder / "later")
    with np.load(family / "static.npz") as stored_table:
        codes, factors = stored_table["codes"], stored_table["factors"].astype(np.float32)
    rows = np.empty((len(codes), 2 * codes.shape[1]), dtype=np.float32)
    rows[:, 0::2], rows[:, 1::2] = codes & 15, codes >> 4
    rows = (rows - 8) * factors[:, None]
    drawn = np.random.default_rng(7)
    turn = np.linalg.qr(drawn.normal(size=(rows.shape[1], rows.shape[1])))[0][:, :dim]
    rows = rows[drawn.permutation(len(rows))] if unrelated else rows
    np.savez(bundle / "static.npz", **token_table((rows @ turn).astype(np.float32)))
    manifest = read_bundle(family)
    variant = Variant("static", "int4", "static.npz")
    tokens = Tokens(bundle / manifest.tokenizer, dict(manifest.prefixes), manifest.max_tokens)
    golden = read_golden(manifest)
    vectors = load(bundle, variant, tokens, dim).run(golden.texts, "document", 1)[0]
    np.savez(bundle / manifest.golden, **stored(Golden(golden.texts, vectors, {variant.name: vectors})))
    used = {variant.graph, manifest.golden, manifest.tokenizer}
    for name in set(manifest.files) - used:
        (bundle / name).unlink()
    later = replace(
        manifest,
        name="later",
        space="0" * 64,
        dim=dim,
        max_tokens=max_tokens or manifest.max_tokens,
        variants=(variant,),
        files={name: BundleFile((bundle / name).stat().st_size, hash_file(bundle / name)) for name in sorted(used)},
    )
    (bundle / "manifest.json").write_text(later.manifest())
    return bundle
