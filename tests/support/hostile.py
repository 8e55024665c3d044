"""A folder of files that were made, or damaged, to harm who reads them, with good ones among them."""

from __future__ import annotations

import io
import json
import os
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

HOSTILE = 500
GOOD = 40
GIGABYTE = 1 << 30

FUZZED = (
    "guide.pdf", "guide.docx", "guide.pptx", "doses.xlsx", "guide.odt", "guide.odp", "doses.ods", "guide.epub",
    "rtl.pdf", "locked.pdf",
)  # fmt: skip

Files = dict[str, bytes]


def build(folder: Path, outside: Path, fixtures: Path, seed: int = 1) -> dict[str, Path]:
    """Fill a folder; returns the good files, by a word that stands in none of the others.

    Args:
        outside: a folder that links lead to.
        fixtures: sound files of every format.
    """
    seeded = random.Random(seed)
    for place in ("notes", "letters", "tables"):
        (folder / place).mkdir()
    special = specials(folder, outside)
    files = {**texts(), **pages(), **mails(), **rows(), **archives(fixtures, seeded), **fuzzed(fixtures, seeded, 500)}
    for name, data in list(files.items())[: HOSTILE - special]:
        (folder / seeded.choice(["", "notes", "letters", "tables"]) / name).write_bytes(data)
    words = {}
    for number in range(GOOD):
        word = "quill" + "".join("bdfgklmprt"[int(digit)] for digit in f"{number:03}")
        suffix, make = list(GOOD_FILES.items())[number % len(GOOD_FILES)]
        words[word] = folder / seeded.choice(["", "notes", "letters", "tables"]) / f"{number:03} good{suffix}"
        words[word].write_bytes(make(f"The ward keeps its {word} in the blue cupboard.", fixtures))
    return words


def specials(folder: Path, outside: Path) -> int:
    """What is more than bytes under a name: sizes, names, links and pipes; returns how many."""
    for suffix in ("txt", "pdf", "docx", "jsonl", "csv", "mbox"):
        with (folder / f"sparse.{suffix}").open("wb") as stream:
            stream.truncate(GIGABYTE)
    (outside / "secret.txt").write_text("The secret outside is tamarind.")
    (folder / "link.txt").symlink_to(outside / "secret.txt")
    (folder / "link").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "nowhere.txt").symlink_to(outside / "nowhere.txt")
    (folder / "..txt").symlink_to("..")
    os.mkfifo(folder / "x.txt")
    os.mkfifo(folder / "x.docx")
    (folder / "folder.pdf").mkdir()
    names = [
        "two\nlines.txt", "\x1b[2Jcleared.txt", "bell\x07.md", "tab\there.csv", "n" * 196 + ".txt", "\u202egpj.txt",
        "\u2028separator.html", "quote'\"; DROP TABLE documents; --.txt", "-rf.txt", "~.txt", "$(reboot).txt",
        " .txt", "%s%n%x.txt", "CON.txt", "e\u0301 and \u00e9.txt", "\U0001f9ff.txt", "zero\u200bwidth.txt",
        "two\nlines.docx", "\x1b]0;title\x07.pdf", "colon:7.jsonl",
    ]  # fmt: skip
    for name in names:
        (folder / name).write_bytes(b"Ordinary words under a name that is not.")
    for number, name in enumerate([b"lone\xed\xa0\x80.txt", b"latin\xe9.md", b"\xff\xfe.pdf", b"cut\xf0\x9f.docx"]):
        with open(os.fsencode(folder) + b"/" + name, "wb") as stream:  # noqa: PTH123 - a name that is not text
            stream.write(b"Named by bytes, number %d." % number)
    return 6 + 5 + 2 + len(names) + 4


