from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any

import pytest

from nestling.library.store.database import Database


def test_rows_that_are_read_no_further_may_outlive_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where Ctrl-C ends a loop over them and the library is closed before the loop's own frame is gone."""
    ignored: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)
    db = Database(tmp_path / "a.nest", create=True)
    rows = db.stream("SELECT key FROM meta")
    next(rows)
    db.close()
    del rows
    gc.collect()
    assert ignored == []
