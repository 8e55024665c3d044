"""Arrays out of a `.npz` that is not trusted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


@contextmanager
def opened(path: Path, most_bytes: int) -> Iterator[Any]:
    """An archive, as `np.load` gives it; nothing in it is run.

    Raises:
        ValueError: it unpacks to more bytes than that; of a damaged one, nearly any other error.
    """
    from zipfile import ZipFile

    with ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > most_bytes:
            raise ValueError(f"it unpacks to over {most_bytes} bytes")
    with np.load(path, allow_pickle=False) as stored:
        yield stored
