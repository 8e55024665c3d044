"""Fields of which the instruction holds what is shown: readings above characters, as Word wrote them before 2000."""

from __future__ import annotations

import re

_READING = re.compile(r"^\s*EQ\b.*?\\up\s*\d*\s*\((.*)\)\s*[,;](.*)\)\s*$", re.IGNORECASE | re.DOTALL)


def shown_of(instruction: str) -> str:
    """The characters of a field with their reading behind them; empty for every other field, which has a result."""
    found = _READING.match(instruction[:2000])
    return f"{found[2].strip()} ({found[1].strip()})" if found else ""
