"""How much of the original encoder's quality each variant keeps, as the bundle's report says it.

`report.json` is written where the bundle is built and is for people; of it, only this is read here:

    "quality": {"s.int8": {"documents": 97.5, "queries": 98.1}, ...}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from ..checks import as_whole, require_keys, require_type
from ..errors import BundleError
from .manifest import Bundle

REPORT = "report.json"
_MOST_BYTES = 1 << 20
_MOST_PERCENT = 1000


@dataclass(frozen=True)
class Quality:
    """What is left of the search quality of the original float32 weights, in percent.

    Attributes:
        documents: where the variant encodes the documents, and the bundle's default the queries.
        queries: where it encodes the queries, and the default the documents.
    """

    documents: float
    queries: float

    def __post_init__(self) -> None:
        for value in (self.documents, self.queries):
            if as_whole(value) is None and not isinstance(value, float):
                raise ValueError(f"{value!r} is no number")
            if not 0 <= value <= _MOST_PERCENT:
                raise ValueError(f"{value} is no share in percent")


def read_quality(bundle: Bundle) -> Mapping[str, Quality]:
    """The quality of a bundle's variants by their names; empty where its report says nothing of it.

    Raises:
        BundleError: the report is missing or altered, or what it says of quality is malformed.
    """
    if REPORT not in bundle.files:
        return {}
    path = bundle.verified(REPORT)
    try:
        if bundle.files[REPORT].bytes > _MOST_BYTES:
            raise ValueError(f"it has over {_MOST_BYTES} bytes")
        report = json.loads(path.read_bytes())
        require_type("it", report, dict)
        names = {variant.name for variant in bundle.variants}
        found = require_keys("quality", report.get("quality", {}), names, optional=names)
        return {name: Quality(**require_keys(name, found[name], {"documents", "queries"})) for name in found}
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: says nothing readable of quality ({error}); build the bundle again") from error
