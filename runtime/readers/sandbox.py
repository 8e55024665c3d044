"""Reading in a process of its own: a file that crashes, hangs or swells its parser costs that process and itself.

The other process runs `sandbox_child`. It is asked for a file with a line of JSON and answers with a
line for each document or skip, then one that says it is done; nothing but JSON comes back.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ..child import command
from ..document import Document, Skip

SECONDS = 60.0
DONE = {"done": True}
# Where a program keeps what it writes for a moment: what is attached to mail, which must not outlive the process.
_TEMPORARY = ("TMPDIR", "TEMP", "TMP")


class Sandbox:
    """A process that reads files; started at the first file, and anew after one that ended it.

    Args:
        seconds: what a file may take.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, path: Path) -> Iterator[Document | Skip]:
        """What the file's reader gives; a Skip where the process ends or takes too long."""
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(str(path)) + "\n")
            process.stdin.flush()
        except OSError:
            self.close()
            yield Skip(str(path), "could not be read (the reading process ended)", transient=True)
            return
        while True:
            try:
                line = self._lines.get(timeout=self._seconds)
            except queue.Empty:
                self.close()
                yield Skip(str(path), f"takes over {self._seconds:g} s to read; split it or save it anew")
                return
            if not line:
                self.close()
                yield Skip(str(path), "its parser gave up on it (it ended or took too much memory)")
                return
            item = json.loads(line)
            if item == DONE:
                return
            yield Skip.from_json(item["skip"]) if "skip" in item else Document(**item["document"])

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._lines = queue.SimpleQueue()
            self._folder = tempfile.TemporaryDirectory(prefix="nestling-", ignore_cleanup_errors=True)
            self._process = subprocess.Popen(
                command(f"{__package__}.sandbox_child"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                env={**os.environ, **dict.fromkeys(_TEMPORARY, self._folder.name)},
            )
            assert self._process.stdout is not None
            threading.Thread(target=_collect, args=(self._process.stdout, self._lines), daemon=True).start()
        return self._process


def _collect(stream: IO[str], lines: queue.SimpleQueue[str]) -> None:
    """Put the lines of a stream, and an empty one at its end, where they can be waited for."""
    try:
        for line in stream:
            lines.put(line)
    except ValueError:  # closed meanwhile
        pass
    lines.put("")
