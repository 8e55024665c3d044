"""`Library`: documents in, hits out; the facade over store, encoder, codes and full text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..encoding.bundle import Bundle, read_bundle
from ..errors import LibraryError, NestlingError, QueryError
from ..vectors.codes import Floats
from . import audit, filters, lexical, ranking, resident, tracked
from .chunk import cut
from .document import Document, Hit, Report, Skip, lone_surrogate
from .fuse import DENSE_WEIGHT, NAME_WEIGHT
from .intake import Intake
from .ranking import By
from .resident import Resident
from .store import UNPURGED, Store

if TYPE_CHECKING:
    from ..encoding.encoder import Encoder
    from .sync import Progress

Mode = Literal["hybrid", "dense", "lexical"]
MODES: tuple[Mode, ...] = ("hybrid", "dense", "lexical")
GROUPINGS: tuple[By, ...] = ("document", "passage")

Added = Callable[[int, int], None]
Synced = Callable[["Progress"], None]


class Library:
    """A searchable collection in one file.

    Args:
        path: the library's file.
        encoder: what encodes documents and queries; None for the bundle that ships with Nestling, which is
            loaded when it is first needed.
        create: make the file where there is none.

    Raises:
        LibraryError: the file is missing and may not be made, is no library, or was made with another bundle.
    """

    def __init__(self, path: str | Path, *, encoder: Encoder | None = None, create: bool = True) -> None:
        self._encoder = encoder
        # Searches and one change at a time, each on a connection of its own: neither waits for the other.
        self._reading, self._changing = RLock(), RLock()
        self._resident: Resident | None = None
        self._writer: Store | None = None
        bundle = read_bundle() if encoder is None else encoder.bundle
        self.dim = bundle.dim if encoder is None else encoder.dim
        self._store = Store(Path(path), create)
        try:
            self._adopt(bundle)
        except BaseException:
            self._store.close()
            raise

    def __enter__(self) -> Library:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        with self._reading:
            return self._store.count("documents")

    def __contains__(self, id: str) -> bool:
        return self.get(id) is not None

    @property
    def path(self) -> Path:
        """The library's file."""
        return self._store.path

    @property
    def encoder(self) -> Encoder:
        """What encodes documents and queries; loaded at the first use."""
        with self._reading:
            if self._encoder is None:
                # ONNX Runtime is half of a process's start; a search by words alone does without.
                from ..encoding.encoder import Encoder

                self._encoder = Encoder()
            return self._encoder

    def close(self) -> None:
        """Close the file; the library cannot be used afterwards."""
        with self._changing, self._reading:
            if self._writer is not None:
                self._writer.close()
            self._store.close()

    def get(self, id: str) -> Document | None:
        """The document of this id, or None."""
        with self._reading:
            return self._store.document(id)

    def info(self) -> dict[str, Any]:
        """What the library holds and what made it, by name; sizes in bytes."""
        with self._reading, self._store.reading():
            return audit.described(self._store) | {"dim": self.dim}

    def failures(self) -> list[Skip]:
        """What of the files could not be taken in when they were last read."""
        with self._reading:
            return tracked.failures(self._store)

    def problems(self, *, full: bool = False) -> list[str]:
        """What is wrong with the file, a sentence each; empty for a sound library.

        Args:
            full: compare the codes of every passage with its text, rather than those of 2,000.
        """
        with self._reading:
            return list(audit.damage(self._store, self.dim, full=full).sentences)

    def repair(self) -> list[str]:
        """Make again from the documents what is derived from them and damaged; returns what is wrong afterwards."""
        with self._changing:
            writer = self._writing()
            found = audit.damage(writer, self.dim, full=True)
            if not found.sentences:
                return []
            with writer.writing():
                audit.mend(writer)
            with self._taking_in(writer) as intake:
                for document in filter(None, map(writer.document, found.documents)):
                    intake.add(document, again=True)
                intake.flush()
            return list(audit.damage(writer, self.dim, full=True).sentences)

    def add(self, documents: Iterable[Document], *, progress: Added | None = None) -> Report:
        """Add documents; one whose id is there takes its place, and passages whose text is as before keep their codes.

        Documents are committed in groups as they are encoded: what was committed stays where the process
        ends half way, and a document is there as a whole or not at all.

        Args:
            progress: called after each commit with the documents done and the documents given.

        Raises:
            ValueError: two of the documents have one id; nothing was changed.
        """
        if isinstance(documents, Document):
            raise TypeError("documents is one Document, expected a list; put it in a list")
        given = list(documents)
        seen: set[str] = set()
        for document in given:
            if not isinstance(document, Document):
                raise TypeError(f"documents hold {type(document).__name__}, expected Document")
            if document.id in seen:
                raise NestlingError(f"document id {document.id!r} is given twice in one call; ids must be unique")
            seen.add(document.id)

        def committed() -> None:
            if progress is not None:
                progress(intake.taken - intake.waiting, len(given))

        with self._changing, self._taking_in(self._writing(), committed) as intake:
            for document in given:
                intake.add(document)
            intake.flush()
            return intake.report

    def remove(self, ids: Sequence[str]) -> Report:
        """Remove documents, all in one transaction.

        Raises:
            NestlingError: an id is not in the library; nothing was removed.
        """
        if isinstance(ids, str):
            raise TypeError("ids is one str, expected a list of str; put it in a list")
        with self._changing:
            writer = self._writing()
            with writer.writing():
                for id in ids:
                    if not writer.remove(id):
                        raise NestlingError(f"{self.path}: has no document {id!r}; nothing was removed")
                writer.purge()
            writer.fold()
        return Report(removed=len(ids))

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        mode: Mode = "hybrid",
        where: filters.Where | None = None,
        by: By = "document",
        exact: bool = False,
    ) -> list[Hit]:
        """The k best answers, best first.

        Args:
            query: a question, a few words, or a text to find others like.
            mode: by meaning and words together, or by one of them.
            where: by metadata key, a value or `(operator, value)`; applied before ranking. See `filters`.
            by: one hit a document with its best passage, or every passage by itself.
            exact: rescore every passage, rather than those whose bits are nearest.

        Raises:
            QueryError: the query is empty or too long, or k, mode, by or where is not as described.
        """
        self._check_query(query, k, mode, by)
        question = ranking.Question(
            vector=None if mode == "lexical" else self._query_vector(query),
            terms=[] if mode == "dense" else lexical.terms(query),
            condition=filters.to_sql(where),
            k=k,
            by=by,
            exact=exact,
            dense_weight=NAME_WEIGHT if lexical.is_name(query) else DENSE_WEIGHT,
        )
        with self._reading, self._store.reading():
            if mode != "lexical":
                self._resident = resident.current(self._store, self.dim, self._resident)
            return ranking.rank(self._store, self._resident if mode != "lexical" else None, question)

    def sync(
        self,
        *paths: str | Path,
        ignore: Sequence[str] | None = None,
        max_bytes: int | None = None,
        progress: Synced | None = None,
    ) -> Report:
        """Mirror files and folders: read what is new or changed, remove the documents of files that are gone.

        What is mirrored is remembered: without a path, all of it is brought up to date. A file that fails is skipped
        with its reason and keeps the documents it had. Where the process ends half way, the next sync goes on
        from there.

        Args:
            ignore: patterns in the syntax of .gitignore, below each path; remembered with it. None for those of before.
            max_bytes: larger files are passed over; remembered. None for the limit of before.
            progress: called before each file and after the last.

        Raises:
            NestlingError: a path does not exist, or a pattern is none; nothing was changed.
        """
        # The readers and what they read with are a tenth of a process's start; a search does without.
        from . import folders, sync
        from .readers.apart import Apart

        if isinstance(ignore, str):
            raise TypeError("ignore is one str, expected a list of str; put it in a list")
        with self._changing:
            writer = self._writing()
            meant = sync.mirrored(paths, tracked.folders(writer), ignore, max_bytes)
            folders.check(meant)
            with Apart() as apart, self._taking_in(writer) as intake:
                return sync.run(writer, intake, apart, meant, progress or (lambda _: None))

    def forget(self, path: str | Path) -> Report:
        """Mirror a file or folder no more, and remove the documents of all files at or below it.

        Raises:
            NestlingError: the library knows nothing there.
        """
        from . import sync

        named = str(Path(path).expanduser().resolve())
        with self._changing:
            writer = self._writing()
            if not sync.is_known(writer, named):
                raise NestlingError(f"{self.path}: knows no file at or below {named}; see: nestling info {self.path}")
            with writer.writing():
                report = sync.forget(writer, named)
                writer.purge()
            writer.fold()
        return report

    def dump(self, path: str | Path, *, progress: Callable[[int, int], None] | None = None) -> int:
        """Write every passage with its text, metadata and vector to a `.jsonl` or `.parquet` file; returns how many.

        Raises:
            NestlingError: the file cannot be written so; see `dump.dump`.
        """
        from .dump import dump

        store = Store(self.path, create=False)  # so that a search need not wait
        try:
            with store.reading():
                return dump(store, self.dim, Path(path), progress)
        finally:
            store.close()

    def _writing(self) -> Store:
        """The connection that changes are made on."""
        if self._writer is None:
            if self._store.read_only:
                raise LibraryError(f"{self.path}: cannot be written here; copy it to a folder that can")
            self._writer = Store(self.path, create=False)
        return self._writer

    @contextmanager
    def _taking_in(self, writer: Store, committed: Callable[[], None] = lambda: None) -> Iterator[Intake]:
        """An intake; where it is stopped, what is encoded is committed.

        What was removed is taken out of the full-text index as well, once a call: it is rewritten for that. Not where
        it is stopped, as that may take its time; the next call does.
        """
        intake = Intake(writer, lambda: self.encoder, committed)
        try:
            yield intake
        except BaseException as error:
            if not isinstance(error, LibraryError):
                intake.commit()
            raise
        if writer.meta(UNPURGED) is not None:
            with writer.writing():
                writer.purge()
            writer.fold()

    def _query_vector(self, query: str) -> Floats:
        """(1, dim) float32, unit; a query longer than the encoder reads is the mean of its parts."""
        tokens = self.encoder.tokens
        parts = [query[start:stop] for start, stop in cut(query, tokens, tokens.room("query"), 0)]
        mean = self.encoder.encode(parts, role="query").astype(np.float64).mean(axis=0, keepdims=True)
        return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)

    def _check_query(self, query: str, k: int, mode: str, by: str) -> None:
        if not isinstance(query, str):
            raise TypeError(f"query is {type(query).__name__}, expected str")
        if (place := lone_surrogate(query)) is not None:
            raise QueryError(f"the query holds a lone surrogate at {place}; remove it")
        if not query.strip():
            raise QueryError("the query is empty; give a question or a few words")
        if len(query) > lexical.MAX_CHARS:
            raise QueryError(
                f"the query has {len(query)} characters, at most {lexical.MAX_CHARS} are searched; shorten it"
            )
        if (count := len(lexical.words(query))) > lexical.MAX_WORDS:
            raise QueryError(f"the query has {count} words, at most {lexical.MAX_WORDS} are searched; shorten it")
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise QueryError(f"k is {k!r}, expected a whole number of 1 or more")
        if mode not in MODES:
            raise QueryError(f"mode is {mode!r}, expected one of {', '.join(MODES)}")
        if by not in GROUPINGS:
            raise QueryError(f"by is {by!r}, expected one of {', '.join(GROUPINGS)}")

    def _adopt(self, bundle: Bundle) -> None:
        """Check that the file's vectors can be compared with the encoder's; a new file takes the encoder's mark."""
        mine = {"space": bundle.space, "dim": str(self.dim)}
        theirs = {key: self._store.meta(key) for key in mine}
        if theirs["space"] is None and not self._store.read_only:
            with self._store.writing():
                for key, value in {**mine, "bundle": bundle.name}.items():
                    self._store.set_meta(key, value)
        elif theirs != mine:
            name = self._store.meta("bundle")
            raise LibraryError(
                f"{self.path}: was made with bundle {name} (space {str(theirs['space'])[:8]}, dim {theirs['dim']}), "
                f"not {bundle.name} (space {bundle.space[:8]}, dim {self.dim}); open it with "
                "that bundle, or make a new library"
            )
