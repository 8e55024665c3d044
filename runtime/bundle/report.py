"""`report.json`, which is written where a bundle is built and is for people; the runtime reads parts of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from ..checks import require_type
from ..errors import BundleError
from .manifest import Bundle

Part = TypeVar("Part")

REPORT = "report.json"
_MOST_BYTES = 1 << 20


def read_part(bundle: Bundle, name: str, parsed: Callable[[Any], Part]) -> Part | None:
    """A part of a bundle's report; None where there is no report, or nothing of this name in it.

    Args:
        parsed: makes it of what the JSON holds; raises ValueError where that is malformed.

    Raises:
        BundleError: the report is missing or altered, or this part of it is malformed.
    """
    if REPORT not in bundle.files:
        return None
    path = bundle.verified(REPORT)
    try:
        if bundle.files[REPORT].bytes > _MOST_BYTES:
            raise ValueError(f"it has over {_MOST_BYTES} bytes")
        report = json.loads(path.read_bytes())
        require_type("it", report, dict)
        return parsed(report[name]) if name in report else None
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: says nothing readable of {name} ({error}); build the bundle again") from error
