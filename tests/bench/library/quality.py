"""Retrieval quality of every mode on collections in BEIR layout, through `Library` with its defaults.

    python -m tests.bench.library.quality COLLECTION_FOLDER... [-o tests/bench/results/quality.json]

Each collection is indexed once and asked in every mode. Needs the eval extra.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from nestling import Encoder
from nestling.evaluate import QueryRun, evaluate, read_collection

from ..machine import described, finished

RUNS = [QueryRun("lexical"), QueryRun("dense", exact=True), QueryRun("dense"), QueryRun("hybrid")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parents[1] / "results" / "quality.json")
    arguments = parser.parse_args()
    encoder = Encoder()
    results = []
    for folder in arguments.collections:
        for result in evaluate(read_collection(folder), encoder, RUNS):
            values = {key: round(v, 2) if isinstance(v, float) else v for key, v in asdict(result).items()}
            values["measures"] = {name: round(value, 4) for name, value in result.measures.items()}
            del values["by_query"]
            results.append(values)
            print(json.dumps(values), flush=True)
    command = f"python -m tests.bench.library.quality {' '.join(map(str, arguments.collections))}"
    finished(arguments.output, {**described(command, encoder.threads), "results": results})


if __name__ == "__main__":
    main()
