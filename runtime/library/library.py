"""`Library`: documents in, hits out; the facade over store, encoder, codes and full text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

# What a search does without is imported where it is used: readers alone are a tenth of a process's start.
from ..bundle.manifest import Bundle, read_bundle
from ..document import Document, Hit, Report, Skip, checked_id, distinct
from ..errors import ChangedError, LibraryError, NestlingError
from ..forked import OwnLock
from .intake import refine
from .intake.document_width import store_width
from .intake.encoders import Encoders
from .intake.intake import Intake, taking_in
from .intake.refine import Background, RefineJob
from .intake.remembered_bundle import given_or_remembered
from .search import ranking
from .search.query import By, Mode, Question
from .space import Space, space_of
from .store import documents, failures, file_state, full_text, migration, passage_codes
from .store.database import BUSY_MS, Database
from .store.filters import Where
from .store.readers import Readers

if TYPE_CHECKING:
    from ..encoding.encoder import Encoder
    from .intake.sync import Progress
    from .store.info import LibraryInfo

_ATTEMPTS = 3  # of a search in a file that may only be read, and whose owner begins to write it meanwhile
Added = Callable[[int, int], None]
Synced = Callable[["Progress"], None]


class Library:
    """A searchable collection of documents in one file.

        with Library("notes.nest") as library:
            library.sync("~/Documents")
            hits = library.search("how long do I cool a burn?")

    Documents are encoded at the document width, queries at the query width, by encoders that are loaded when needed.

    Args:
        path: the library's file.
        encoder: what encodes documents, and queries too where no width is given.
        bundle: a bundle's folder, the name of an installed one, or what `read_bundle` returned, instead of an encoder.
            Without either the installed bundle that the library was made with; a new one gets Nestling's own.
        document_width: of new documents and of `refine`, remembered with the first change. None: the encoder's width if
            one is given, else the width that the library remembers, else the bundle's default.
        query_width: of queries; None for the document width.
        precision: of the encoders; a width that lacks it uses its default. None: the encoder's if one is given.
        create: make the file if it is missing.

    Raises:
        BundleError: the bundle has no such width or precision; no file was made.
        LibraryError: the file is missing and may not be made, is no library, or was made with another bundle.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        encoder: Encoder | Bundle | None = None,
        bundle: str | Path | Bundle | None = None,
        document_width: str | None = None,
        query_width: str | None = None,
        precision: str | None = None,
        create: bool = True,
    ) -> None:
        path = Path(path).absolute()
        encoders = Encoders(given_or_remembered(encoder, bundle, path), precision, path)
        for width in (document_width, query_width):
            encoders.require_width(width)
        # Searches, each on a connection of its own, and one change at a time: none waits for another.
        self._changing = OwnLock(path)
        self._upgrading = OwnLock(path)
        self._writer: Database | None = None
        self._background: Background | None = None
        db = migration.opened(path, create)
        self._readers = Readers(db)
        try:
            self._space = space_of(db, encoders, document_width, query_width)
        except BaseException:
            self._readers.close()
            raise

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        with self._readers.one() as db:
            return documents.count(db, "documents")

    def __contains__(self, id: str) -> bool:
        with self._readers.one() as db:
            return documents.source_of(db, checked_id(id)) is not None

    @property
    def path(self) -> Path:
        """The library's file."""
        return self._readers.path

    @property
    def dim(self) -> int:
        """Length of its vectors."""
        return self._space.encoders.dim

    @property
    def document_width(self) -> str:
        """What new documents are encoded at."""
        return self._space.document_width

    @property
    def query_width(self) -> str:
        """What queries are encoded at."""
        return self._space.query_width

    @property
    def encoder(self) -> Encoder:
        """What encodes documents; loaded at the first use."""
        return self._space.encoders.of(self.document_width)

    @property
    def unrefined(self) -> dict[str, int]:
        """Number of passages still encoded at another width than the document width, by width."""
        with self._readers.one() as db:
            widths = passage_codes.widths(db)
        return {width: count for width, count in widths.items() if width != self.document_width}

    def close(self) -> None:
        """Close the file, and the encoders that were made for it; every later call raises LibraryError."""
        if not self._changing.is_own:  # but of the process that this one was forked from
            return
        if (background := self._background) is not None:
            background.stop()
        with self._changing.own:
            if self._writer is not None:
                self._writer.close()
            self._readers.close()
            self._space.close()

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """The file as it is now, for what looks at it besides, see `browse`."""
        with self._readers.one() as db, db.reading():
            yield db

    def get(self, id: str) -> Document | None:
        """The document of this id, or None, as for a file of which another of the same content has the document.

        Raises:
            TypeError, ValueError: it can be the id of none, see `Document`.
        """
        named = checked_id(id)
        with self.reading() as db:
            return documents.document(db, named)

    def info(self) -> LibraryInfo:
        """What the library holds and what made it."""
        from .store.info import library_info

        with self.reading() as db:
            return library_info(db, self._space.encoders.code_dim, self.document_width)

    def failures(self) -> list[Skip]:
        """Files, and parts of files, that could not be read at the last sync."""
        with self._readers.one() as db:
            return file_state.failures(db)

    def problems(self, *, full: bool = False) -> list[str]:
        """What is wrong with the file, a sentence each; empty for a sound library.

        Args:
            full: compare the codes of every passage with its text, instead of a sample of 2,000.
        """
        from .store import audit

        with self._readers.one() as db:
            return list(audit.damage(db, self._space.encoders.code_dim, full=full).sentences)

    def repair(self) -> list[str]:
        """Rebuild damaged derived data (codes, full text, filters) from the documents; returns what is still wrong.

        Of a text that is itself damaged what can be read is kept, which may be incomplete; the next `sync` reads its
        file again.
        """
        from .intake.repair import repair

        with self._changing.own:
            return repair(self._writing(), self._space.encoders.code_dim, self._taking_in)

    def add(self, documents: Iterable[Document], *, width: str | None = None, progress: Added | None = None) -> Report:
        """Add documents; a document whose id exists is replaced, and passages whose text is as before keep their codes.

        Documents are committed in groups as they are encoded: what was committed stays where the process
        ends half way, and a document is there as a whole or not at all.

        Args:
            width: to encode at this time, as `static` for a fast start with `refine` later; None for the document
                width. Passages that keep their codes keep their width.
            progress: called after each commit with the documents done and the documents given.

        Raises:
            BundleError: the bundle has no such width; nothing was changed.
            ValueError: two of the documents have one id; nothing was changed.
        """
        given = distinct(documents)

        def committed() -> None:
            if progress is not None:
                progress(intake.taken - intake.waiting, len(given))

        with self._changing.own, self._taking_in(self._writing(), width, committed) as intake:
            for document in given:
                intake.add(document)
            intake.flush()
            return intake.report

    def remove(self, ids: Iterable[str]) -> Report:
        """Remove documents, all in one transaction.

        Raises:
            NestlingError: an id is not in the library; nothing was removed.
            TypeError, ValueError: it can be the id of none, see `Document`.
        """
        if isinstance(ids, str):
            raise TypeError("ids is one str, expected a list of str; put it in a list")
        named = list(map(checked_id, ids))
        with self._changing.own:
            writer = self._writing()
            with writer.writing():
                for id in named:
                    file_state.set_removed(writer, documents.source_of(writer, id) or "")
                    if not documents.remove(writer, id):
                        raise failures.no_document(self.path, id, file_state.original(writer, id))
                full_text.purge(writer)
            writer.fold()
        return Report(removed=len(named))

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        mode: Mode = "hybrid",
        where: Where | None = None,
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
        space = self._space
        asked = space.question(query, k, mode, where, by, exact)
        try:
            for _ in range(_ATTEMPTS - 1):
                with suppress(ChangedError):
                    return self._answered(asked, space)
            return self._answered(asked, space)
        except LibraryError:
            with self._upgrading.own:
                if space is self._space:
                    raise
        return self.search(query, k, mode=mode, where=where, by=by, exact=exact)  # it was upgraded meanwhile

    def _answered(self, asked: Question, space: Space) -> list[Hit]:
        with self._readers.one() as db:
            db.space = space.name
            with space.bits.snapshot(db, asked.vector is not None) as bits:
                return ranking.rank(db, bits, asked)

    def sync(
        self,
        *paths: str | Path,
        ignore: Sequence[str] | None = None,
        max_bytes: int | None = None,
        width: str | None = None,
        progress: Synced | None = None,
    ) -> Report:
        """Bring the library up to date with files and folders: read what is new or changed, remove what is gone.

        They are remembered: without a path, all of them are brought up to date. A file that fails is skipped
        with its reason and keeps the documents it had. Where the process ends half way, the next sync goes on
        from there.

        Args:
            ignore: patterns in the syntax of .gitignore, below each path, remembered. None keeps those given before.
            max_bytes: larger files are skipped, remembered. None keeps the limit given before.
            width: to encode at, see `add`; it is not remembered.
            progress: called before each file and after the last.

        Raises:
            NestlingError: a path does not exist, a pattern is invalid, or the bundle has no such width; nothing was
                changed.
        """
        from ..readers.sandbox import Sandbox
        from .intake import folders, sync

        if isinstance(ignore, str):
            raise TypeError("ignore is one str, expected a list of str; put it in a list")
        with self._changing.own:
            writer = self._writing()
            meant = sync.mirrored(paths, file_state.folders(writer), ignore, max_bytes)
            folders.require_patterns(meant)
            with Sandbox() as sandbox, self._taking_in(writer, width) as intake:
                return sync.run(writer, intake, sandbox, meant, progress or (lambda _: None), named=bool(paths))

    def forget(self, path: str | Path) -> Report:
        """Stop following a file or folder, and remove the documents of all files at or below it.

        Raises:
            NestlingError: nothing at or below it is followed.
        """
        from .intake import folders, sync

        with self._changing.own:
            writer, named = self._writing(), str(folders.in_full(path))
            if not sync.is_known(writer, named):
                raise NestlingError(f"{self.path}: knows no file at or below {named}; see: nestling info {self.path}")
            with writer.writing():
                report = sync.forget(writer, named)
                full_text.purge(writer)
            writer.fold()
        return report

    def refine(self, *, limit: int | None = None, progress: Added | None = None) -> Report:
        """Encode again, at the document width, all passages of another width, the newest first; afterwards the library
        answers as if all of it had been encoded so.

        Passages are committed a few dozen at a time, and where the process ends half way the next call goes on.
        Searches and other changes go on meanwhile; what is added meanwhile is for the next call.

        Args:
            limit: at most so many passages; None for all.
            progress: called after each commit with the passages done and the passages there were to do.

        Raises:
            NestlingError: limit is not as described.
            LibraryError: the file cannot be written, or is given another document width meanwhile.
        """
        limit = refine.checked_limit(limit)
        job = self._refine_job(BUSY_MS)
        with closing(job.db):
            return Report(refined=refine.run(job, limit, progress))

    def upgrade(
        self, to: str | Path | Bundle | None = None, *, width: str | None = None, anew: bool = False,
        progress: Added | None = None,
    ) -> float | None:  # fmt: skip
        """Bring the library over to another bundle: it is asked with that from now on, and `refine` encodes it anew.

        Until then earlier vectors are taken for what they most likely are in the later bundle's space, by what both
        say of 2,000 passages. A library of no more is encoded at once.

        Args:
            to: as `bundle` of `Library`; None for Nestling's own.
            width: of documents from now on; None for the bundle's default.
            anew: compare nothing; passages are found by words alone until they are encoded.
            progress: called with the passages that are compared, or encoded, and those that are to be.

        Returns:
            The share of the nearest passages that stay the nearest; None where nothing was compared.

        Raises:
            BundleError: the bundle cannot be read, or has no such width.
            NestlingError: the file cannot be written, or the library is of that bundle or on its way to one, or what
                both bundles say is too different; nothing was changed.
        """
        from .intake import upgrade

        with self._changing.own, self._upgrading.own:
            if self._background is not None:
                raise NestlingError(f"{self.path}: is being refined; leave that context before it is upgraded")
            self._writing()  # it is open, and may be written
            encoders = Encoders(to if isinstance(to, Bundle) else read_bundle(to), None, self.path)
            encoders.require_width(width)
            said = progress or (lambda done, total: None)
            kept = upgrade.upgrade_file(self.path, encoders, width or encoders.default_width, anew, said)
            with self._readers.one() as db:
                self._space = space_of(db, encoders, None, None, self._space.encoders)
        if kept is None and not anew:
            self.refine(progress=progress)
        return kept

    @contextmanager
    def refining(self) -> Iterator[None]:
        """Refine in the background, in a thread of its own, for as long as the context lasts; see `refine`.

        It also refines what is added meanwhile, pauses while this object changes the library, and stops after a few
        passages at the end of the context or when the library is closed.

        Raises:
            NestlingError: it is being refined so already.
            Exception: what ended the thread, at the end of the context.
        """
        with self._changing.own:
            if self._background is not None:
                raise NestlingError(f"{self.path}: is being refined already; leave the first context before another")
            background = self._background = Background(self._refine_job(refine.BACKGROUND_BUSY_MS))
        try:
            yield
        finally:
            background.stop()
            self._background = None
        if background.error is not None:
            raise background.error

    def dump(self, path: str | Path, *, progress: Callable[[int, int], None] | None = None) -> int:
        """Write every passage with its text, metadata and vector to a `.jsonl` or `.parquet` file; returns how many.

        Raises:
            NestlingError: the file cannot be written so; see `dump.dump`.
        """
        from .store.dump import dump

        encoders = self._space.encoders
        encoders.require_open()
        with closing(Database(self.path, create=False)) as db:  # of its own: a search need not wait
            db.space = self._space.name
            with db.reading():
                return dump(db, encoders.code_dim, Path(path), None if progress is None else db.callers(progress))

    def _writing(self) -> Database:
        """The connection that changes are made on."""
        self._space.encoders.require_open()
        if self._writer is None:
            if self._readers.read_only:
                raise failures.cannot_be_written(self.path)
            self._writer = Database(self.path, create=False)
        self._writer.space = self._space.name
        return self._writer

    def _refine_job(self, busy_ms: int) -> RefineJob:
        """What `refine` does, on a connection of its own."""
        with self._changing.own:
            store_width(self._writing(), self.document_width)

        def encoder() -> Encoder:
            self._space.encoders.require_open()  # so that nothing is refined after `close`
            return self.encoder

        db = Database(self.path, create=False, busy_ms=busy_ms)
        db.space = self._space.name
        return RefineJob(db=db, width=self.document_width, encoder=encoder, turn=self._changing)

    def _taking_in(
        self, writer: Database, width: str | None = None, committed: Callable[[], None] = lambda: None
    ) -> AbstractContextManager[Intake]:
        """An intake that encodes at a width; None for the document width."""
        encoders = self._space.encoders
        encoders.require_width(width)
        store_width(writer, self.document_width)
        return taking_in(writer, lambda: encoders.of(width or self.document_width), committed)
