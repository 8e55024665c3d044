"""The names of encodings behind the numbers of Windows' code pages and of fonts' character sets."""

from __future__ import annotations

import codecs

SYMBOLS = 2
CHARSETS = {
    77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gbk", 136: "cp950", 161: "cp1253", 162: "cp1254",
    163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
    254: "cp437", 255: "cp850",
}  # fmt: skip

_NAMES = {
    932: "cp932", 936: "gbk", 949: "cp949", 950: "cp950", 1200: "utf-16-le", 1201: "utf-16-be", 10000: "mac_roman",
    10007: "mac_cyrillic", 10029: "mac_latin2", 54936: "gb18030", 65001: "utf-8",
}  # fmt: skip


def codec(page: int) -> str | None:
    """The encoding of a code page by its number; None for one that is not known."""
    name = _NAMES.get(page, f"cp{page}")
    try:
        codecs.lookup(name)
    except LookupError:
        return None
    return name
