"""How long the tests that draw their own cases go on, and which suites need what is not installed."""

from __future__ import annotations

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

# The suites that need the export extra, and what tells whether it is installed.
EXPORT_SUITES = tuple(Path(__file__).parent / name for name in ("contract", "export"))
EXPORT_TOOLS = ("torch", "transformers", "optimum", "onnx")

# The verification cache and plans belong to this run, in this process and those that it starts.
_cache = tempfile.TemporaryDirectory(prefix="nestling-cache-")
os.environ["XDG_CACHE_HOME"] = os.environ["LOCALAPPDATA"] = _cache.name
_config = tempfile.TemporaryDirectory(prefix="nestling-config-")
os.environ["XDG_CONFIG_HOME"] = os.environ["APPDATA"] = _config.name


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the whole suite."""
    parser.addoption("--sequences", type=int, default=120, help="random sequences that an index is put through")
    parser.addoption("--kills", type=int, default=20, help="kills of a process that saves an index")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """The suites of the export half are left out where its tools are not installed."""
    return True if any(map(collection_path.is_relative_to, EXPORT_SUITES)) and _missing() else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says which suites were left out, and why."""
    asked = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    left_out = [
        suite.relative_to(config.rootpath).as_posix()
        for suite in EXPORT_SUITES
        if any(suite.is_relative_to(path) or path.is_relative_to(suite) for path in asked)
    ]
    if left_out and (missing := _missing()):
        terminalreporter.write_line(
            f"left out: {' and '.join(left_out)}, which need {', '.join(missing)}; "
            "get the export extra with: pip install torch==2.13.0 '.[export]'"
        )


def _missing() -> list[str]:
    return [tool for tool in EXPORT_TOOLS if find_spec(tool) is None]


@pytest.fixture
def sequences(request: pytest.FixtureRequest) -> int:
    """How many random sequences an index is put through."""
    return int(request.config.getoption("--sequences"))


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How often a process that saves an index is killed."""
    return int(request.config.getoption("--kills"))
