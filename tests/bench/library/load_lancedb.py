"""Loads what `nestling dump` wrote into LanceDB and asks a question there.

python -m tests.bench.library.load_lancedb notes.parquet FOLDER "a question"
"""

from __future__ import annotations

import sys

import lancedb
import pyarrow.parquet

from nestling import Encoder


def main(dumped: str, folder: str, question: str) -> None:
    table = lancedb.connect(folder).create_table("notes", pyarrow.parquet.read_table(dumped))
    (vector,) = Encoder().encode([question], role="query")
    for row in table.search(vector).metric("dot").limit(5).to_list():
        print(f"{1 - row['_distance']:.3f}  {row['document']}  {row['text'][:80]!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