def texts() -> Files:
    """Plain text and Markdown."""
    good = "A line of text. "
    return {
        "empty.txt": b"",
        "blank.md": b" \n\t\r\n ",
        "nul.txt": b"a\0b\0\0c" * 50,
        "controls.txt": bytes(range(1, 32)) * 20 + b" then words",
        "c1.txt": "".join(map(chr, range(0x7F, 0xA0))).encode() + b" words",
        "latin.txt": "Grüße aus Zürich".encode("latin-1"),
        "shift.txt": "日本語の文".encode("shift_jis"),
        "utf16-no-mark.txt": good.encode("utf-16-le"),
        "utf16-odd.txt": b"\xff\xfe" + good.encode("utf-16-le") + b"x",
        "utf16-lone.txt": b"\xff\xfe\x00\xd8a\x00",
        "utf32.txt": good.encode("utf-32"),
        "mark-alone.txt": b"\xef\xbb\xbf",
        "two-marks.txt": b"\xef\xbb\xbf\xef\xbb\xbfwords",
        "mixed.txt": good.encode() + "Grüße".encode("latin-1") + "日本".encode(),
        "overlong.txt": b"\xc0\xaf\xe0\x80\xaf words",
        "surrogates.txt": b"\xed\xa0\x80\xed\xb0\x80 words",
        "one-word.txt": b"x" * 300_000,
        "accents.txt": ("e" + "\u0301" * 3000 + " ").encode() * 3,
        "bidi.txt": ("\u202e\u2066\u2069\u200f" * 500 + "words").encode(),
        "noncharacters.txt": "\ufdd0\ufdd1\uffff\U0010ffff words between marks".encode(),
        "emoji.txt": ("\U0001f468\u200d\U0001f469\u200d\U0001f467" * 150).encode(),
        "lines.txt": b"\n" * 20_000 + b"x",
        "feeds.txt": b"\f" * 20_000 + b"x",
        "returns.txt": b"a\r" * 1500,
        "hashes.md": b"# " + b"#" * 8000 + b"x",
        "marks.md": b"# " + b"# \t" * 3000 + b"x",
        "fences.md": b"```\n~~~\n" * 400,
        "front.md": b"---\n" * 900,
        "front-open.md": b"---\n" + b"a: b\n" * 600,
        "quotes.md": b">" * 3000,
        "brackets.md": b"[" * 3000 + b"](x)",
        "heading.md": b"# " + b"long " * 2000,
        "program.txt": b"\x7fELF" + bytes(random.Random(5).randbytes(2000)),
        "picture.md": b"\x89PNG\r\n\x1a\n" + bytes(random.Random(6).randbytes(2000)),
    }


def pages() -> Files:
    """HTML."""
    bodies = {
        "deep": "<div>" * 60_000 + "deep",
        "deep-hidden": "<svg>" * 20_000 + "</p>" * 20_000,
        "deep-list": "<ul><li>" * 20_000 + "deep",
        "entities": "&#x110000; &#0; &#xd800; &#99999999999999999999; &notanentity; &amp &lt;&#; &#x;" * 20,
        "entity-long": "&" + "a" * 20_000 + ";",
        "attribute": "<p title='" + "a" * 500_000 + "'>words</p>",
        "attributes": "<p " + "".join(f"a{number}=b " for number in range(20_000)) + ">words</p>",
        "attribute-open": "<a b='" * 600,
        "tag-open": "<a " * 600,
        "comments": "<!--" * 900,
        "comment-open": "words <!-- " + "a" * 20_000,
        "cdata": "<![CDATA[" * 500,
        "conditional": "<![if IE]><![endif]><![foo[" * 500 + "words",
        "declarations": "<!DOCTYPE [" * 300,
        "instructions": "<?xml " * 900,
        "script-open": "<script>" + "var a = '</scr';" * 3000,
        "title-open": "<title>" + "a " * 3000,
        "titles": "<title>a</title>" * 5000,
        "less": "<" * 3000,
        "closing": "</p>" * 50_000,
        "nul": "<p>a\0b</p><\0p>c",
        "charset-unknown": "<meta charset='x-no-such'>words",
        "charset-utf16": "<meta charset='utf-16'>words",
        "charset-utf7": "<meta charset='utf-7'>+ADw-script+AD4- words",
        "charset-codec": "<meta charset='zlib'>words",
        "charset-idna": "<meta charset='idna'>" + "words." * 500,
        "charset-punycode": "<meta charset='punycode'>" + "words-" * 500,
        "bomb-laughs": '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><p>&b;</p>words',
        "no-text": "<html><head><title></title></head><body><img></body></html>",
        "frames": "<frameset>" * 500 + "<noframes>words",
        "nothing": "",
    }
    return {f"{name}.html": body.encode() for name, body in bodies.items()}


