"""Files of programs that were made, or damaged, to harm who reads them: zip archives, and sound files with errors."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

FUZZED = (
    "guide.pdf", "guide.docx", "guide.pptx", "doses.xlsx", "guide.odt", "guide.odp", "doses.ods", "guide.epub",
    "rtl.pdf", "locked.pdf",
)  # fmt: skip

Files = dict[str, bytes]


def zipped(members: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def members_of(data: bytes) -> Files:
    """The members of a zip archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


MAIN = {
    "guide.docx": "word/document.xml",
    "guide.pptx": "ppt/slides/slide1.xml",
    "doses.xlsx": "xl/worksheets/sheet1.xml",
    "guide.odt": "content.xml",
    "guide.epub": "",
}

LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY l0 "ha">'
    + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    + '<!ENTITY q "' + "a" * 60_000 + '"><!ENTITY x SYSTEM "file:///etc/passwd">]>'
)  # fmt: skip


def archives(fixtures: Path, seeded: random.Random) -> Files:
    """Zip archives: bombs, lies, paths that lead outside, entities."""
    files: Files = {}
    zeros = bytes(60 << 20)
    bomb = zipped({f"word/{number}.xml": zeros for number in range(9)})
    for name, inside in MAIN.items():
        stem, suffix = name.split(".")
        sound = members_of((fixtures / name).read_bytes())
        main = inside or next(one for one in sound if one.endswith((".xhtml", ".html")))
        files[f"bomb.{suffix}"] = bomb
        files[f"ratio.{suffix}"] = zipped({**sound, main: b"<a>" + bytes(20 << 20)})
        spaces = sound[main].replace(b">", b">" + b" " * (6 << 20), 1)
        files[f"spaces.{suffix}"] = zipped({**sound, main: spaces})
        files[f"deep.{suffix}"] = zipped({**sound, main: b"<a>" * 200_000 + b"</a>" * 200_000})
        files[f"deep-end.{suffix}"] = zipped({**sound, main: _nested(sound[main])})
        files[f"members.{suffix}"] = zipped({f"{number}": b"" for number in range(20_500)}, zipfile.ZIP_STORED)
        files[f"inner.{suffix}"] = zipped({f"{stem}.{suffix}": bomb, f"b.{suffix}": (fixtures / name).read_bytes()})
        files[f"laughs.{suffix}"] = zipped({**sound, main: _with_entities(sound[main])})
        files[f"paths.{suffix}"] = zipped(
            {**sound, "../../evil.txt": b"x", "/tmp/evil-nestling.txt": b"x", "C:\\evil.txt": b"x", "a\0b\n.txt": b"x"}
        )
        files[f"lies.{suffix}"] = _lying(zipped(sound))
        files[f"encrypted.{suffix}"] = _flagged(zipped(sound))
        files[f"no-main.{suffix}"] = zipped({one: data for one, data in sound.items() if one != main})
        files[f"main-nothing.{suffix}"] = zipped({**sound, main: b""})
        files[f"main-text.{suffix}"] = zipped({**sound, main: b"no XML at all"})
        files[f"main-other.{suffix}"] = zipped({**sound, main: b"<?xml version='1.0'?><a xmlns='urn:x'><b/></a>"})
        files[f"types.{suffix}"] = zipped({**sound, "[Content_Types].xml": b"<Types/>"})
        files[f"old.{suffix}"] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + seeded.randbytes(2000)
        files[f"text.{suffix}"] = b"Only text under another name."
        files[f"twice.{suffix}"] = (fixtures / name).read_bytes() * 2
    epub = members_of((fixtures / "guide.epub").read_bytes())
    container = (
        b'<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfile full-path="%s"/></container>'
    )
    for number, path in enumerate([b"../../../../etc/passwd", b"/etc/passwd", b"a&#10;b" * 400, b""]):
        files[f"root-{number}.epub"] = zipped({**epub, "META-INF/container.xml": container % path})
    package = next(name for name in epub if name.endswith(".opf"))
    again = epub[package].replace(b"</spine>", b'<itemref idref="x"/>' * 100_000 + b"</spine>")
    files["spine.epub"] = zipped({**epub, package: again})
    main_space = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = b'<worksheet xmlns="' + main_space + b'"><sheetData>%s</sheetData></worksheet>'
    xlsx = members_of((fixtures / "doses.xlsx").read_bytes())
    cells = {
        "far": b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        "wrong": b'<row r="x"><c r="??" t="s"><v>99999999</v></c><c t="d"><v>never</v></c></row>',
        "shared": b'<row><c t="s"><v>-1</v></c><c t="b"><v>7</v></c><c t="e"><v>#REF!</v></c></row>',
        "number": b"<row><c><v>" + b"9" * 10_000 + b"</v></c></row>",
    }
    for name, data in cells.items():
        files[f"{name}.xlsx"] = zipped({**xlsx, MAIN["doses.xlsx"]: sheet % data})
    return files


