"""`report.json`, which is written where a bundle is built and is for people; the runtime reads parts of it."""

from __future__ import annotations

import json
from typing import Any

from ..checks import require_type
from .manifest import Bundle

REPORT = "report.json"
_MOST_BYTES = 1 << 20


def read_report(bundle: Bundle) -> dict[str, Any]:
    """What a bundle's report holds; empty where it has none.

    Raises:
        BundleError: the report is missing or altered.
        ValueError, RecursionError: it is no JSON object, or too large.
    """
    if REPORT not in bundle.files:
        return {}
    path = bundle.verified(REPORT)
    if bundle.files[REPORT].bytes > _MOST_BYTES:
        raise ValueError(f"it has over {_MOST_BYTES} bytes")
    report: dict[str, Any] = json.loads(path.read_bytes())
    require_type("it", report, dict)
    return report