def mails() -> Files:
    """Messages and mailboxes."""
    plain = b"Content-Type: text/plain; charset=%s\n\nGr\xfc\xdfe words"
    text = {
        "headers-endless": b"X-A: b\n" * 50_000,
        "header-endless": b"Subject: " + b"a " * 200_000 + b"\n\nwords",
        "folded": b"Subject: a\n" + b" b\n" * 20_000 + b"\nwords",
        "to-commas": b"To: " + b"a," * 20_000 + b"\n\nwords",
        "to-parentheses": b"To: " + b"(" * 20_000 + b"\n\nwords",
        "to-many": b"To: " + b"a@example.org, " * 10_000 + b"\n\nwords",
        "parameters": b"Content-Type: text/plain; " + b"a=b; " * 20_000 + b"\n\nwords",
        "continued": b"Content-Type: text/plain; " + b"".join(b"a*%d=b; " % n for n in range(9000)) + b"\n\nwords",
        "encoded-words": b"Subject: " + b"=?utf-8?q?a?= " * 20_000 + b"\n\nwords",
        "encoded-broken": b"Subject: =?utf-8?b?!!!?= =?x-no?q?a?= =?utf-8?q?=FF=00?=\n\nwords",
        "charset-unknown": plain % b"x-no-such",
        "charset-wrong": plain % b"us-ascii",
        "charset-utf16": plain % b"utf-16",
        "charset-codec": plain % b"zlib",
        "charset-long": plain % (b"a" * 5000),
        "charset-nul": plain % b"utf\0-8",
        "base64-broken": b"Content-Transfer-Encoding: base64\n\n!!!=A==BC\xff",
        "encoding-unknown": b"Content-Transfer-Encoding: rot13\n\nwords",
        "uu": b"Content-Transfer-Encoding: x-uuencode\n\nbegin 666 a\nM\nend\n",
        "quoted": b"Content-Transfer-Encoding: quoted-printable\n\n=ZZ=\n=F",
        "nested": b"".join(
            b"Content-Type: multipart/mixed; boundary=x%d\n\n--x%d\n" % (n, n) for n in range(1000)
        ) + b"\nwords",
        "forwarded": b"Content-Type: message/rfc822\n\n" * 1000 + b"words",
        "parts": b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\nwords\n" * 4000,
        "no-boundary": b"Content-Type: multipart/mixed\n\nwords",
        "no-end": b"Content-Type: multipart/alternative; boundary=x\n\n--x\nContent-Type: text/html\n\n<p>words",
        "same-boundary": b"Content-Type: multipart/mixed; boundary=x\n\n--x\n" * 300 + b"\nwords",
        "no-blank": b"Subject: words",
        "no-header": b"\nwords",
        "date": b"Date: Mon, 99 Foo 99999 99:99:99 +9999\n\nwords",
        "date-long": b"Date: " + b"(" * 20_000 + b"\n\nwords",
        "message-id": b"Message-ID: <" + b"[" * 20_000 + b"\n\nwords",
        "nul": b"Subject: a\0b\nFrom: \0\n\nwords\0",
        "surrogates": b"Subject: \xed\xa0\x80\nFrom: \xff\xfe\n\nwords",
        "attachment": b'Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Disposition: attachment; '
        b'filename="../../../tmp/evil\r\n.txt"\n\nwords\n--x\n'
        b"Content-Disposition: attachment; filename*=x''%FF\n\n--x--",
        "report": b"Content-Type: multipart/report; boundary=x\n\n--x\n"
        b"Content-Type: message/delivery-status\n\n\n\n--x--",
        "html-deep": b"Content-Type: text/html\n\n" + b"<div>" * 20_000 + b"words",
        "empty": b"",
    }  # fmt: skip
    files = {f"{name}.eml": data for name, data in text.items()}
    starts = [b"From a@b Mon Mar  2 10:00:00 2026\n" + data + b"\n\n" for data in text.values() if len(data) < 60_000]
    files["all.mbox"] = b"".join(starts)
    files["no-from.mbox"] = b"Subject: words\n\nwords"
    files["froms.mbox"] = b"From \n" * 2000
    files["same-id.mbox"] = b"From a@b Mon Mar  2 10:00:00 2026\nMessage-ID: <1@b>\n\nwords\n\n" * 300
    files["binary.mbox"] = b"From a\n" + random.Random(7).randbytes(3000)
    files["empty.mbox"] = b""
    return files


