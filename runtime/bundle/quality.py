"""How much of the original encoder's quality each variant keeps, as the bundle's report says it.

Where a study was written into `report.json`, it holds

    "quality": {"s.int8": {"documents": 97.5, "queries": 98.1}, ...}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..checks import as_whole, require_keys
from ..errors import BundleError
from .manifest import Bundle
from .report import REPORT, read_report

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
    try:
        report = read_report(bundle)
        names = {variant.name for variant in bundle.variants}
        found = require_keys("quality", report.get("quality", {}), names, optional=names)
        return {name: Quality(**require_keys(name, found[name], {"documents", "queries"})) for name in found}
    except (ValueError, RecursionError) as error:
        raise BundleError(
            f"{bundle.folder / REPORT}: says nothing readable of quality ({error}); build the bundle again"
        ) from error
