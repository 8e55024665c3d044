"""`Library`: documents in, hits out; the facade over store, encoder, codes and full text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..bundle.manifest import Bundle
from ..document import Document, Hit, Report, Skip, distinct
from ..errors import ChangedError, LibraryError, NestlingError
from .intake import refine
from .intake.document_width import adopt, remember_width
from .intake.encoders import Encoders
from .intake.intake import Intake, taking_in
from .intake.refine import Background, Order, Work
from .search import bit_cache as resident
from .search import lexical, ranking
from .search import query as asked
from .search.bit_cache import Resident
from .search.fuse import DENSE_WEIGHT, NAME_WEIGHT
from .search.query import Mode
from .search.ranking import By
from .store import audit, filters
from .store import file_state as tracked
from .store.store import Store

if TYPE_CHECKING:
    from ..encoding.encoder import Encoder
    from .intake.sync import Progress

_MOST_REMEMBERED = 20_000
# Of a search in a file that may only be read, and whose owner begins to write it meanwhile.
_ATTEMPTS = 3

Added = Callable[[int, int], None]
Synced = Callable[["Progress"], None]


class Library:
    """A searchable collection in one file.

    Documents are encoded at the document width and queries at the query width, each by an encoder of the bundle that is
    loaded when it is first needed; vectors of all widths of a bundle can be compared. A library remembers its document
    width, and each passage the width that it was encoded at. With another document width than the remembered one, new
    documents are encoded at it, and `refine` brings all passages to it; the library remembers it as soon as it
    takes in or refines something. A search changes nothing.

    Args:
        path: the library's file.
        encoder: what encodes documents, and queries too where no width is given; or a bundle; None for the bundle that
            ships with Nestling.
        document_width: of new documents and of `refine`; None for the encoder's, without one for that which the library
            remembers, and for the bundle's default where it remembers none that the bundle has.
        query_width: of queries; None for the document width.
        precision: of the encoders, of each width that has it; None for that of `encoder`. Of the others it is the
            width's default.
        create: make the file where there is none.

    Raises:
        BundleError: the bundle has no such width or precision; no file was made.
        LibraryError: the file is missing and may not be made, is no library, or was made with another bundle.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        encoder: Encoder | Bundle | None = None,
        document_width: str | None = None,
        query_width: str | None = None,
        precision: str | None = None,
        create: bool = True,
    ) -> None:
        self._encoders = Encoders(encoder, precision)
        for width in (document_width, query_width):
            self._encoders.check(width)
        # Searches and one change at a time, each on a connection of its own: neither waits for the other.
        self._reading, self._changing = RLock(), RLock()
        self._resident: Resident | None = None
        self._writer: Store | None = None
        self._background: Background | None = None
        self._found: Counter[str] = Counter()
        self.dim = self._encoders.dim
        self._store = Store(Path(path), create)
        try:
            self.document_width = adopt(self._store, self._encoders, document_width)
        except BaseException:
            self._store.close()
            raise
        self.query_width = query_width or self.document_width

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
        with self._reading:
            return self._store.source(id) is not None

    @property
    def path(self) -> Path:
        """The library's file."""
        return self._store.path

    @property
    def encoder(self) -> Encoder:
        """What encodes documents; loaded at the first use."""
        return self._encoders.of(self.document_width)

    @property
    def unrefined(self) -> dict[str, int]:
        """How many passages are not of the document width, by their width."""
        with self._reading:
            return {width: count for width, count in self._store.widths().items() if width != self.document_width}

    def close(self) -> None:
        """Close the file, and the encoders that were made for it; the library cannot be used afterwards."""
        if (background := self._background) is not None:
            background.stop()
        with self._changing, self._reading:
            if self._writer is not None:
                self._writer.close()
            self._store.close()
            self._encoders.close()

    def get(self, id: str) -> Document | None:
        """The document of this id, or None."""
        with self._reading:
            return self._store.document(id)

    def info(self) -> dict[str, Any]:
        """What the library holds and what made it, by name; sizes in bytes."""
        with self._reading, self._store.reading():
            widths = {"document width": self.document_width, "unrefined": sum(self.unrefined.values())}
            return audit.described(self._store) | {"dim": self.dim} | widths

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
        """Make again from the documents what is derived from them and damaged; returns what is wrong afterwards.

        Of a text that is itself damaged what can be read is kept, whose end may be wrong; the next `sync` reads its
        file again.
        """
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

    def add(self, documents: Iterable[Document], *, width: str | None = None, progress: Added | None = None) -> Report:
        """Add documents; one whose id is there takes its place, and passages whose text is as before keep their codes.

        Documents are committed in groups as they are encoded: what was committed stays where the process
        ends half way, and a document is there as a whole or not at all.

        Args:
            width: to encode at, as `static`, which takes thousands a second, where `refine` is to follow; None for the
                document width. Passages that keep their codes keep their width.
            progress: called after each commit with the documents done and the documents given.

        Raises:
            BundleError: the bundle has no such width; nothing was changed.
            ValueError: two of the documents have one id; nothing was changed.
        """
        given = distinct(documents)

        def committed() -> None:
            if progress is not None:
                progress(intake.taken - intake.waiting, len(given))

        with self._changing, self._taking_in(self._writing(), width, committed) as intake:
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
        asked.check(query, k, mode, by)
        question = ranking.Question(
            vector=None if mode == "lexical" else asked.vector(query, self._encoders.of(self.query_width)),
            terms=[] if mode == "dense" else lexical.terms(query),
            condition=filters.to_sql(where),
            k=k,
            by=by,
            exact=exact,
            dense_weight=NAME_WEIGHT if lexical.is_name(query) else DENSE_WEIGHT,
        )
        for _ in range(_ATTEMPTS - 1):
            with suppress(ChangedError):
                return self._answered(question)
        return self._answered(question)

    def _answered(self, question: ranking.Question) -> list[Hit]:
        with self._reading, self._store.reading():
            if question.vector is not None:
                self._resident = resident.current(self._store, self.dim, self._resident)
            hits = ranking.rank(self._store, None if question.vector is None else self._resident, question)
            self._found.update(hit.id for hit in hits)
            if len(self._found) > _MOST_REMEMBERED:
                self._found = Counter(dict(self._found.most_common(_MOST_REMEMBERED // 2)))
            return hits

    def sync(
        self,
        *paths: str | Path,
        ignore: Sequence[str] | None = None,
        max_bytes: int | None = None,
        width: str | None = None,
        progress: Synced | None = None,
    ) -> Report:
        """Mirror files and folders: read what is new or changed, remove the documents of files that are gone.

        What is mirrored is remembered: without a path, all of it is brought up to date. A file that fails is skipped
        with its reason and keeps the documents it had. Where the process ends half way, the next sync goes on
        from there.

        Args:
            ignore: patterns in the syntax of .gitignore, below each path; remembered with it. None for those of before.
            max_bytes: larger files are passed over; remembered. None for the limit of before.
            width: to encode at, see `add`; it is not remembered.
            progress: called before each file and after the last.

        Raises:
            NestlingError: a path does not exist, a pattern is none, or the bundle has no such width; nothing was
                changed.
        """
        # The readers and what they read with are a tenth of a process's start; a search does without.
        from ..readers.sandbox import Sandbox
        from .intake import folders, sync

        if isinstance(ignore, str):
            raise TypeError("ignore is one str, expected a list of str; put it in a list")
        with self._changing:
            writer = self._writing()
            meant = sync.mirrored(paths, tracked.folders(writer), ignore, max_bytes)
            folders.check(meant)
            with Sandbox() as sandbox, self._taking_in(writer, width) as intake:
                return sync.run(writer, intake, sandbox, meant, progress or (lambda _: None))

    def forget(self, path: str | Path) -> Report:
        """Mirror a file or folder no more, and remove the documents of all files at or below it.

        Raises:
            NestlingError: the library knows nothing there.
        """
        from .intake import folders, sync

        named = str(folders.in_full(path))
        with self._changing:
            writer = self._writing()
            if not sync.is_known(writer, named):
                raise NestlingError(f"{self.path}: knows no file at or below {named}; see: nestling info {self.path}")
            with writer.writing():
                report = sync.forget(writer, named)
                writer.purge()
            writer.fold()
        return report

    def refine(self, *, limit: int | None = None, order: Order = "newest", progress: Added | None = None) -> Report:
        """Encode again at the document width what is of another width; afterwards the library answers as if all of it
        had been encoded so.

        Passages are committed a few dozen at a time, and where the process ends half way the next call goes on.
        Searches and other changes go on meanwhile; what is added meanwhile is for the next call.

        Args:
            limit: passages at the most; None for all.
            order: the newest documents first; or those that searches through this object returned most often, and
                then the newest.
            progress: called after each commit with the passages done and the passages there were to do.

        Raises:
            NestlingError: limit or order is not as described.
            LibraryError: the file cannot be written, or is given another document width meanwhile.
        """
        refine.check(limit, order)
        work = self._work(order)
        try:
            return Report(refined=refine.run(work, limit, progress))
        finally:
            work.store.close()

    @contextmanager
    def refining(self, *, order: Order = "newest") -> Iterator[None]:
        """Refine in the background, in a thread of its own, for as long as the context lasts; see `refine`.

        It takes up what is added meanwhile as well, waits while this object adds or removes, and stops after a
        few passages at the end of the context or when the library is closed.

        Raises:
            NestlingError: it is being refined so already, or order is not as described.
            Exception: what ended the thread, at the end of the context.
        """
        with self._changing:
            refine.check(None, order)
            if self._background is not None:
                raise NestlingError(f"{self.path}: is being refined already; leave the first context before another")
            background = self._background = Background(self._work(order))
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

        store = Store(self.path, create=False)  # so that a search need not wait
        try:
            with store.reading():
                return dump(store, self.dim, Path(path), progress)
        finally:
            store.close()

    def _writing(self) -> Store:
        """The connection that changes are made on."""
        self._encoders.require_open()
        if self._writer is None:
            if self._store.read_only:
                raise LibraryError(f"{self.path}: cannot be written here; copy it to a folder that can")
            self._writer = Store(self.path, create=False)
        return self._writer

    def _work(self, order: Order) -> Work:
        """What `refine` does, on a connection of its own."""
        with self._changing:
            remember_width(self._writing(), self.document_width)

        def encoder() -> Encoder:
            self._encoders.require_open()  # so that nothing is refined after `close`
            return self.encoder

        def searched() -> list[str]:
            with self._reading:
                return [id for id, _ in self._found.most_common()]

        return Work(
            store=Store(self.path, create=False),
            width=self.document_width,
            encoder=encoder,
            searched=searched if order == "searched" else list,
            turn=self._changing,
        )

    def _taking_in(
        self, writer: Store, width: str | None = None, committed: Callable[[], None] = lambda: None
    ) -> AbstractContextManager[Intake]:
        """An intake that encodes at a width; None for the document width."""
        self._encoders.check(width)
        remember_width(writer, self.document_width)
        return taking_in(writer, lambda: self._encoders.of(width or self.document_width), committed)
