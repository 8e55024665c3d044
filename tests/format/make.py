"""Writes the frozen library of the present format, once a format version; it must open for ever.

    python tests/format/make.py

It is encoded by the frozen bundle of `v4`, whose format and that of indexes are the present ones. A fixture that was
shipped is never written again; a bundle or index of a newer format needs the export extra, and is made as `v4` was, see
this file's history.
"""

from __future__ import annotations

import json
from pathlib import Path

from nestling import Document, Encoder, Library

FROZEN = Path(__file__).parent
FOLDER = FROZEN / "v5"
DOCUMENTS = [
    Document("owl", "owls hunt at night", "owls", {"year": 2024, "ok": True}),
    Document("burn", "cool burns under running water", "", {"year": 2020.5, "kind": "first aid"}),
    Document(
        "hands", "wash hands with clean water — zwölf Sekunden, ’s nützt. " * 30, "hands", {}, "/somewhere/hands.txt"
    ),
]
MORE = [
    Document(
        "guide",
        "# 用药\n患者对青霉素过敏。\n\n# Doses\nGive 5㎎ of ibuprofène.",
        "Guide",
        {"tags": ["care", 2, True, None]},
    ),
    Document("empty", "", "nothing"),
]
QUERIES = ["owls at night", "clean water", "青霉素", "ibuprofene 5 mg"]


def main() -> None:
    if FOLDER.exists() and any(FOLDER.iterdir()):
        raise SystemExit(f"{FOLDER} is there already; a frozen fixture is not written again")
    FOLDER.mkdir(exist_ok=True)
    encoder = Encoder(FROZEN / "v4" / "bundle")
    with Library(FOLDER / "library.nest", encoder=encoder) as library:
        library.add([*DOCUMENTS[:2], *MORE])
        library.add(DOCUMENTS[2:], width="static")
        answers = {query: [[hit.id, round(hit.score, 3)] for hit in library.search(query)] for query in QUERIES}
    (FOLDER / "expected.json").write_text(json.dumps({"answers": answers}, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
