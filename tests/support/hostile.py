"""A folder of files that were made, or damaged, to harm who reads them, with good ones among them."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from hostile_archives import archives, fuzzed, members_of, zipped
from hostile_texts import mails, pages, rows, texts

HOSTILE = 500
GOOD = 40
GIGABYTE = 1 << 30


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
