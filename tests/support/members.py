"""Files that are zip archives, with something in one of their parts changed."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path


def changed(path: Path, copy: Path, part: str, pattern: bytes, by: bytes) -> Path:
    """A copy of a file, with something in one of its parts changed."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == part:
                data, count = re.subn(pattern, by, data)
                assert count
            new.writestr(name, data)
    return copy
