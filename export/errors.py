"""The one error of the export half, what errors of its tools say, and what to do when those are missing."""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import NestlingError

_TOOLS = ("torch", "transformers", "optimum", "onnx")


class ExportError(NestlingError):
    """A recipe, a source or a result that is not as it must be; the message is for a person."""


def first_line(error: Exception) -> str:
    """What an error of another library says, in one line; its name where it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def require_tools() -> None:
    """Raise where the `export` extra is not installed."""
    missing = [tool for tool in _TOOLS if find_spec(tool) is None]
    if missing:
        raise ExportError(f"{missing[0]} is not installed; building needs the extra: pip install 'nestling[export]'")
