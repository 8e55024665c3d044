"""Writes the frozen library of the present format, once a format version; it must open for ever.

    PYTHONPATH=tests/support python tests/format/make.py

It is of format 6, that of a library which is being brought over to another bundle, the frozen one of `v4`, whose format
and that of indexes are the present ones. A fixture that was shipped is never written again; how those before were made,
and what a bundle or index of a newer format needs, see this file's history.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import closing
from pathlib import Path

from bundles import table_in_another_space, tiny_family
from nestling import Document, Encoder, Library
from nestling.bundle.manifest import read_bundle
from nestling.library.intake.document_width import described_by
from nestling.library.intake.encoders import Encoders
from nestling.library.store import earlier
from nestling.library.store.database import Database
from nestling.vectors.alignment import compared
from stored import told

FROZEN = Path(__file__).parent
FOLDER = FROZEN / "v6"
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
    path, later = FOLDER / "library.nest", read_bundle(FROZEN / "v4" / "bundle")
    with tempfile.TemporaryDirectory() as folder:
        before = read_bundle(table_in_another_space(Path(folder, "b"), tiny_family(Path(folder, "a"))))
        with Library(path, bundle=before) as library:
            library.add([*DOCUMENTS, *MORE])
        texts = [told(number).text for number in range(200)]
        found = [Encoder(one, width="static").encode(texts, role="document") for one in (before, later)]
    with closing(Database(path, create=False)) as db, db.writing():
        earlier.begin(db, described_by(Encoders(later, None, path), "static"), compared(*found), mapped=True)
    with Library(path, bundle=later) as library:
        library.refine(limit=3)
        answers = {query: [[hit.id, round(hit.score, 3)] for hit in library.search(query)] for query in QUERIES}
    (FOLDER / "expected.json").write_text(json.dumps({"answers": answers}, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
