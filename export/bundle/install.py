"""Finished files into a bundle's folder, so that what breaks off leaves no bundle that looks whole."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from ...bundle.manifest import MANIFEST
from ...disk import replacing


def put_in_place(staged: Path, output: Path, names: Sequence[str]) -> None:
    """Copy a bundle's files and then put them in place, in the order of their names, of which the manifest is the last.

    They are replaced rather than overwritten: an encoder that is open has the old files mapped.
    """
    output.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for name in reversed(names):  # what is entered first, the manifest, is replaced last
            shutil.copyfile(staged / name, stack.enter_context(replacing(output / name)))
        (output / MANIFEST).unlink(missing_ok=True)