def _nested(xml: bytes) -> bytes:
    """An XML document whose body stands within 240 elements more, as deep as a parser allows."""
    begin = xml.rindex(b"</")
    return xml[:begin] + b"<x>" * 240 + b"deep" + b"</x>" * 240 + xml[begin:]


def _with_entities(xml: bytes) -> bytes:
    head, _, rest = xml.partition(b"?>")
    body = rest.rpartition(b"</")
    return head + b"?>" + LAUGHS.encode() + body[0] + b"&l9;&q;&x;" + body[1] + body[2]


def _lying(data: bytes) -> bytes:
    """An archive that declares other sizes than its members have."""
    changed = bytearray(data)
    place = data.find(b"PK\x01\x02")
    while place >= 0:
        changed[place + 24 : place + 28] = (7).to_bytes(4, "little")
        place = data.find(b"PK\x01\x02", place + 4)
    return bytes(changed)


def _flagged(data: bytes) -> bytes:
    """An archive that says it is encrypted."""
    changed = bytearray(data)
    place = data.find(b"PK\x01\x02")
    while place >= 0:
        changed[place + 8] |= 1
        place = data.find(b"PK\x01\x02", place + 4)
    return bytes(changed)


def fuzzed(fixtures: Path, seeded: random.Random, count: int) -> Files:
    """Sound files of programs, damaged."""
    whole = {name: (fixtures / name).read_bytes() for name in FUZZED}
    ways: list[Callable[[bytes, random.Random, list[bytes]], bytes]] = [_flipped, _cut, _spliced, _inner]
    files: Files = {}
    for number in range(count):
        name = FUZZED[number % len(FUZZED)]
        way = ways[number // len(FUZZED) % len(ways)]
        files[f"fuzz-{number:03}{Path(name).suffix}"] = way(whole[name], seeded, list(whole.values()))
    return files


def _flipped(data: bytes, seeded: random.Random, _: list[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(seeded.choice([1, 3, 10, 100])):
        changed[seeded.randrange(len(changed))] ^= 1 << seeded.randrange(8)
    return bytes(changed)


def _cut(data: bytes, seeded: random.Random, _: list[bytes]) -> bytes:
    start, stop = sorted(seeded.sample(range(len(data)), 2))
    return seeded.choice([data[:stop], data[start:], data[:start] + data[stop:]])


def _spliced(data: bytes, seeded: random.Random, others: list[bytes]) -> bytes:
    other = seeded.choice(others)
    start, place = seeded.randrange(len(other)), seeded.randrange(len(data))
    piece = other[start : start + seeded.choice([10, 500, 5000])]
    return data[:place] + piece + data[place + seeded.choice([0, len(piece)]) :]


def _inner(data: bytes, seeded: random.Random, others: list[bytes]) -> bytes:
    """Damage that only shows behind the archive: a member is changed, its checksum is right."""
    if not data.startswith(b"PK"):
        return _flipped(_spliced(data, seeded, others), seeded, others)
    members = members_of(data)
    name = seeded.choice([one for one in members if members[one]])
    changed = members[name]
    for _ in range(seeded.choice([1, 2, 5])):
        start = seeded.randrange(len(changed))
        token = seeded.choice([b"<", b"&", b"\0", b"-1", b"99999999999", b"/>", b"w:", b'"', b"\xff", b"%s", b"xml:"])
        changed = changed[:start] + token + changed[start + seeded.choice([0, 1, 5]) :]
    return zipped({**members, name: changed})
