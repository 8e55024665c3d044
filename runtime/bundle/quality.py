"""How much of the original encoder's quality each variant keeps, as the bundle's report says it.

Where a study was written into `report.json`, it holds

    "quality": {"s.int8": {"documents": 97.5, "queries": 98.1}, ...}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..checks import as_whole, require_keys
from .manifest import Bundle
from .report import read_part

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
    names = {variant.name for variant in bundle.variants}

    def parsed(values: object) -> dict[str, Quality]:
        found = require_keys("quality", values, names, optional=names)
        return {name: Quality(**require_keys(name, found[name], {"documents", "queries"})) for name in found}

    return read_part(bundle, "quality", parsed) or {}
