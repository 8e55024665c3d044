"""Nestling and its peers on the same work.

    python -m tests.bench run --source SOURCE_FOLDER COLLECTION_FOLDER... [--peers a,b] [--jobs a,b] [--work FOLDER]
    python -m tests.bench table
    python -m tests.bench plot

`run` makes an environment for each peer, does every job with each in turn, in a process of its own, and writes
results/peers.json, and the measures of every query to results/peers_by_query.json. What is done is kept in the work
folder: a run that was stopped goes on there, and `--again` does it anew. SOURCE_FOLDER holds the float32 weights in
sentence-transformers layout, as a build leaves them in `source` in its work folder. Needs the extras eval and export.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from . import tables
from .machine import described, finished
from .peers import tables as tables_of_peers
from .peers.adapters import PEERS

RESULTS = Path(__file__).parent / "results"
THREADS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("collections", type=Path, nargs="+")
    run.add_argument("--source", type=Path, required=True)
    run.add_argument("--work", type=Path, default=Path(".nestling-build/peers"))
    run.add_argument("--peers", default=",".join(PEERS).replace(", ", " "), help="of peers, without commas in them")
    run.add_argument("--jobs", default=None)
    run.add_argument("--again", action="store_true", help="do anew what these jobs and peers have done")
    commands.add_parser("table")
    commands.add_parser("plot")
    arguments = parser.parse_args()
    if arguments.command == "run":
        _run(arguments)
    elif arguments.command == "table":
        for name in tables_of_peers.TABLES:
            print(tables.table(name))
    else:
        from .peers.picture import draw

        draw(RESULTS / "peers.json", RESULTS)


def _run(arguments: argparse.Namespace) -> None:
    from nestling.evaluate import read_collection, require_measures

    from .peers import jobs, verdict

    require_measures()  # now, not when all is done
    names = _chosen(arguments.peers, {name.replace(", ", " "): name for name in PEERS})
    wanted = _chosen(arguments.jobs or ",".join(jobs.JOBS), {job: job for job in jobs.JOBS})
    collections = [read_collection(folder) for folder in arguments.collections]
    if len(os.sched_getaffinity(0)) != THREADS:
        raise SystemExit(f"some peers take all processors that there are: run this on {THREADS}, as taskset gives them")
    # So that a run that is asked to stop stops what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    work, source = arguments.work.resolve(), arguments.source.resolve()
    setup = jobs.Setup(work, source, collections, THREADS, lambda line: print(line, file=sys.stderr, flush=True))
    if arguments.again:
        for job in wanted:
            for name in names:
                shutil.rmtree(setup.kept(job, name, 0).parent, ignore_errors=True)
    jobs.do_all(setup, names, wanted)
    result, by_query = verdict.summary(setup)
    folders = " ".join(map(str, arguments.collections))
    command = f"python -m tests.bench run --source SOURCE_FOLDER {folders}"
    finished(RESULTS / "peers.json", {**described(command, THREADS), **result})
    (RESULTS / "peers_by_query.json").write_text(json.dumps(by_query, separators=(",", ":")) + "\n")


def _chosen(given: str, known: dict[str, str]) -> list[str]:
    wanted = [name.strip() for name in given.split(",")]
    if strange := [name for name in wanted if name not in known]:
        raise SystemExit(f"there is no {strange[0]!r}, expected some of {', '.join(known)}")
    return [known[name] for name in wanted]


if __name__ == "__main__":
    main()
