"""Which widths suit this device: chosen by what they cost here and how good they are, and kept for the user.

A plan is a small JSON file in the user's folder of settings, one for each vector space. It is a default of the command
line alone: what the Python classes give does not depend on it.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

from ..bundle.manifest import Bundle, Variant
from ..checks import require_keys, require_type
from ..disk import replacing
from ..errors import NestlingError
from ..user_folders import config_folder

if TYPE_CHECKING:
    from ..bundle.quality import Quality
    from .cost import Cost

_FORMAT = 1
_MOST_BYTES = 1 << 16


@dataclass(frozen=True)
class WidthPlan:
    """Which widths encode documents and queries, and at which precision."""

    document_width: str
    query_width: str
    precision: str


@dataclass(frozen=True)
class Choice:
    """A plan with what it costs.

    Attributes:
        plan: the widths.
        query_ms: milliseconds to encode a query.
        megabytes: memory of a process that has both widths loaded.
    """

    plan: WidthPlan
    query_ms: float
    megabytes: float


def choose(
    bundle: Bundle,
    costs: Sequence[Cost],
    quality: Mapping[str, Quality],
    query_ms: float | None = None,
    memory_mb: float | None = None,
) -> Choice:
    """The best plan within the limits; without limits, the bundle's default for both.

    Best is the highest sum of the document width's quality and the query width's, of the variants whose quality is
    known. Where that of a width's first precision is not, it is the order in the bundle, which names the widest first.

    Args:
        costs: of all variants of the bundle.
        quality: by a variant's name, see `read_quality`.
        query_ms: most milliseconds to encode a query.
        memory_mb: most memory of a process that has both widths loaded, in millions of bytes.

    Raises:
        NestlingError: nothing fits; names what comes closest.
    """
    pairs = _pairs(bundle)
    if query_ms is None and memory_mb is None:
        pairs = pairs[:1]
    by_name = {cost.variant: cost for cost in costs}
    choices = [
        Choice(plan, by_name[query.name].query_ms, _together(by_name[document.name], by_name[query.name]))
        for plan, document, query in pairs
    ]
    known = all(bundle.variant(width, None).name in quality for width in bundle.widths)

    def rated(row: int) -> bool:
        return known and all(variant.name in quality for variant in pairs[row][1:])

    def worth(row: int) -> float:
        _, document, query = pairs[row]
        if rated(row):
            return quality[document.name].documents + quality[query.name].queries
        return -float(bundle.widths.index(document.width) + bundle.widths.index(query.width))

    def taken(choice: Choice) -> list[float]:
        """How many times each limit is taken, the worst first."""
        wanted = [(choice.query_ms, query_ms), (choice.megabytes, memory_mb)]
        return sorted((found / limit for found, limit in wanted if limit is not None), reverse=True)

    fitting = [row for row, choice in enumerate(choices) if all(times <= 1 for times in taken(choice))]
    if not fitting:
        closest = min(choices, key=taken)
        plan = closest.plan
        limits = ((query_ms, "ms a query"), (memory_mb, "MB"))
        asked = " and ".join(f"{limit:g} {unit}" for limit, unit in limits if limit is not None)
        raise NestlingError(
            f"no widths of bundle {bundle.name} keep within {asked} here; closest is document width "
            f"{plan.document_width}, query width {plan.query_width}, precision {plan.precision} with "
            f"{closest.query_ms:.2f} ms and {closest.megabytes:.0f} MB; allow that much"
        )
    return choices[max([row for row in fitting if rated(row)] or fitting, key=worth)]


def read_width_plan(bundle: Bundle) -> WidthPlan | None:
    """The plan that was kept for a bundle on this machine; None where there is none.

    A file that holds none, or one that the bundle cannot follow, is passed over with a sentence on stderr.
    """
    path = _path(bundle)
    if path is None:
        return None
    try:
        if not S_ISREG(path.stat().st_mode):  # reading a pipe would wait for ever
            raise ValueError("is no regular file")
        with path.open("rb") as stream:
            return _parsed(bundle, stream.read(_MOST_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        message = f"{path}: is passed over ({reason}); make a new plan with: nestling tune"
        print(message.replace("\n", " "), file=sys.stderr)
        return None


def write_width_plan(bundle: Bundle, plan: WidthPlan) -> Path:
    """Keep a plan for all bundles of the same vector space, in place of an older one; returns where.

    Raises:
        NestlingError: the user has no folder for settings.
        OSError: it cannot be written.
    """
    path = _path(bundle)
    if path is None:
        raise NestlingError("there is no folder for a user's settings; give the widths with each command")
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"format": _FORMAT, "space": bundle.space, **asdict(plan)}, indent=2) + "\n"
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return path


def _pairs(bundle: Bundle) -> list[tuple[WidthPlan, Variant, Variant]]:
    """All plans that a bundle can follow with their variants for documents and queries, its default first."""
    precisions = dict.fromkeys(variant.precision for variant in bundle.variants)
    return [
        (WidthPlan(one, other, precision), bundle.variant(one, precision), bundle.variant(other, precision))
        for precision in precisions
        for one, other in product(bundle.widths, repeat=2)
        if precision in bundle.precisions(one) and precision in bundle.precisions(other)
    ]


def _together(document: Cost, query: Cost) -> float:
    """Memory of a process with both encoders, in millions of bytes; their tokenizer is counted twice, as the bound."""
    if document == query:
        return document.megabytes
    return document.megabytes + query.megabytes - min(document.base_megabytes, query.base_megabytes)


def _parsed(bundle: Bundle, content: bytes) -> WidthPlan:
    """What a plan's file says; raises ValueError where it is none that the bundle can follow."""
    values = require_keys("the plan", json.loads(content), {"format", "space", *WidthPlan.__dataclass_fields__})
    if values.pop("format") != _FORMAT:
        raise ValueError("is of another version")
    if values.pop("space") != bundle.space:
        raise ValueError("is for another vector space")
    for name, value in values.items():
        require_type(name, value, str)
    plan = WidthPlan(**values)
    for width in (plan.document_width, plan.query_width):
        if width not in bundle.widths or plan.precision not in bundle.precisions(width):
            raise ValueError(f"bundle {bundle.name} has no width {width!r} of precision {plan.precision!r}")
    return plan


def _path(bundle: Bundle) -> Path | None:
    """Where the plan of the bundle's space is; None where the user has no folder for settings."""
    folder = config_folder()
    name = hashlib.sha256(bundle.space.encode()).hexdigest()
    return None if folder is None else folder / "nestling" / "plans" / f"{name}.json"
