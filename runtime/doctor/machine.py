"""The machine: its processor, with the kernels for it, and folders that can be written."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..processors import processors
from ..user_folders import cache_folder, config_folder
from .finding import Finding, State

_LITTLE_ROOM = 200_000_000
_CPU_INFO = Path("/proc/cpuinfo")
_ROWS, _WIDTH = 257, 48


def processor() -> Iterator[Finding]:
    """The processor, and whether the kernels that compare bits give on it what numpy does."""
    count, all_of_them = processors(), os.cpu_count() or 1
    share = "" if count >= all_of_them else f" of {all_of_them}, which is what this process is given"
    yield Finding("processor", "fine", f"{_model()}; {count}{share} used")
    import numkong
    import numpy as np

    from ..vectors.hamming import blocks, distances

    bits = np.frombuffer(np.random.RandomState(7).bytes(_ROWS * _WIDTH), dtype=np.uint8).reshape(_ROWS, _WIDTH)
    expected = np.unpackbits(bits ^ bits[:1], axis=1).sum(axis=1)
    ways = [*blocks(bits), *blocks(bits, block_rows=_ROWS, max_growth=1e9)]
    names = [name for name, is_there in getattr(numkong, "get_capabilities", dict)().items() if is_there]
    found = f"of numkong for {', '.join(names) or 'any processor'}"
    if all(np.array_equal(distances(bits[:1], block), expected) for block in ways):
        yield Finding("kernels", "fine", found)
    else:
        remedy = "try: pip install --force-reinstall numkong, and please report it"
        yield Finding("kernels", "broken", f"{found} count bits wrongly on this processor", remedy)


def _model() -> str:
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # no Linux
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine() or "of a kind that the system does not tell"


def folders() -> Iterator[Finding]:
    """The folders that Nestling writes to, and the current one, in which a library may be made."""
    try:
        yield _folder("temporary folder", Path(tempfile.gettempdir()), "files cannot be read", needed=True)
    except OSError as error:
        remedy = "name one that can be written in the variable TMPDIR"
        yield Finding("temporary folder", "broken", f"there is none ({error.strerror or error})", remedy)
    yield _folder("cache folder", cache_folder(), "encoders take longer to start")
    yield _folder("config folder", config_folder(), "nestling tune cannot remember what it chose")
    yield _folder("current folder", Path(), "a library cannot be made here")


def _folder(part: str, folder: Path | None, without: str, *, needed: bool = False) -> Finding:
    """Whether a folder, or the one that it would be made in, can be written.

    Args:
        without: what that is for.
        needed: whether nothing works without.
    """
    state: State = "broken" if needed else "missing"
    if folder is None:
        return Finding(part, "missing", f"the system names none: {without}", _set_home())
    try:
        folder = folder.absolute()
        there = next(one for one in (folder, *folder.parents) if one.exists())
        with tempfile.TemporaryFile(dir=there) as stream:
            stream.write(b"owls")
            stream.flush()
        free = shutil.disk_usage(there).free
    except OSError as error:
        found = f"{folder}: cannot be written ({error.strerror or error}): {without}"
        return Finding(part, state, found, "give this user the right to write there, or name another")
    if free < _LITTLE_ROOM:
        return Finding(part, state, f"{folder}: {free / 1e6:,.0f} MB are left", "make room there")
    return Finding(part, "fine", f"{folder}: can be written, {free / 1e9:,.1f} GB are left")


def _set_home() -> str:
    return "set LOCALAPPDATA and APPDATA" if sys.platform == "win32" else "set HOME to a folder of this user's"
