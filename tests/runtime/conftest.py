"""What the whole runtime suite shares: no sockets, one encoder, and the command line as a process of its own."""

from __future__ import annotations

import runpy

import pytest

import processes
from nestling import Encoder

runpy.run_path(str(processes.GUARD / "sitecustomize.py"))


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The bundled encoder."""
    return Encoder()


@pytest.fixture(scope="session")
def nestling() -> processes.Run:
    """Run the command line."""
    return processes.nestling
