"""How long a passage should be: search quality against seconds of indexing.

    python -m tests.bench.library.passages COLLECTION_FOLDER... [-o tests/bench/results/passages.json]

Each collection is indexed anew for each length and overlap, in tokens, through `Library`. Needs the extra eval.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

from nestling import Encoder
from nestling.evaluate import QueryRun, evaluate, read_collection
from nestling.library.intake import chunk

from ..machine import ROOT, described, finished

SETTINGS = [(128, 24), (180, 24), (180, 0), (256, 32), (320, 40), (480, 48)]
RUNS = [QueryRun("dense"), QueryRun("hybrid")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "tests" / "bench" / "results" / "passages.json")
    arguments = parser.parse_args()
    encoder, rows = Encoder(), list[dict[str, Any]]()
    for folder in arguments.collections:
        collection = read_collection(folder)
        for tokens, overlap in SETTINGS:
            with patch.object(chunk, "PASSAGE_TOKENS", tokens), patch.object(chunk, "OVERLAP_TOKENS", overlap):
                dense, hybrid = evaluate(collection, encoder, RUNS)
            row = {
                "collection": collection.name,
                "tokens": tokens,
                "overlap": overlap,
                "passages": hybrid.passages,
                "seconds": round(hybrid.documents / hybrid.documents_per_second, 1),
                "dense": round(dense.measures["nDCG@10"], 4),
                "hybrid": round(hybrid.measures["nDCG@10"], 4),
            }
            rows.append(row)
            print(json.dumps(row), flush=True)
    command = f"python -m tests.bench.library.passages {' '.join(map(str, arguments.collections))}"
    finished(arguments.output, {**described(command, encoder.threads), "rows": rows})


if __name__ == "__main__":
    main()
