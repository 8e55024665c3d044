"""`Library`: documents in, hits out; the facade over store, encoder, codes and full text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..encoding.bundle import Bundle, read_bundle
from ..errors import LibraryError, NestlingError, QueryError
from ..vectors.codes import Floats, to_bits, to_fine
from ..vectors.hamming import blocks
from . import filters, lexical, ranking
from .chunk import Passage, cut, passages_of
from .document import Document, Hit, Report, Skip, lone_surrogate
from .ranking import By, Codes
from .store import UNPURGED, Coded, Store

if TYPE_CHECKING:
    from ..encoding.encoder import Encoder
    from .readers.apart import Apart
    from .sync import File

Mode = Literal["hybrid", "dense", "lexical"]
MODES: tuple[Mode, ...] = ("hybrid", "dense", "lexical")
GROUPINGS: tuple[By, ...] = ("document", "passage")

BATCH_PASSAGES = 64
BATCH_DOCUMENTS = 256

Progress = Callable[[int, int], None]
FileProgress = Callable[[int, int, Path], None]


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
        self._lock = RLock()
        self._codes: Codes | None = None
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
        with self._lock:
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
        with self._lock:
            if self._encoder is None:
                # ONNX Runtime is half of a process's start; a search by words alone does without.
                from ..encoding.encoder import Encoder

                self._encoder = Encoder()
            return self._encoder

    def close(self) -> None:
        """Close the file; the library cannot be used afterwards."""
        with self._lock:
            self._store.close()

    def get(self, id: str) -> Document | None:
        """The document of this id, or None."""
        with self._lock:
            return self._store.document(id)

    def info(self) -> dict[str, Any]:
        """What the library holds and what made it, by name; sizes in bytes."""
        with self._lock:
            return {
                "path": str(self.path),
                "documents": self._store.count("documents"),
                "passages": self._store.count("passages"),
                "files": self._store.count("files"),
                "bytes": self._store.bytes(),
                "bundle": self._store.meta("bundle"),
                "space": self._store.meta("space"),
                "dim": self.dim,
            }

    def problems(self) -> list[str]:
        """What is wrong with the file, a sentence each; empty for a sound library."""
        with self._lock:
            return self._store.problems(self.dim)

    def add(self, documents: Iterable[Document], *, progress: Progress | None = None) -> Report:
        """Add documents; one whose id is there takes its place, one whose text and title are as before keeps its codes.

        Documents are committed in small groups as they are encoded: what was committed stays where the process
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
        with self._lock:
            try:
                return self._added(given, progress)
            finally:
                self._purge()

    def remove(self, ids: Sequence[str]) -> Report:
        """Remove documents, all in one transaction.

        Raises:
            NestlingError: an id is not in the library; nothing was removed.
        """
        if isinstance(ids, str):
            raise TypeError("ids is one str, expected a list of str; put it in a list")
        with self._lock, self._store.writing():
            for id in ids:
                if not self._store.remove(id):
                    raise NestlingError(f"{self.path}: has no document {id!r}; nothing was removed")
            self._store.purge()
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
            match="" if mode == "dense" else lexical.match_expression(query),
            condition=filters.to_sql(where),
            k=k,
            by=by,
            exact=exact,
        )
        with self._lock, self._store.reading():
            return ranking.rank(self._store, self._loaded_codes() if mode != "lexical" else None, question)

    def sync(self, *paths: str | Path, progress: FileProgress | None = None) -> Report:
        """Mirror files and folders: read what is new or changed, remove the documents of files that are gone.

        A file that fails is skipped with its reason and keeps the documents it had. Where the process ends half way,
        the next sync goes on from there.

        Args:
            progress: called before each file with its number, the number of files to read, and its path.

        Raises:
            NestlingError: a path does not exist; nothing was changed.
        """
        # The readers and what they read with are a tenth of a process's start; a search does without.
        from .readers.apart import Apart
        from .sync import plan

        with self._lock, Apart() as apart:
            todo = plan(paths, self._store.files())
            counts = self._store.source_counts()
            report = Report(unchanged=sum(counts.get(path, 0) for path in todo.same), skipped=todo.skipped)
            try:
                for path in todo.gone:
                    with self._store.writing():
                        report += Report(removed=self._forget(path, keep=set()))
                        self._store.forget_file(path)
                waiting: list[tuple[File, Report]] = []
                for number, file in enumerate(todo.read, start=1):
                    if progress is not None:
                        progress(number, len(todo.read), file.path)
                    part, owned = self._read(file, apart)
                    if owned:
                        waiting.append((file, part))
                    else:
                        report += part
                for file, part in waiting:  # what it was denied may have come free, as where a document moved
                    again, _ = self._read(file, apart)
                    counted_twice = Report(unchanged=-part.added - part.changed - part.unchanged)
                    report += replace(part, skipped=()) + again + counted_twice
            finally:
                self._purge()
        return report

    def _read(self, file: File, apart: Apart) -> tuple[Report, bool]:
        """Take in one file; returns what changed, and whether a document was left out that another file owns.

        Where something was skipped, the file is not remembered as read, so that it is named again the next time.
        Documents that it had and that are not seen any more are removed where every part of it was read.
        """
        from .readers import read_file

        source = str(file.path)
        seen: set[str] = set()
        batch: list[Document] = []
        skipped: list[Skip] = []
        whole, owned = True, False
        report = Report()
        for item in read_file(file.path, apart):
            if isinstance(item, Skip):
                skipped.append(item)
                whole = False
            elif item.id in seen:
                skipped.append(Skip(source, f"document {item.id!r}: its id is in this file already"))
            elif owner := self._owner(item):
                skipped.append(Skip(source, f"document {item.id!r}: its id belongs to a document of {owner}"))
                owned = True
            else:
                seen.add(item.id)
                batch.append(item)
            if len(batch) >= BATCH_DOCUMENTS:
                report += self._added(batch)
                batch = []
        report += self._added(batch)
        if whole and (seen or owned):
            with self._store.writing():
                report += Report(removed=self._forget(source, keep=seen))
                if not owned:
                    self._store.set_file(source, file.size, file.mtime_ns)
        return report + Report(skipped=tuple(skipped)), owned

    def _owner(self, document: Document) -> str | None:
        """The other file, still there, to whose document the id of a file's document belongs; None where it is free."""
        stored = self._store.document(document.id)
        if stored is None or stored.source in ("", document.source) or not Path(stored.source).exists():
            return None
        return stored.source

    def _forget(self, source: str, keep: set[str]) -> int:
        """Remove the documents of a source but for some ids; returns how many."""
        return sum(self._store.remove(id) for id in self._store.ids_of_source(source) if id not in keep)

    def _loaded_codes(self) -> Codes:
        generation = self._store.meta("generation")
        if self._codes is None or self._codes.generation != generation:
            keys, bits = self._store.bits(self.dim)
            self._codes = Codes(generation, self.dim, keys, bits, blocks(bits))
        return self._codes

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
        if (count := len(lexical.words(query))) > lexical.MAX_WORDS:
            raise QueryError(f"the query has {count} words, at most {lexical.MAX_WORDS} are searched; shorten it")
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise QueryError(f"k is {k!r}, expected a whole number of 1 or more")
        if mode not in MODES:
            raise QueryError(f"mode is {mode!r}, expected one of {', '.join(MODES)}")
        if by not in GROUPINGS:
            raise QueryError(f"by is {by!r}, expected one of {', '.join(GROUPINGS)}")

    def _added(self, documents: list[Document], progress: Progress | None = None) -> Report:
        report = Report()
        for done, part in self._batches(documents):
            report += part
            if progress is not None:
                progress(done, len(documents))
        return report

    def _purge(self) -> None:
        """Take what was removed out of the full-text index as well, once a call: it is rewritten for that."""
        if not self._store.read_only and self._store.meta(UNPURGED) is not None:
            with self._store.writing():
                self._store.purge()

    def _batches(self, documents: list[Document]) -> Iterator[tuple[int, Report]]:
        """Encode and commit documents in groups; yields the documents done so far and what the group changed."""
        new: list[tuple[Document, list[Passage]]] = []
        same: list[Document] = []
        passages = 0
        for done, document in enumerate(documents, start=1):
            stored = self._store.document(document.id)
            if stored is not None and (stored.title, stored.text) == (document.title, document.text):
                same.append(document)
            else:
                new += self._cut([document])
                passages += len(new[-1][1])
            if passages >= BATCH_PASSAGES or len(same) >= BATCH_DOCUMENTS or done == len(documents):
                yield done, self._commit(new, same)
                new, same, passages = [], [], 0

    def _cut(self, documents: list[Document]) -> list[tuple[Document, list[Passage]]]:
        return [(document, passages_of(document, self.encoder.tokens)) for document in documents]

    def _commit(self, new: list[tuple[Document, list[Passage]]], same: list[Document]) -> Report:
        """Encode the passages of new documents, and write these and the metadata of the others as one transaction."""
        texts = [passage.text for _, passages in new for passage in passages]
        vectors = self.encoder.encode(texts, role="document") if texts else np.zeros((0, self.dim), np.float32)
        bits, fine = to_bits(vectors), to_fine(vectors, "int8")
        changed = begin = 0
        with self._store.writing():
            for document, passages in new:
                rows = slice(begin, begin + len(passages))
                begin += len(passages)
                ranges = [(passage.start, passage.stop) for passage in passages]
                coded = Coded(document, ranges, bits[rows], fine[rows])
                changed += self._store.put(coded)
            # Another process may have changed or removed one since it was compared.
            other = [document for document in same if not self._store.describe(document)]
        report = Report(added=len(new) - changed, changed=changed, unchanged=len(same) - len(other))
        return report + self._commit(self._cut(other), []) if other else report

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
