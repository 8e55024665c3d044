"""How long the tests that draw their own cases go on: short by default, long before a release."""

from __future__ import annotations

import os
import tempfile

import pytest

# The verification cache and plans belong to this run, in this process and those that it starts.
_cache = tempfile.TemporaryDirectory(prefix="nestling-cache-")
os.environ["XDG_CACHE_HOME"] = os.environ["LOCALAPPDATA"] = _cache.name
_config = tempfile.TemporaryDirectory(prefix="nestling-config-")
os.environ["XDG_CONFIG_HOME"] = os.environ["APPDATA"] = _config.name


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the whole suite."""
    parser.addoption("--sequences", type=int, default=120, help="random sequences that an index is put through")
    parser.addoption("--kills", type=int, default=20, help="kills of a process that saves an index")


@pytest.fixture
def sequences(request: pytest.FixtureRequest) -> int:
    """How many random sequences an index is put through."""
    return int(request.config.getoption("--sequences"))


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How often a process that saves an index is killed."""
    return int(request.config.getoption("--kills"))
