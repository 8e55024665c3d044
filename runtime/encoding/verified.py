"""What was found good on this machine once, so that the next process need not look again.

A note is an empty file in the user's cache folder, named by a hash of all that it speaks of: what the bundle is, where
its files stand with their sizes and times, what processor and which ONNX Runtime or numpy run it. When any of these
changes, the note is for something else and the bundle is looked at anew. Nothing depends on the notes: without them, or
where they may not be read or written, a start takes some hundredths of a second longer.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

import numpy as np
import tokenizers

from ..bundle.manifest import Bundle, Variant
from ..user_folders import cache_folder

# Raised whenever a start looks at more than before, so that what was found good by less is looked at again.
_CHECKS = 3

_MOST_NOTES = 64
_NOTE_NAME = re.compile("[0-9a-f]{64}")

_CPU_INFO = Path("/proc/cpuinfo")
_CPU_BYTES = 8192
_CPU_LINES = (b"model name", b"flags", b"features", b"cpu part")


def note_of(bundle: Bundle, variant: Variant) -> Path | None:
    """Where the note on a bundle's variant would stand; None where there is no place for notes."""
    folder = cache_folder()
    if folder is None:
        return None
    versions = [str(_CHECKS), _runs_with(variant), tokenizers.__version__]
    parts = [bundle.manifest(), variant.name, *versions, *_machine()]
    for name in (bundle.tokenizer, *variant.files):
        path = bundle.folder / name
        try:
            found = path.stat()
        except OSError:
            return None
        parts.append(f"{path.resolve()} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}")
    return folder / "nestling" / hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()


def is_noted(note: Path | None) -> bool:
    """Whether a note stands; one that may not be looked at does not."""
    return note is not None and os.path.exists(note)  # noqa: PTH110 - Path.exists raises where a folder is closed


def remember(note: Path) -> None:
    """Leave a note, and remove the oldest where there are many; nothing happens where that cannot be done."""
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()
        names = [path for path in note.parent.iterdir() if _NOTE_NAME.fullmatch(path.name) and path != note]
        found = [(path.lstat(), path) for path in names]
        others = sorted((at.st_mtime_ns, path) for at, path in found if S_ISREG(at.st_mode) and at.st_size == 0)
        for _, path in others[: 1 - _MOST_NOTES]:
            path.unlink()


def _runs_with(variant: Variant) -> str:
    """What computes the variant, with its version."""
    if variant.is_static:
        return f"numpy {np.__version__}"
    from .ort import onnxruntime  # here, so that a token table is used without it

    return str(onnxruntime.__version__)


def _machine() -> list[str]:
    """What decides how the processor computes, as far as it can be told quickly."""
    described = [platform.machine(), platform.system(), platform.node(), os.environ.get("PROCESSOR_IDENTIFIER", "")]
    with suppress(OSError), _CPU_INFO.open("rb") as stream:
        lines = stream.read(_CPU_BYTES).split(b"\n\n")[0].splitlines()
        described += [line.decode(errors="replace") for line in lines if line.lower().startswith(_CPU_LINES)]
    return described
