"""Bytes to characters, as browsers do it: by the mark, by what is declared, by what the bytes look like.

Labels mean what the web's encoding standard says, which is what programs write: `gb2312` is GB 18030, `shift_jis` is
that of Windows, `iso-8859-1` is Windows-1252. What was guessed says so, see `Decoded`.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as that of UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Python's names of what a label says, to those of what programs write under it: each is a superset.
_SUPERSETS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_jp": "euc_jis_2004",
    "iso2022_jp_1": "iso2022_jp",
    "iso2022_jp_2": "iso2022_jp",
    "iso2022_jp_ext": "iso2022_jp",
    "euc_kr": "cp949",
    "johab": "cp949",
    "big5": "big5hkscs",
    "cp950": "big5hkscs",
    "utf-16": "utf-16-le",
    "utf-8-sig": "utf-8",
}
# Labels of the standard that Python does not know.
_LABELS = {
    **dict.fromkeys("cn-big5 x-x-big5".split(), "big5hkscs"),
    **dict.fromkeys("csgb2312 gb_2312 gb_2312-80 x-gbk windows-936".split(), "gb18030"),
    **dict.fromkeys("cseuckr csksc56011987 iso-ir-149 korean ks_c_5601-1989 ksc_5601 windows-949".split(), "cp949"),
    **dict.fromkeys("sjis x-sjis windows-31j".split(), "cp932"),
    **dict.fromkeys("cseucpkdfmtjapanese x-euc-jp".split(), "euc_jp"),
    **dict.fromkeys("csiso88598e csiso88598i logical visual iso-8859-8-e iso-8859-8-i".split(), "iso8859-8"),
    **dict.fromkeys("csiso88596e csiso88596i csisolatinarabic iso-8859-6-e iso-8859-6-i".split(), "iso8859-6"),
    **dict.fromkeys("koi koi8 koi8_r".split(), "koi8-r"),
    **dict.fromkeys("unicode ucs-2 csunicode unicodefeff iso-10646-ucs-2".split(), "utf-16-le"),
    **dict.fromkeys("unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8 utf8mb4".split(), "utf-8"),
    **dict.fromkeys("mac csmacintosh x-mac-roman".split(), "mac-roman"),
    **dict.fromkeys("x-mac-cyrillic x-mac-ukrainian".split(), "mac-cyrillic"),
    "unicodefffe": "utf-16-be",
    "koi8-ru": "koi8-u",
    "dos-874": "cp874",
    "windows-874": "cp874",
    "csisolatin9": "iso8859-15",
    "sun_eu_greek": "iso8859-7",
    "x-user-defined": "cp1252",
}
_SHORT = re.compile(r"^iso_?8859[-_]?(?=\d)|^x-cp(?=\d)")
_TEXT = re.compile(r"utf-?(8|16|32)|iso|cp\d|koi8|mac|kz1048")
_WIDE = re.compile(r"gb|big5|cp932|cp949|euc|iso2022|hz")
_MAX_LABEL = 40
# What files are in that are not UTF-8; more would make short texts look like anything.
_GUESSED = (
    "cp1252 cp1250 cp1251 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 cp874 koi8-r koi8-u cp866 cp850 cp437 "
    "cp932 euc-jp gb18030 big5hkscs cp949 iso-2022-jp mac-roman"
).split()
_SAMPLE = 1 << 17
# So few letters beyond ASCII do not tell a language; beyond, their frequencies do.
_FEW = 6
# Letters of Windows-1252 that hardly anybody writes, but that others' letters look like.
_RARE = frozenset("ÐÝÞðýþºªãõÃÕ¿¡¦¨´¸ƒˆ˜‚„…†‡‰‹›•¢¤¥¬¯²³¹¼½¾ÿ")
_MIN_UTF8 = 8
# A sign within a word, or a capital behind a small letter: what another encoding looks like in Windows-1252.
_NOT_WESTERN = re.compile(
    r"[^\W\d_][\xa1-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf×÷€‚ƒ„…†‡ˆ‰‹‘“”•˜™›][^\W\d_]|[a-zß-ÿ][À-ÞŠŒŽŸ]|[\x81\x8d\x8f\x90\x9d]"
)
_MIXED = re.compile(r"[A-Za-z][\u0370-\u06ff]|[\u0370-\u06ff][A-Za-z]")  # two scripts in one word
_CONTROLS = bytes(range(9)) + bytes(range(14, 27)) + bytes(range(28, 32))


@dataclass(frozen=True)
class Decoded:
    """A text that was bytes.

    Attributes:
        text: as decoded, line ends as they were.
        guess: the encoding where nothing told it, as `windows-1251`; else empty.
        lost: how many places were not in the encoding; U+FFFD stands there.
    """

    text: str
    guess: str = ""
    lost: int = 0


def mark_of(data: bytes) -> str | None:
    """The encoding that a byte order mark tells; None without one."""
    return next((name for mark, name in _MARKS if data.startswith(mark)), None)


def known(label: str | None) -> str | None:
    """Python's name of the encoding that a label means; None where nothing known, or no encoding of texts, does."""
    name = (label or "").strip().strip("\"'").lower()[:_MAX_LABEL]
    name = _SHORT.sub(lambda short: "cp" if short[0] == "x-cp" else "iso-8859-", name)
    try:
        found = _LABELS.get(name) or codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    found = _SUPERSETS.get(found, found)
    return found if _TEXT.match(found) or _WIDE.match(found) else None


