"""Reading in a process of its own: a file that crashes, hangs or swells its parser costs that process and itself.

The other process runs `sandbox_child`. It says that it is ready, is asked for a file with a line of JSON and answers
with a line for each document or skip, then one that says it is done; nothing but JSON comes back. What was not taken
yet waits in the pipe, and the other process with it, so that little is in memory however large a file is.
"""

from __future__ import annotations

import errno
import json
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ..child import FLAGS, command
from ..document import Document, Skip
from ..errors import NestlingError

SECONDS = 60.0
READY = {"ready": True}
DONE = {"done": True}

_TEMPORARY = ("TMPDIR", "TEMP", "TMP")
_AHEAD = 8
_TAIL_BYTES = 2000


class Sandbox:
    """A process that reads files; started at the first file, and anew after one that ended it.

    Args:
        seconds: what an answer may take.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._running: _Running | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, path: Path) -> Iterator[Document | Skip]:
        """What the file's reader gives; a Skip where the process does not start, ends, or takes too long.

        Where a file is not read to its end the process is ended with it.
        """
        path = path.absolute()  # the other process stays in the folder that it was started in
        whole = False
        try:
            yield from self._answers(path)
            whole = True
        finally:
            if not whole:
                self.close()

    def _answers(self, path: Path) -> Iterator[Document | Skip]:
        try:
            running = self._started()
            running.ask(path)
        except (OSError, NestlingError) as error:
            self.close()
            yield Skip(str(path), f"could not be read (the reading process does not run: {error})", transient=True)
            return
        while True:
            try:
                line = running.lines.get(timeout=self._seconds)
            except queue.Empty:
                self.close()
                yield Skip(str(path), f"takes over {self._seconds:g} s to read; split it or save it anew")
                return
            if not line:
                yield running.gave_up_on(path)
                self.close()
                return
            item = json.loads(line)
            if item == DONE:
                return
            if item == READY:
                running.is_ready = True
            else:
                yield Skip.from_json(item["skip"]) if "skip" in item else Document(**item["document"])

    def close(self) -> None:
        """End the process."""
        if self._running is not None:
            self._running.end()
            self._running = None

    def _started(self) -> _Running:
        if self._running is None:
            self._running = _Running()
        return self._running


class _Running:
    """A process that reads files, and what it says.

    Attributes:
        lines: of its answers; an empty one is the end.
        is_ready: whether it has said so.
    """

    def __init__(self) -> None:
        self.lines: queue.Queue[str] = queue.Queue(_AHEAD)
        self.is_ready = False
        self._said = b""
        # What is attached to mail is read from files, which must not outlive the process.
        self._folder = tempfile.TemporaryDirectory(prefix="nestling-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            command(f"{__package__}.sandbox_child"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            creationflags=FLAGS,
            env={**os.environ, **dict.fromkeys(_TEMPORARY, self._folder.name)},
        )
        streams = self._process.stdout, self._process.stderr
        works = self._collect, self._keep_the_last
        self._threads = [
            threading.Thread(target=work, args=(stream,), daemon=True)
            for work, stream in zip(works, streams, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def ask(self, path: Path) -> None:
        """Ask for a file. Where the process is gone that is no error here: the end of its answers tells."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(str(path)).encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ConnectionError):
            return
        except OSError as error:  # what Windows has for a pipe whose other end is gone
            if error.errno != errno.EINVAL:
                raise

    def gave_up_on(self, path: Path) -> Skip:
        """Why the process ended."""
        if self.is_ready:
            return Skip(str(path), "its parser gave up on it (it ended or took too much memory)")
        code = self._process.wait()
        self._threads[1].join()
        lines = self._said.decode(errors="replace").strip().splitlines()
        reason = lines[-1].strip() if lines else f"exit code {code}"
        return Skip(str(path), f"could not be read (the reading process does not start: {reason})", transient=True)

    def end(self) -> None:
        """End the process, and the threads that listen to it."""
        self._process.kill()
        while self._threads[0].is_alive():  # it may wait for room
            try:
                self.lines.get(timeout=0.05)
            except queue.Empty:
                continue
        self._threads[1].join()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            try:
                if stream is not None:
                    stream.close()
            except OSError:  # what was not written yet has nobody to read it
                continue
        self._folder.cleanup()

    def _collect(self, stream: IO[bytes]) -> None:
        """Put the lines of a stream, and an empty one at its end, where they can be waited for."""
        for line in stream:
            self.lines.put(line.decode())
        self.lines.put("")

    def _keep_the_last(self, stream: IO[bytes]) -> None:
        """Keep the end of what a stream says."""
        while part := os.read(stream.fileno(), 4096):
            self._said = (self._said + part)[-_TAIL_BYTES:]
