"""Files that were made to harm: the good ones among them are found, the others cost themselves and a line each."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import hostile
import pytest

from nestling import Encoder, Library
from nestling.document import clean
from nestling.library.store.texts import from_stored
from processes import guarded_environment

for parsers in ("pypdfium2", "docx", "pptx", "openpyxl", "lxml"):
    pytest.importorskip(parsers)

FILES = Path(__file__).parent / "files"
# Without any text: nothing is to be told of them.
BLANK = {
    "blank.jsonl", "blank.md", "commas.csv", "empty.csv", "empty.eml", "empty.mbox", "empty.txt", "mark-alone.txt",
    "nothing.html",
}  # fmt: skip
MAX_PEAK = 500 << 20
MAX_REASON = 400
MAX_SECONDS = 300

SYNC = """
import json, re, resource, sys
from pathlib import Path
from dataclasses import asdict
from nestling import Library
with Library(sys.argv[1]) as library:
    report = library.sync(sys.argv[2])
    failures = library.failures()
print(json.dumps({
    "skipped": [asdict(skip) for skip in report.skipped],
    "failures": [asdict(skip) for skip in failures],
    # The usage of a process begins with that of the one that started it; what the kernel says of its memory does not.
    "peaks": [
        1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]),
        1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,
    ],
}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes, pipes, and peaks in kilobytes")
def test_hostile_files_harm_nothing_and_hide_no_good_one(tmp_path: Path, encoder: Encoder) -> None:
    folder, outside, home, work = (tmp_path / name for name in ("folder", "outside", "home", "work"))
    for place in (folder, outside, home, work):
        place.mkdir()
    words = hostile.build(folder, outside, FILES)
    before = set(map(os.fsencode, hostile.entries(tmp_path)))
    given = set(hostile.entries(folder))
    assert len(given) >= hostile.HOSTILE + hostile.GOOD - 1  # one of them is a folder

    path = home / "a.nest"
    environment = {**guarded_environment(), "TMPDIR": str(work), "HOME": str(work)}
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", SYNC, str(path), str(folder)],
        capture_output=True, text=True, check=False, timeout=MAX_SECONDS, env=environment, cwd=work,
    )  # fmt: skip
    took = time.monotonic() - begin
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    print(f"\n{took:.1f} s, peaks {[peak >> 20 for peak in said['peaks']]} MB")
    assert max(said["peaks"]) < MAX_PEAK

    everything = set(map(os.fsencode, hostile.entries(tmp_path)))
    assert {one for one in everything - before if not one.startswith(os.fsencode(path))} == set()
    assert not Path("/tmp/evil-nestling.txt").exists()

    skips = [*said["skipped"], *said["failures"]]
    assert [skip for skip in skips if not is_a_line(skip["reason"])] == []
    assert [skip for skip in skips if skip["reason"].startswith("takes over")] == []
    with sqlite3.connect(path) as db:
        taken = {source for (source,) in db.execute("SELECT DISTINCT source FROM documents")}
        copies = [path for (paths,) in db.execute("SELECT copies FROM documents") for path in json.loads(paths)]
        taken |= set(copies)
        texts = [from_stored(text) for (text,) in db.execute("SELECT text FROM texts")]
    assert [text for text in texts if "tamarind" in text or "root:x:" in text] == []
    reasons = {skip["source"] for skip in skips}
    reasons |= {source.rpartition(":")[0] for source in reasons}
    silent = [one for one in given if not one.is_symlink() and clean(str(one)) not in taken | reasons]
    assert {one.name for one in silent} == BLANK
    assert not any(str(one) in taken for one in given if one.is_symlink())

    with Library(path, encoder=encoder) as library:
        found = {word: [hit.source for hit in library.search(word, mode="lexical")] for word in words}
        assert found == {word: [str(good)] for word, good in words.items()}
        hybrid = {word: [hit.source for hit in library.search(word, k=20)] for word in words}
        assert [word for word, good in words.items() if str(good) not in hybrid[word]] == []
        assert library.problems(full=True) == []
        again = library.sync(folder)
    assert (again.added, again.changed, again.removed) == (0, 0, 0)
    assert Counter(map(reason, again.skipped)) == Counter((skip["source"], skip["reason"]) for skip in said["skipped"])


def reason(skip: Any) -> tuple[str, str]:
    return skip.source, skip.reason


def is_a_line(text: str) -> bool:
    return 0 < len(text) <= MAX_REASON and text.isprintable()