def decoded(data: bytes, *labels: str | None) -> Decoded | None:
    """Bytes as text: by their mark, else as UTF-8 where they are, else by the first label that fits, else by a guess.

    Nobody writes UTF-8 by chance: bytes that are sound UTF-8, and more than a few, are that under any label.

    Returns:
        None where the bytes are no text in any encoding that is known, or belie their mark.
    """
    if (marked := mark_of(data)) is not None:
        return _strictly(data, marked)
    names = [
        name for label in labels if (name := known(label)) is not None and not name.startswith(("utf-16", "utf-32"))
    ]
    if not names and b"\x1b$B" in data and data.isascii():
        names = ["iso2022_jp"]
    wide = next((name for name in names if _WIDE.match(name)), None)
    if (sound := _strictly(data, "utf-8")) is not None:
        shifts = wide is not None and (b"\x1b" in data or wide == "hz")
        if not shifts and (wide is None or data.isascii() or _high(data) >= _MIN_UTF8):
            return sound if _controls(data) * 4 < len(data) else _wide_units(data) or sound
    for name in names:
        if (found := _strictly(data, name)) is not None:
            return found
    if names and names[0] != "utf-8":
        return _loosely(data, names[0])
    return _wide_units(data) or guessed(data, is_declared="utf-8" in names)


def guessed(data: bytes, *, is_declared: bool = False) -> Decoded | None:
    """Bytes that are not UTF-8 in the encoding that they look most like; None where they look like none.

    Args:
        is_declared: whether they are said to be UTF-8, so that they may be with some broken characters.
    """
    sample = _sample(data)
    if _controls(sample) > 0.02 * len(sample):
        return None
    broken = _loosely(data, "utf-8")
    if broken.lost * (1 if is_declared else 4) < len(re.findall(rb"[\xc2-\xf4][\x80-\xbf]+", sample)):
        return broken
    name = guess_of(sample)
    if name is None:
        return None
    found = _strictly(data, name) or _loosely(data, name)
    return Decoded(found.text, name.replace("cp125", "windows-125"), found.lost)


def guess_of(sample: bytes) -> str | None:
    """Python's name of the encoding that a sample, not UTF-8, looks most like; None for none."""
    western = sample.decode("cp1252", "c1")
    high, ascii_letters = _high(sample), sum(map(str.isalpha, sample.decode("ascii", "ignore")))
    is_western = _NOT_WESTERN.search(western) is None
    if high <= _FEW and high * 2 <= ascii_letters and is_western and not set(western) & _RARE:
        return "cp1252"
    try:
        import chardet
    except ImportError:
        return "cp1252" if is_western and high * 2 <= ascii_letters else None
    found = known(chardet.detect(sample, include_encodings=_GUESSED, prefer_superset=True)["encoding"])
    if found is not None and is_western and _MIXED.search(sample.decode(found, "replace")):
        return "cp1252"
    return found


def _strictly(data: bytes, name: str) -> Decoded | None:
    try:
        if name == "iso2022_jp":
            return Decoded(_iso2022_jp(data, "strict"))
        return Decoded(data.decode(name, "c1" if name.startswith("cp125") else "strict"))
    except UnicodeError:
        return None


def _loosely(data: bytes, name: str) -> Decoded:
    text = _iso2022_jp(data, "replace") if name == "iso2022_jp" else data.decode(name, "replace")
    return Decoded(text, "", text.count("\ufffd"))


def _iso2022_jp(data: bytes, errors: str) -> str:
    """As programs write it: with the signs that NEC and IBM added to its set, which Python's codec does not know."""
    parts = []
    for part in re.split(rb"(?=\x1b[$(])", data):
        if part[:3] in (b"\x1b$B", b"\x1b$@"):
            pairs = re.match(rb"[!-~]*", part[3:])
            end = 3 + (pairs.end() if pairs else 0)
            parts.append(bytes(byte | 0x80 for byte in part[3:end]).decode("euc_jis_2004", errors))
            parts.append(part[end:].decode("ascii", errors))
        elif part[:3] == b"\x1b(I":
            parts.append(bytes(byte | 0x80 if byte > 0x20 else byte for byte in part[3:]).decode("cp932", errors))
        else:
            parts.append(part[3 * part.startswith(b"\x1b") :].decode("ascii", errors))
    return "".join(parts)


def _wide_units(data: bytes) -> Decoded | None:
    """UTF-16 without a mark: of the two bytes of its characters one is small, always the same, and the other is not."""
    sample = data[: _SAMPLE & ~1]
    for name, high, low in (("utf-16-le", sample[1::2], sample[::2]), ("utf-16-be", sample[::2], sample[1::2])):
        if len(high) > 1 and _controls(high) * 2 > len(high) and not low.count(0):
            found = _strictly(data, name)
            if found is None or any(char < " " and char not in "\t\n\r\f" for char in found.text[:_SAMPLE]):
                return None
            return Decoded(found.text, name)
    return None


def _controls(data: bytes) -> int:
    """How many bytes are control characters that no text has."""
    return len(data) - len(data.translate(None, _CONTROLS))


def _high(data: bytes) -> int:
    """How many bytes are not ASCII."""
    return len(data) - len(data.decode("ascii", "ignore"))


def _sample(data: bytes) -> bytes:
    """A part of the bytes in which not all is ASCII: from the line of the first that is not."""
    first = re.search(rb"[\x80-\xff\x1b]", data)
    start = 0 if first is None or first.start() < _SAMPLE // 2 else data.rfind(b"\n", 0, first.start()) + 1
    return data[start : start + _SAMPLE]


def _as_control(error: UnicodeError) -> tuple[str, int]:
    """What Windows' code pages leave out is the control character of that number, as on the web."""
    assert isinstance(error, UnicodeDecodeError)
    byte = error.object[error.start]
    return chr(byte) if byte < 0xA0 else "\ufffd", error.start + 1


codecs.register_error("c1", _as_control)
