"""JSON files of a model, which may be anybody's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import ExportError


def read_object(path: Path) -> dict[str, Any]:
    """The object of a JSON file, empty where there is no file.

    Raises:
        ExportError: the file cannot be read, or is something else.
    """
    values = _read(path, {})
    if not isinstance(values, dict):
        raise ExportError(f"{path}: is {type(values).__name__}, expected a JSON object")
    return values


def read_list(path: Path) -> list[Any]:
    """The list of a JSON file, empty where there is no file; raises as `read_object` does."""
    values = _read(path, [])
    if not isinstance(values, list):
        raise ExportError(f"{path}: is {type(values).__name__}, expected a JSON list")
    return values


def _read(path: Path, missing: Any) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return missing
    except OSError as error:
        raise ExportError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path}: is not JSON ({error}); the model is damaged, fetch it again") from error