def rows() -> Files:
    """JSON Lines and CSV."""
    deep = b'{"id": "a", "text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    number = b'{"id": "a", "text": "words", "metadata": {"a": %s}}\n'
    lines = {
        "deep": deep,
        "deep-meta": deep.replace(b'"text"', b'"text": "a", "metadata"'),
        "numbers": b"".join(number % one for one in (b"1e999", b"NaN", b"9" * 30, b"-0", b"1e-400", b"9" * 5000)),
        "keys": b'{"id": "a", "text": "words", "metadata": {' + b",".join(b'"k%d": 1' % n for n in range(5000)) + b"}}",
        "key-long": b'{"id": "a", "text": "words", "metadata": {"' + b"k" * 100_000 + b'": [1]}}',
        "id-long": b'{"id": "' + b"i" * 100_000 + b'", "text": "words", "metadata": {"a": []}}',
        "id-control": b'{"id": "a\\n\\u0000\\u001b[2J", "text": "words"}\n'
        b'{"id": "a\\u2028\\nb", "text": "w", "metadata": 1}',
        "id-kinds": b"".join(
            b'{"id": %s, "text": "words"}\n' % one for one in (b"null", b"1.5", b"true", b"[]", b'" "')
        ),
        "surrogates": b'{"id": "\\ud800", "text": "\\udfff words"}',
        "same-id": b'{"id": "a", "text": "words"}\n' * 300,
        "same-key": b'{"id": "a", "id": "b", "text": "words", "text": "others"}',
        "bad-lines": b"1\n" * 600_000,
        "no-end": b'{"id": "a", "text": "words',
        "array": b'[{"id": "a", "text": "words"}]',
        "blank": b"\n" * 100_000,
        "latin": b'{"id": "a", "text": "Gr\xfc\xdfe"}\n',
        "nul": b'\0{"id": "a", "text": "words"}\n{"id": "b", "text": "a\0b"}',
        "utf16": '{"id": "a", "text": "words"}\n{"id": "b", "text": "words"}'.encode("utf-16"),
        "line-long": b'{"id": "a", "text": "words"}\n' + b" " * (17 << 20) + b"\n",
        "others-id": b'{"id": "/etc/passwd", "text": "words"}\n{"id": "../../x", "text": "words"}',
        "metadata": b"".join(number % one for one in (b"[1]", b"{}", b'"\\ud800"', b'"a\\u0000b"', b"9" * 25)),
    }  # fmt: skip
    tables = {
        "quote-open": b'id,text\n1,"open\n' + b"a,b\n" * 3000,
        "quotes": b'id,text\n1,"a"b"c"\n',
        "header-same": b"id,id,text\n1,2,words\n",
        "header-empty": b",,,\n1,2,3\n",
        "header-only": b"id,text\n",
        "header-long": b"id," + b"c" * 1_000_000 + b"\n" + b"1,x\n" * 500,
        "columns": ",".join(f"c{number}" for number in range(1500)).encode() + b"\n" + b"1," * 1499 + b"1\n",
        "cells-more": b"id,text\n1,a,b,c\n2,words\n",
        "cell-long": b"id,text\n1," + b"word " * 2000 + b"\n",
        "commas": b"," * 100_000,
        "nul": b"id,text\n1,a\0b\n\0,c\n",
        "controls": b"id,text\n\x1b[2J,words\n\x07,\x08\n",
        "formula": b"id,text\n1,=cmd|' /C calc'!A0\n",
        "returns": b"id,text\r1,words\r\r2,words\r\n",
        "latin": b"id,text\n1,Gr\xfc\xdfe\n",
        "numbers": b"id,text,n\n1,words," + b"9" * 5000 + b"\n2,words,1e999\n3,words,nan\n4,words,-\n",
        "same-id": b"id,text\n" + b"1,words\n" * 300,
        "bad-rows": b"id,text\n" + b"1,2,3\n" * 100_000,
        "empty": b"",
        "json": b'{"id": "a", "text": "words"}\n',
        "separators": b"id;text,more\ttabs\n1;2,3\t4\n",
        "utf16": "id,text\n1,words\n".encode("utf-16"),
    }
    files = {f"{name}.jsonl": data for name, data in lines.items()}
    return files | {f"{name}.csv": data for name, data in tables.items()}


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


