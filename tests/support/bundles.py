"""Bundles that tests change."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from nestling.encoding.bundle import hash_file

FORMATS = Path(__file__).parents[1] / "format"


def tiny_bundle(folder: Path, version: int = 2) -> Path:
    """The frozen bundle of a format version, which runs in a moment, in a folder that may be written."""
    return Path(shutil.copytree(FORMATS / f"v{version}" / "bundle", folder / "bundle"))


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
