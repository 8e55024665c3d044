"""How the encoders of a family are trained: the tables [nest], [[nest.courses]] and [static] of a recipe."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..errors import ExportError

# How many of the hidden neurons each width computes, of every layer, where a recipe does not say it.
WIDTHS = {"s": 1 / 8, "m": 1 / 4, "l": 1 / 2, "xl": 1.0}
WIDEST = "xl"
_SHORTEST = 64
OPTIMIZERS = ("adamw", "muon")


@dataclass(frozen=True)
class Cut:
    """What a width has of the widest encoder.

    Attributes:
        layers: which of its layers, counted from 0.
        neurons: which part of each layer's hidden neurons.
        own_attention: whether its attention is trained too; else it is the widest encoder's.
    """

    layers: tuple[int, ...]
    neurons: float
    own_attention: bool = False


@dataclass(frozen=True)
class CourseRecipe:
    """One course of a family's training, see `distil`.

    Attributes:
        passages: how many are drawn from the texts to train on; each course draws its own.
        steps: how many batches.
        batch: texts in one.
        optimizer: what takes the steps, `adamw` or `muon`.
        warmup: steps until learning rates are at their highest; from there they fall to nothing as a cosine.
        distance, states: weights of `losses.distance` of the texts' vectors and of their tokens' states, beside that
            of 1 which `losses.neighbours` of the vectors has.
        learning_rates: by width, at their highest.
        widths: by name, the part of the batches that each is trained on, up to 1.
        bfloat16: multiply so: several times as fast on processors that are made for it, and slower on all others.
    """

    passages: int = 120_000
    steps: int = 3000
    batch: int = 40
    optimizer: str = "adamw"
    warmup: int = 50
    distance: float = 20.0
    states: float = 10.0
    learning_rates: dict[str, float] = field(default_factory=lambda: {"s": 1e-3, "m": 1e-3, "l": 1e-3})
    widths: dict[str, float] = field(default_factory=lambda: {"s": 1.0, "m": 0.5, "l": 0.4})
    bfloat16: bool = False

    def __post_init__(self) -> None:
        narrow = [name for name in WIDTHS if WIDTHS[name] < 1]
        shares, rates = self.widths, self.learning_rates
        if (
            not shares
            or set(shares) - set(narrow)
            or not all(_is_positive(one) and one <= 1 for one in shares.values())
        ):
            raise ExportError(
                f"widths is {shares}, expected some of {', '.join(narrow)}, each with the part of the batches that it "
                "is trained on, above 0 and up to 1"
            )
        if set(rates) != set(shares) or not all(map(_is_positive, rates.values())):
            raise ExportError(f"learning_rates is {rates}, expected a number above 0 for each of {', '.join(shares)}")
        if self.optimizer not in OPTIMIZERS:
            raise ExportError(f"optimizer is {self.optimizer!r}, expected {' or '.join(OPTIMIZERS)}")
        for key, least in (("steps", 1), ("batch", 1), ("passages", 1), ("warmup", 0), ("distance", 0), ("states", 0)):
            if not least <= getattr(self, key) < math.inf:
                raise ExportError(f"{key} is {getattr(self, key)}, expected {least} or more")
        if self.passages < self.batch:
            raise ExportError(f"passages is {self.passages}, expected a batch, {self.batch}, or more")
        if self.warmup >= self.steps:
            raise ExportError(f"warmup is {self.warmup}, expected fewer than steps, {self.steps}")

    @property
    def seen(self) -> int:
        """How many of the passages a step takes."""
        return min(self.steps, self.passages // self.batch) * self.batch


@dataclass(frozen=True)
class NestRecipe:
    """How one encoder comes to hold many.

    Attributes:
        courses: of the training, one after another.
        dims: lengths of the prefixes that the rotation is to serve, see `targets.fitted_rotation`; none named are the
            whole vector and its halves down to 64.
        mean: which part of the mean of the vectors is taken off.
        layers: by width, which of the source's layers it has, counted from 0; all where it is not named.
        neurons: by width, which part of each layer's hidden neurons it has; as `WIDTHS` has it where it is not named.
        query_prefix: text before a query that the source is asked for its vector with, where the bundle's queries have
            none: so widths learn to do without it.
        own_attention: widths that are trained with attention of their own; the others share the source's.
    """

    courses: list[CourseRecipe]
    dims: list[int] = field(default_factory=list)
    mean: float = 1.0
    layers: dict[str, list[int]] = field(default_factory=dict)
    neurons: dict[str, float] = field(default_factory=dict)
    own_attention: list[str] = field(default_factory=list)
    query_prefix: str = ""

    def __post_init__(self) -> None:
        if not all(type(dim) is int and dim >= 8 for dim in self.dims):
            raise ExportError(f"dims is {self.dims}, expected lengths of vectors, 8 or more")
        if not 0 <= self.mean <= 1:
            raise ExportError(f"mean is {self.mean}, expected 0 to 1")
        if not self.courses:
            raise ExportError("courses is empty, expected a course of training, one or more")
        for key, named in (("layers", self.layers), ("neurons", self.neurons), ("own_attention", self.own_attention)):
            if strange := [name for name in named if name not in self.widths]:
                raise ExportError(
                    f"{key} names {strange[0]!r}, expected some of {', '.join(self.widths)}, trained here"
                )
        for width, layers in self.layers.items():
            if not isinstance(layers, list) or not _are_layers(layers):
                raise ExportError(f"layers of {width} is {layers}, expected numbers of layers from 0 on, rising")
        for width, part in self.neurons.items():
            if not _is_positive(part) or part > 1:
                raise ExportError(f"neurons of {width} is {part}, expected a part above 0 and up to 1")

    def prefixes(self, dim: int) -> list[int]:
        """`dims` of a vector of this length, where none are named its halves."""
        halves = [dim >> times for times in range(8) if dim >> times >= _SHORTEST]
        return self.dims or halves or [dim]

    def cuts(self, layers: int) -> dict[str, Cut]:
        """By width, what it has of a source of so many layers."""
        return {
            width: Cut(
                tuple(self.layers.get(width, range(layers))), self.part_of_neurons(width), width in self.own_attention
            )
            for width in self.widths
        }

    def part_of_neurons(self, width: str) -> float:
        """Which part of each layer's hidden neurons a width has."""
        return self.neurons.get(width, WIDTHS[width])

    @property
    def widths(self) -> list[str]:
        """Those besides the widest, which stays as it is; the widest of them first."""
        return [name for name in reversed(WIDTHS) if any(name in course.widths for course in self.courses)]


@dataclass(frozen=True)
class StaticRecipe:
    """How the table for look-ups is made, see `static_table.trained`.

    Attributes:
        bits: what a number of the table is stored in, 4 or 8.
        rank: how many numbers a token has.
        passes: how often the texts are gone through.
        learning_rate, batch: of the training.
    """

    bits: int = 4
    rank: int = 256
    passes: int = 4
    learning_rate: float = 2e-3
    batch: int = 512

    def __post_init__(self) -> None:
        if self.bits not in (4, 8):
            raise ExportError(f"bits is {self.bits}, expected 4 or 8")
        for key in ("rank", "passes", "batch"):
            if getattr(self, key) < 1:
                raise ExportError(f"{key} is {getattr(self, key)}, expected 1 or more")
        if self.rank % 2:
            raise ExportError(f"rank is {self.rank}, expected an even number of 2 or more")
        if not _is_positive(self.learning_rate):
            raise ExportError(f"learning_rate is {self.learning_rate}, expected more than 0")


def _are_layers(values: list[int]) -> bool:
    return bool(values) and all(type(one) is int and one >= 0 for one in values) and values == sorted(set(values))


def _is_positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf
