"""Finished steps are kept as files in a work folder and skipped the next time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Say = Callable[[str], None]


@dataclass(frozen=True)
class Work:
    """Where steps are kept.

    Attributes:
        folder: named by all that the steps depend on but their code.
        say: told what is being done, a line a step.
    """

    folder: Path
    say: Say

    def step(self, name: str, what: str, make: Callable[[Path], None]) -> Path:
        """The file of a step; `make` is given the path to write to where it is not there yet."""
        path = self.folder / name
        if path.exists():
            self.say(f"{what}: done before")
            return path
        self.say(what)
        unfinished = path.with_name(f"unfinished-{path.name}")
        make(unfinished)
        unfinished.replace(path)
        return path

    def array(self, name: str, what: str, make: Callable[[], npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
        """The array of a step, which `make` gives where it is not there yet."""

        def write(path: Path) -> None:
            with path.open("wb") as stream:
                np.save(stream, make())

        found: npt.NDArray[Any] = np.load(self.step(name, what, write))
        return np.asarray(found, dtype=np.float32)
