from __future__ import annotations

from pathlib import Path

import pytest

from nestling import Encoder, Library
from nestling.errors import NestlingError
from stored import OWL


def test_a_library_is_not_replaced_by_its_dump(tmp_path: Path, encoder: Encoder) -> None:
    with Library(tmp_path / "a.jsonl", encoder=encoder) as library:
        library.add([OWL])
        with pytest.raises(NestlingError, match="is the library itself"):
            library.dump(tmp_path / "a.jsonl")
        assert library.get(OWL.id) == OWL
