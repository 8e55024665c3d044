"""The verification cache: which variants were verified on this machine, so that the next process need not do it again.

An entry is an empty file in the user's cache folder, named by a hash of all that verifying depends on: the manifest,
the paths, sizes and times of the variant's files, the processor, and the version of ONNX Runtime or numpy. When any of
these changes, there is no entry for it and the variant is verified again. Results never depend on the cache: without
it, or where it cannot be read or written, a start takes some hundredths of a second longer.
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

# Raised whenever more is verified than before, so that what passed less is verified again.
_CHECKS = 3

_MOST_ENTRIES = 64
_ENTRY_NAME = re.compile("[0-9a-f]{64}")

_CPU_INFO = Path("/proc/cpuinfo")
_CPU_BYTES = 8192
_CPU_LINES = (b"model name", b"flags", b"features", b"cpu part")


def cache_path(bundle: Bundle, variant: Variant, cpu_info: Path = _CPU_INFO) -> Path | None:
    """Where the entry of a variant in its present state is; None where there is no cache folder, or a file is missing.

    Args:
        cpu_info: what Linux says of the processors.
    """
    folder = cache_folder()
    if folder is None:
        return None
    versions = [str(_CHECKS), _runs_with(variant), tokenizers.__version__]
    parts = [bundle.manifest(), variant.name, *versions, *_machine(cpu_info)]
    for name in (bundle.tokenizer, *variant.files):
        path = bundle.folder / name
        try:
            found = path.stat()
        except OSError:
            return None
        parts.append(f"{path.resolve()} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}")
    return folder / "nestling" / hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()


def is_verified(entry: Path | None) -> bool:
    """Whether an entry is in the cache; one that cannot be looked up is not."""
    return entry is not None and os.path.exists(entry)  # noqa: PTH110 - Path.exists raises where a folder is closed


def record_verified(entry: Path) -> None:
    """Add an entry and remove the oldest beyond 64; nothing happens where the folder cannot be written."""
    with suppress(OSError):
        entry.parent.mkdir(parents=True, exist_ok=True)
        entry.touch()
        names = [path for path in entry.parent.iterdir() if _ENTRY_NAME.fullmatch(path.name) and path != entry]
        found = [(path.lstat(), path) for path in names]
        others = sorted((at.st_mtime_ns, path) for at, path in found if S_ISREG(at.st_mode) and at.st_size == 0)
        for _, path in others[: 1 - _MOST_ENTRIES]:
            path.unlink()


def _runs_with(variant: Variant) -> str:
    """What computes the variant, with its version."""
    if variant.is_static:
        return f"numpy {np.__version__}"
    from .ort import onnxruntime  # here, so that a token table is used without it

    return str(onnxruntime.__version__)


def _machine(cpu_info: Path) -> list[str]:
    """What decides how the processor computes, as far as it can be told quickly."""
    described = [platform.machine(), platform.system(), platform.node(), os.environ.get("PROCESSOR_IDENTIFIER", "")]
    with suppress(OSError), cpu_info.open("rb") as stream:
        lines = stream.read(_CPU_BYTES).split(b"\n\n")[0].splitlines()
        described += [line.decode(errors="replace") for line in lines if line.lower().startswith(_CPU_LINES)]
    return described
