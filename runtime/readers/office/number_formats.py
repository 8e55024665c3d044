"""Number formats of Excel (ECMA-376, 18.8.31): what a cell shows of its number, as leading zeros or a percentage.

Dates are calamine's, and no commas between thousands are put into numbers, which are searched as they are typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from itertools import islice
from typing import Any

from .package import local, value

_BUILT_IN = {
    "1": "0", "2": "0.00", "3": "#,##0", "4": "#,##0.00", "9": "0%", "10": "0.00%",
    "37": "#,##0;(#,##0)", "38": "#,##0;(#,##0)", "39": "#,##0.00;(#,##0.00)", "40": "#,##0.00;(#,##0.00)",
}  # fmt: skip
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|\[\$(?P<currency>[^\]-]*)[^\]]*\]|(?P<space>[_*].)'
    r"|\[(?P<condition>[<>=][^\]]*|[hms]+)\]|(?P<color>\[[^\]]*\])|(?P<digit>[0#?])|(?P<sign>.)",
    re.DOTALL | re.IGNORECASE,
)
_MAX_SIZE = 100  # of what stands around a number: it comes with every cell
_MAX_DECIMALS = 10
_MAX_NUMBER = 10**15


class _NotRead(Exception):
    """It is a format of something else, or one that is not understood."""


@dataclass
class _Section:
    """The format of numbers of one kind: positive ones, negative ones or zero.

    Attributes:
        whole: what stands before the point, digits and others, with whether it is a digit.
        decimals: digits behind the point.
        after: what stands behind those.
        percents: signs for a percentage.
    """

    whole: list[tuple[str, bool]] = field(default_factory=list)
    decimals: str | None = None
    after: str = ""
    percents: int = 0

    def digit(self, char: str) -> None:
        """Take a digit."""
        if self.after and self.decimals is not None:
            raise _NotRead
        if self.decimals is None:
            self.whole.append((char, True))
        else:
            self.decimals += char

    def text(self, text: str) -> None:
        """Take what is shown as it is."""
        if self.decimals is None:
            self.whole.append((text, False))
        else:
            self.after += text

    def shown(self, number: Decimal) -> str:
        """A number that is not negative."""
        decimals = self.decimals or ""
        rounded = number.scaleb(2 * self.percents).quantize(Decimal(1).scaleb(-len(decimals)), ROUND_HALF_UP)
        whole, _, part = f"{rounded:f}".partition(".")
        least = len(decimals.rstrip("#?"))
        part = part[:least] + part[least:].rstrip("0")
        left = list(whole.lstrip("0"))
        parts: list[str] = []
        first = next((place for place, (_, is_digit) in enumerate(self.whole) if is_digit), None)
        for place in reversed(range(len(self.whole))):
            text, is_digit = self.whole[place]
            if not is_digit:
                parts.append(text)
            elif place == first:
                parts.append("".join(left) or ("0" if text == "0" else ""))
            else:
                parts.append(left.pop() if left else "0" if text == "0" else "")
        if first is None:
            parts.insert(0, "".join(left))
        return f"{''.join(reversed(parts))}{'.' if part else ''}{part}{self.after}"


@dataclass(frozen=True)
class NumberFormat:
    """How numbers are shown, in sections for positive and negative ones and zero; None for one that shows no digits."""

    sections: tuple[_Section | None, ...]

    def shown(self, number: float) -> str:
        """What a cell shows of a number; empty where that is no text, or it is too large."""
        if not abs(number) < _MAX_NUMBER:
            return ""
        size = Decimal(f"{abs(number):.15g}")
        kind = 1 if number < 0 else 2 if number == 0 else 0
        section = self.sections[kind] if (is_own := kind < len(self.sections)) else self.sections[0]
        text = "" if section is None else section.shown(size).strip()
        return f"-{text}" if number < 0 and not is_own and any(char in "123456789" for char in text) else text


def number_format(code: str) -> NumberFormat | None:
    """What a format says; None where it is none of numbers, or says no more than their digits."""
    try:
        sections = tuple(islice(_sections(code), 3))  # the fourth is of texts
    except _NotRead:
        return None
    return NumberFormat(sections) if any(sections) else None


def formats_of(styles: Any) -> list[NumberFormat | None]:
    """The formats of cells by the number of their style, of a part of styles."""
    codes = {**_BUILT_IN, **{value(one, "numFmtId"): value(one, "formatCode") for one in _all(styles, "numFmt")}}
    known = {id: number_format(code) for id, code in codes.items()}
    forms = next(_all(styles, "cellXfs"), ())
    return [known.get(value(one, "numFmtId")) for one in forms if local(one) == "xf"]


def _all(root: Any, name: str) -> Iterator[Any]:
    return (one for one in root.iter() if local(one) == name)


def _sections(code: str) -> Iterator[_Section | None]:
    section = _Section()
    comma = False  # which, without a digit behind it, divides by a thousand
    for token in _TOKEN.finditer(f"{code};"):
        kind, text = str(token.lastgroup), token[str(token.lastgroup)] or ""
        if kind == "digit":
            section.digit(text)
            comma = False
        elif kind in ("quoted", "escaped", "currency"):
            section.text(text)
        elif kind == "sign" and text == ";":
            size = len(section.whole) + sum(len(one) for one, _ in section.whole) + len(section.after)
            if comma or size > _MAX_SIZE or len(section.decimals or "") > _MAX_DECIMALS or section.percents > 1:
                raise _NotRead
            yield section if section.decimals or any(is_digit for _, is_digit in section.whole) else None
            section = _Section()
        elif kind == "sign" and text == "," and section.whole:
            comma = True
        elif kind == "sign" and text == "." and section.decimals is None:
            section.decimals = ""
        elif kind == "condition" or (kind == "sign" and (text.isalpha() or text in "@/.,")):
            raise _NotRead
        elif kind == "sign":
            section.percents += text == "%"
            section.text(text)
        else:
            section.text(" ")
