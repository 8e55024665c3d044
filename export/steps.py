"""Finished steps are kept as files in a work folder and skipped the next time, until their code is another."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Floats
from ..disk import replacing
from .code_version import code_version
from .memory import give_back

Say = Callable[[str], None]


@dataclass(frozen=True)
class BuildSteps:
    """The steps that one module makes.

    Attributes:
        work: named by what all steps of a recipe depend on, but for their code.
        module: full name of the module; its code, with all that it imports, is part of what steps are kept under.
        say: told what is being done, a line a step.
        given: what the steps depend on besides, as the hash of what earlier steps made.
    """

    work: Path
    module: str
    say: Say
    given: str = ""

    @cached_property
    def folder(self) -> Path:
        """Where the steps are kept; another one for other code, or for something else that is given."""
        digest = sha256(f"{code_version(self.module)} {self.given}".encode()).hexdigest()[:12]
        folder = self.work / f"{self._kind}-{digest}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def _kind(self) -> str:
        return self.module.rpartition(".")[2]

    def file(self, name: str, what: str, make: Callable[[Path], None]) -> Path:
        """The file of a step; `make` is given the path to write to where it is not there yet."""
        path = self.folder / name
        if self._is_to_be_made(path, what):
            with replacing(path) as unfinished:
                make(unfinished)
            give_back()
        return path

    def files(self, name: str, what: str, make: Callable[[Path], None]) -> Path:
        """The folder of a step; `make` is given an empty one to write to where it is not there yet."""
        path = self.folder / name
        if self._is_to_be_made(path, what):
            unfinished = path.with_name(f"unfinished-{name}")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.replace(path)
            give_back()
        return path

    def array(self, name: str, what: str, make: Callable[[], Floats]) -> Floats:
        """The array of a step, which `make` gives where it is not there yet."""

        def write(path: Path) -> None:
            with path.open("wb") as stream:
                np.save(stream, make())

        return np.asarray(np.load(self.file(name, what, write)), dtype=np.float32)

    def _is_to_be_made(self, path: Path, what: str) -> bool:
        if path.exists():
            self.say(f"{what}: done before")
            return False
        older = any(self.work.glob(f"{self._kind}-*/{path.name}"))
        self.say(f"{what}: done again, for its code or what it is made of has changed" if older else what)
        return True


def tensors_hash(models: Mapping[str, Mapping[str, Any]]) -> str:
    """sha256 of torch tensors, by the name of a model and their own."""
    digest = sha256()
    for model, tensors in models.items():
        for name, values in sorted(tensors.items()):
            digest.update(f"{model} {name}".encode())
            digest.update(values.contiguous().numpy().tobytes())
    return digest.hexdigest()