def _pdf(text: str, _: Path) -> bytes:
    content = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    data, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % len(data)
    return data + b"xref\n0 6\n0000000000 65535 f \n" + table + trailer


def _saying(name: str, said: str) -> Callable[[str, Path], bytes]:
    """Makes a sound file that says something else in the place of `said`."""

    def make(text: str, fixtures: Path) -> bytes:
        members = members_of((fixtures / name).read_bytes())
        return zipped({one: data.replace(said.encode(), text.encode()) for one, data in members.items()})

    return make


def _message(text: str, _: Path) -> bytes:
    return f"From: ana@example.org\nSubject: ward\nContent-Type: text/plain; charset=utf-8\n\n{text}\n".encode()


GOOD_FILES: dict[str, Callable[[str, Path], bytes]] = {
    ".txt": lambda text, _: text.encode(),
    ".md": lambda text, _: f"# Ward\n\n{text}".encode(),
    ".html": lambda text, _: f"<title>Ward</title><p>{text}</p>".encode(),
    ".csv": lambda text, _: f"place,text\nward,{text}\n".encode(),
    ".jsonl": lambda text, _: json.dumps({"id": text.split()[4], "text": text}).encode(),
    ".eml": _message,
    ".mbox": lambda text, _: b"From a@b Mon Mar  2 10:00:00 2026\nContent-Type: x/y; a=" + b"z" * 99 + b"\n\n\n\n"
    b"From a@b Mon Mar  2 10:00:00 2026\n" + _message(text, Path()),
    ".docx": _saying("guide.docx", "Leave blisters closed."),
    ".pptx": _saying("guide.pptx", "Leave blisters closed."),
    ".xlsx": _saying("doses.xlsx", "Paracetamol"),
    ".odt": _saying("guide.odt", "Leave blisters closed."),
    ".epub": _saying("guide.epub", "Leave blisters closed."),
    ".pdf": _pdf,
}  # fmt: skip


def entries(folder: Path) -> Iterator[Path]:
    """All that is in a folder but folders, links not followed."""
    for place, folders, names in os.walk(folder):
        yield from (Path(place, name) for name in names)
        yield from (path for name in folders if (path := Path(place, name)).is_symlink())
