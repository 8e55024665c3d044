"""Writes the frozen fixtures of the present formats, once a format version; they must open for ever.

    python tests/format/make.py

Needs the export extra. A fixture that was shipped is never written again.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nestling import Document, Encoder, Index, Library
from nestling.bundle.manifest import read_bundle
from nestling.export.build import build
from nestling.export.recipe.recipe_file import read_recipe
from nestling.vectors.codes import FINE

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from tiny import make_tiny_family

FOLDER = Path(__file__).parent / "v4"
DOCUMENTS = [
    Document("owl", "owls hunt at night", "owls", {"year": 2024, "ok": True}),
    Document("burn", "cool burns under running water", "", {"year": 2020.5, "kind": "first aid"}),
    Document(
        "hands", "wash hands with clean water — zwölf Sekunden, ’s nützt. " * 30, "hands", {}, "/somewhere/hands.txt"
    ),
]
QUERIES = ["owls at night", "clean water"]


def main() -> None:
    if FOLDER.exists() and any(FOLDER.iterdir()):
        raise SystemExit(f"{FOLDER} is there already; a frozen fixture is not written again")
    with tempfile.TemporaryDirectory() as work:
        recipe = make_tiny_family(Path(work))
        build(read_recipe(recipe), FOLDER / "bundle", Path(work, "work"), force=False, say=print)
    bundle = read_bundle(FOLDER / "bundle")
    encoder = Encoder(bundle)
    texts = [document.text for document in DOCUMENTS[:2]]
    vectors = encoder.encode(texts, role="document")
    scores = {}
    for fine in FINE:
        index = Index(encoder.dim, fine=fine)
        index.add([10, 11], vectors)
        index.save(FOLDER / f"owls-{fine}.index")
        hits = index.search(vectors, k=2)
        scores[fine] = np.round(hits.scores.astype(float), 4).tolist()
    with Library(FOLDER / "library.nest", encoder=encoder) as library:
        library.add(DOCUMENTS[:2])
        library.add(DOCUMENTS[2:], width="static")
        answers = {query: [[hit.id, round(hit.score, 3)] for hit in library.search(query)] for query in QUERIES}
    expected = {
        "answers": answers,
        "keys": hits.keys.tolist(),
        "scores": scores,
        "vectors": rounded(vectors),
        "variants": {
            one.name: rounded(Encoder(bundle, width=one.width, precision=one.precision).encode(texts, role="document"))
            for one in bundle.variants
        },
    }
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def rounded(vectors: npt.NDArray[np.float32]) -> list[list[float]]:
    """Rows to five digits."""
    rows: list[list[float]] = np.round(vectors.astype(float), 5).tolist()
    return rows


if __name__ == "__main__":
    main()
