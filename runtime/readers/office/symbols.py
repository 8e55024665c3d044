"""Characters that Word writes as something else: those of the font Symbol, which doses and results are written with
(Greek letters, signs), and those with a reading above them, which are fields."""

from __future__ import annotations

import re

_LETTERS = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ", strict=True))
_LETTERS |= dict(zip("abcdefghijklmnopqrstuvwxyz", "αβχδεφγηιϕκλμνοπθρστυϖωξψζ", strict=True))
_SIGNS = {
    0xA2: "′", 0xA3: "≤", 0xA5: "∞", 0xAB: "↔", 0xAC: "←", 0xAD: "↑", 0xAE: "→", 0xAF: "↓", 0xB0: "°", 0xB1: "±",
    0xB2: "″", 0xB3: "≥", 0xB4: "×", 0xB5: "∝", 0xB7: "•", 0xB8: "÷", 0xB9: "≠", 0xBA: "≡", 0xBB: "≈", 0xBC: "…",
    0xD2: "®", 0xD3: "©", 0xD4: "™", 0xD6: "√", 0xE5: "∑",
}  # fmt: skip
_PRIVATE = 0xF000
_READING = re.compile(r"^\s*EQ\b.*?\\up\s*\d*\s*\((.*)\)\s*[,;](.*)\)\s*$", re.IGNORECASE | re.DOTALL)


def symbol(font: str, code: str) -> str:
    """The character that a font of symbols has at a code.

    Args:
        font: its name; of others than Symbol, as Wingdings, pictures come, which are no text.
        code: hexadecimal, for private use or not.
    """
    try:
        point = int(code, 16)
    except ValueError:
        return ""
    if font != "Symbol":
        return "" if _PRIVATE <= point < _PRIVATE + 0x100 or not 0x20 <= point < 0xD800 else chr(point)
    point = point - _PRIVATE if _PRIVATE <= point < _PRIVATE + 0x100 else point
    return _SIGNS.get(point) or (_LETTERS.get(chr(point), chr(point)) if 0x20 <= point < 0x7F else "")


def shown_of(instruction: str) -> str:
    """The characters of a field with their reading behind them; empty for every other field, which has a result."""
    found = _READING.match(instruction[:2000])
    return f"{found[2].strip()} ({found[1].strip()})" if found else ""
