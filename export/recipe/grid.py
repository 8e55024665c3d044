"""How finely numbers are rounded: values that the recipe names for the token table, and int4 chooses for matrices."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ExportError


@dataclass(frozen=True)
class Grid:
    """How finely a matrix is rounded.

    Attributes:
        bits: of a code, 4 or 8.
        group: inputs that share a scale, a power of two of at least 16.
        symmetric: the zero point is the middle of the codes, and is not stored.
    """

    bits: int = 4
    group: int = 32
    symmetric: bool = False

    def __post_init__(self) -> None:
        if self.bits not in (4, 8):
            raise ExportError(f"bits is {self.bits}, expected 4 or 8")
        if self.group < 16 or self.group & (self.group - 1):
            raise ExportError(f"group is {self.group}, expected a power of two of at least 16")

    def bytes(self, inputs: int, outputs: int) -> int:
        """What a matrix takes: codes, float32 scales, zero points."""
        groups = -(-inputs // self.group)
        zeros = 0 if self.symmetric else outputs * -(-groups * self.bits // 8)
        return outputs * groups * self.group * self.bits // 8 + 4 * outputs * groups + zeros

    def __str__(self) -> str:
        return f"{self.bits} bits, groups of {self.group}{'' if self.symmetric else ' with a zero point'}"


@dataclass(frozen=True)
class Codebooks:
    """How a token table is kept as codes of 8 bits, see `quantize.codebooks`.

    Attributes:
        run: numbers of a row that share a code: 4 makes 2 bits each, 6 makes 1.33.
    """

    run: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.run <= 16:
            raise ExportError(f"run is {self.run}, expected 1 to 16")

    def __str__(self) -> str:
        return f"a code of 8 bits for each {self.run} numbers of a row"
