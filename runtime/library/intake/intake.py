"""Documents on their way into a library: cut into passages, encoded, and committed in groups.

A passage whose text is in the library already, in whatever document, or comes twice, is not encoded again: it has the
codes that are there, of whatever width they are. Groups grow with what was committed: the first document can be
searched at once, and a large collection is not written several times over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from ...bundle.manifest import STATIC
from ...document import Document, Report
from ...errors import LibraryError
from ..store import documents, full_text, passage_codes
from ..store.database import Database
from ..store.passage_codes import Codes, Encoded
from .chunk import Passage, passages_of
from .encoders import encoded

if TYPE_CHECKING:
    from ...encoding.encoder import Encoder

# What is encoded in one go: a stop is waited for as long as that takes. The token table takes no longer for so many.
_ENCODED_AT_ONCE = 64
_LOOKED_UP_AT_ONCE = 1024
_FIRST_GROUP = 64
_LARGEST_GROUP = 2048
_GROWTH = 4
_CHARS_A_PASSAGE = 1000

Work = Callable[[], Report]


@dataclass(eq=False)
class _Waiting:
    """A document that waits to be committed.

    Attributes:
        size: in passages, for how much is committed at once.
        unchanged: whether it is in the library as it is.
        passages, codes: of a document that is new or changed; None for one whose text is there already.
        missing: how many passages are not encoded yet.
    """

    document: Document
    size: int
    unchanged: bool = False
    passages: list[Passage] | None = None
    codes: list[Codes | None] = field(default_factory=list)
    missing: int = 0


class Intake:
    """Takes in documents in their order.

    Args:
        encoder: gives what encodes documents, when there is something to encode.
        committed: called after each commit.

    Attributes:
        report: what was committed so far.
        taken: how many documents were taken in so far.
        passages: how many were encoded so far.
    """

    def __init__(self, db: Database, encoder: Callable[[], Encoder], committed: Callable[[], None]) -> None:
        self._db = db
        self._encoder = encoder
        self._committed = committed
        self._queue: deque[_Waiting | Work] = deque()
        # What is to be encoded, with the passages that wait for it. What is, until all is committed.
        self._missing: dict[Encoded, list[tuple[_Waiting, int]]] = {}
        self._encoded: dict[Encoded, Codes] = {}
        self._sources: dict[str, str] = {}
        self._around: Callable[[], AbstractContextManager[None]] = nullcontext
        self._committed_size = 0
        self._size = 0
        self.report = Report()
        self.taken = 0
        self.passages = 0

    def source(self, id: str) -> str | None:
        """The source of the document of an id as it will be once all is committed; None where there is none."""
        return self._sources[id] if id in self._sources else documents.source_of(self._db, id)

    @property
    def waiting(self) -> int:
        """How many documents are not committed yet."""
        return len(self._sources)

    def add(self, document: Document, *, again: bool = False) -> None:
        """Take in a document.

        Args:
            again: encode it whatever is there.
        """
        if document.id in self._sources:
            self.flush()
        before = None if again else documents.document(self._db, document.id)
        if before is not None and _is_encoded_as(before, document):
            size = 1 + len(document.text) // _CHARS_A_PASSAGE
            waiting = _Waiting(document, size, unchanged=before == document)
        else:
            waiting = self._cut(document, again)
        self._sources[document.id] = document.source
        self.taken += 1
        self._enqueue(waiting)

    def then(self, work: Work) -> None:
        """Do something in the transaction of, or after, all documents taken in before; it returns what it changed."""
        self._enqueue(work)

    def around(self, transaction: Callable[[], AbstractContextManager[None]]) -> None:
        """Make each transaction from now on within a context of its own."""
        self._around = transaction

    def flush(self) -> None:
        """Encode and commit all that waits."""
        while self._missing:
            self._encode()
        self.commit()

    def commit(self) -> None:
        """Commit what is encoded, up to the first document that is not."""
        ready = list(takewhile(lambda one: not (isinstance(one, _Waiting) and one.missing), self._queue))
        if not ready:
            return
        report = Report()
        if all(isinstance(one, _Waiting) and one.unchanged for one in ready):
            report = Report(unchanged=len(ready))
        else:
            with self._db.writing(), self._around():
                for one in ready:
                    report += self._write(one) if isinstance(one, _Waiting) else one()
        for one in ready:
            self._queue.popleft()
            self._size -= _size(one)
            self._committed_size += _size(one)
            if isinstance(one, _Waiting):
                del self._sources[one.document.id]
        if not self._queue:
            self._encoded.clear()
        self.report += report
        self._committed()

    @property
    def _at_once(self) -> int:
        return _LOOKED_UP_AT_ONCE if self._encoder().width == STATIC else _ENCODED_AT_ONCE

    def _enqueue(self, one: _Waiting | Work) -> None:
        self._queue.append(one)
        self._size += _size(one)
        while self._missing and len(self._missing) >= self._at_once:
            self._encode()
        if self._size >= min(max(_FIRST_GROUP, self._committed_size // _GROWTH), _LARGEST_GROUP):
            self.flush()

    def _cut(self, document: Document, again: bool) -> _Waiting:
        """A document cut into passages, with the codes that are there for them."""
        passages = passages_of(document, self._encoder().tokens)
        texts = [
            passage_codes.encoded_text(document.title, document.source, document.text[passage.start : passage.stop])
            for passage in passages
        ]
        known = {} if again else passage_codes.of_texts(self._db, texts, self._encoder().width)
        found = [self._encoded.get(text) or known.get(text) for text in texts]
        waiting = _Waiting(document, len(passages), passages=passages, codes=found, missing=found.count(None))
        for number, (text, codes) in enumerate(zip(texts, found, strict=True)):
            if codes is None:
                self._missing.setdefault(text, []).append((waiting, number))
        return waiting

    def _encode(self) -> None:
        """Encode the passages that have waited longest."""
        batch = dict(islice(self._missing.items(), self._at_once))
        texts = [(waiting.passages or [])[number].text for (waiting, number), *_ in batch.values()]
        for text, codes in zip(batch, encoded(self._encoder(), texts), strict=True):
            self._encoded[text] = codes
            for waiting, number in self._missing.pop(text):
                waiting.codes[number] = codes
                waiting.missing -= 1
        self.passages += len(batch)

    def _write(self, waiting: _Waiting) -> Report:
        """Inside `writing`."""
        document, passages = waiting.document, waiting.passages
        if waiting.unchanged and documents.document(self._db, document.id) == document:
            return Report(unchanged=1)
        if passages is None and documents.describe(self._db, document):
            return Report(unchanged=1)
        codes = [one for one in waiting.codes if one is not None]
        if passages is None:  # another process changed or removed the document since it was compared
            passages = passages_of(document, self._encoder().tokens)
            codes = list(encoded(self._encoder(), [passage.text for passage in passages]))
        ranges = [(passage.start, passage.stop) for passage in passages]
        foreign = int(self._encoder().tokens.is_foreign(document.text))
        changed = documents.put(self._db, document, ranges, codes)
        return Report(changed=1, foreign=foreign) if changed else Report(added=1, foreign=foreign)


def _is_encoded_as(before: Document, document: Document) -> bool:
    """Whether the passages of one are, with their codes, those of another."""
    encoded_titles = {passage_codes.encoded_text(one.title, one.source, "") for one in (before, document)}
    return (before.title, before.text) == (document.title, document.text) and len(encoded_titles) == 1


def _size(one: _Waiting | Work) -> int:
    return one.size if isinstance(one, _Waiting) else 1


@contextmanager
def taking_in(db: Database, encoder: Callable[[], Encoder], committed: Callable[[], None]) -> Iterator[Intake]:
    """An intake, see `Intake`; where it is stopped, what is encoded is committed.

    What was removed is taken out of the full-text index as well, once a call: it is rewritten for that, and where the
    library has doubled. Not where it is stopped, as that may take its time; the next call does.
    """
    intake = Intake(db, encoder, committed)
    try:
        yield intake
    except BaseException as error:
        if not isinstance(error, LibraryError):
            with suppress(LibraryError):  # what stopped it is to be told
                intake.commit()
        raise
    if full_text.has_removed_words(db):
        with db.writing():
            full_text.purge(db)
        db.fold()
    elif full_text.has_doubled(db):
        with suppress(LibraryError), db.writing():  # somebody else writes, or the disk is full: it is not needed
            full_text.purge(db)
