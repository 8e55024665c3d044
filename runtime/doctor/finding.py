"""What is said of a part of an installation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from ..errors import NestlingError

State = Literal["fine", "missing", "broken"]


@dataclass(frozen=True)
class Finding:
    """What was found of a part.

    Attributes:
        part: its name, as `onnxruntime` or `.pdf`.
        state: `fine`; `missing` where Nestling works without it, but for what it is for; else `broken`.
        found: what is there, or what is wrong.
        remedy: what to do; empty where nothing is.
    """

    part: str
    state: State
    found: str
    remedy: str = ""


Part = Callable[[], Iterator[Finding]]


def tried(part: str, look: Part, remedy: str) -> Iterator[Finding]:
    """What is found of a part, where what it raises is found as well.

    Args:
        remedy: what to do where it raises anything that does not say so itself.
    """
    try:
        yield from look()
    except NestlingError as error:
        yield Finding(part, "broken", str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        yield Finding(part, "broken", f"{where}{error.strerror or error}", "see the lines of the folders")
    except Exception as error:  # of whatever kind: that it does not work is the answer
        yield Finding(part, "broken", f"{type(error).__name__}: {error}", remedy)
