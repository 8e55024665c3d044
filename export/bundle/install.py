"""Finished files into a bundle's folder, so that what breaks off leaves no bundle that looks whole."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from ...bundle.manifest import MANIFEST


def put_in_place(staged: Path, output: Path, names: Sequence[str]) -> None:
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
