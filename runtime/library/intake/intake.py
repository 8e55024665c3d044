"""Documents on their way into a library: cut into passages, encoded, and committed in groups.

A passage whose text was encoded before, in the document that it replaces or in one that it is told of, keeps its
codes, of whatever width they are. Groups grow with what was committed: the first document can be searched at once, and
a large collection is not written several times over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from ...bundle.manifest import STATIC
from ...document import Document, Report
from ...errors import LibraryError
from ..store.documents import Coded, Codes, Store
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
class _Entry:
    """A document, or work that waits for those before it.

    Attributes:
        size: in passages, for how much is committed at once.
        id: of the document; empty for work.
        document: what is written.
        same: whether it was there as it is.
        passages, codes: of a document that is new or changed; None for one whose text is there already.
        left: how many passages are not encoded yet.
    """

    size: int = 1
    id: str = ""
    document: Document | None = None
    same: bool = False
    passages: list[Passage] | None = None
    codes: list[Codes | None] = field(default_factory=list)
    left: int = 0
    work: Work | None = None


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

    def __init__(self, store: Store, encoder: Callable[[], Encoder], committed: Callable[[], None]) -> None:
        self._store = store
        self._encoder = encoder
        self._committed = committed
        self._entries: deque[_Entry] = deque()
        self._missing: deque[tuple[_Entry, int]] = deque()
        self._sources: dict[str, str] = {}
        self._done = 0
        self._size = 0
        self.report = Report()
        self.taken = 0
        self.passages = 0

    def source(self, id: str) -> str | None:
        """The source of the document of an id as it will be once all is committed; None where there is none."""
        if id in self._sources:
            return self._sources[id]
        return self._store.source(id)

    @property
    def waiting(self) -> int:
        """How many documents are not committed yet."""
        return len(self._sources)

    def add(self, document: Document, others: Iterable[str] = (), *, again: bool = False) -> None:
        """Take in a document.

        Args:
            others: ids of documents that may have passages of the same text.
            again: encode it whatever is there.
        """
        if document.id in self._sources:
            self.flush()
        stored = None if again else self._store.document(document.id)
        if stored is not None and (stored.title, stored.text) == (document.title, document.text):
            size = 1 + len(document.text) // _CHARS_A_PASSAGE
            entry = _Entry(size, document.id, document, same=stored == document)
        else:
            donors = [one for one in (stored, *map(self._store.document, others)) if one is not None]
            entry = self._cut(document, donors)
        self._sources[document.id] = document.source
        self.taken += 1
        self._take(entry)

    def then(self, work: Work) -> None:
        """Do something in the transaction of, or after, all documents taken in before; it returns what it changed."""
        self._take(_Entry(work=work))

    def flush(self) -> None:
        """Encode and commit all that waits."""
        while self._missing:
            self._encode()
        self.commit()

    def commit(self) -> None:
        """Commit what is encoded, up to the first document that is not."""
        ready: list[_Entry] = []
        for entry in self._entries:
            if entry.left:
                break
            ready.append(entry)
        if not ready:
            return
        writes = not all(entry.same for entry in ready)
        report = Report()
        with self._store.writing() if writes else nullcontext():
            for entry in ready:
                report += self._write(entry) if writes else Report(unchanged=1)
        for entry in ready:
            self._entries.popleft()
            self._size -= entry.size
            self._done += entry.size
            self._sources.pop(entry.id, None)
        self.report += report
        self._committed()

    @property
    def _at_once(self) -> int:
        return _LOOKED_UP_AT_ONCE if self._encoder().width == STATIC else _ENCODED_AT_ONCE

    def _take(self, entry: _Entry) -> None:
        self._entries.append(entry)
        self._size += entry.size
        while self._missing and len(self._missing) >= self._at_once:
            self._encode()
        if self._size >= min(max(_FIRST_GROUP, self._done // _GROWTH), _LARGEST_GROUP):
            self.flush()

    def _cut(self, document: Document, donors: list[Document]) -> _Entry:
        tokens, width = self._encoder().tokens, self._encoder().width
        passages = passages_of(document, tokens)
        known: dict[str, Codes] = {}
        for donor in donors:
            texts = {(passage.start, passage.stop): passage.text for passage in passages_of(donor, tokens)}
            for start, stop, codes in self._store.codes_of(donor.id):
                text = texts.get((start, stop))
                if text is not None and (text not in known or codes.width == width):
                    known[text] = codes
        found = [known.get(passage.text) for passage in passages]
        entry = _Entry(len(passages), document.id, document, passages=passages, codes=found)
        self._missing += [(entry, place) for place, codes in enumerate(found) if codes is None]
        entry.left = entry.codes.count(None)
        return entry

    def _encode(self) -> None:
        """Encode the passages that have waited longest."""
        batch = list(islice(self._missing, self._at_once))
        texts = [_text(*one) for one in batch]
        for (entry, place), codes in zip(batch, encoded(self._encoder(), texts), strict=True):
            entry.codes[place] = codes
            entry.left -= 1
        for _ in batch:
            self._missing.popleft()
        self.passages += len(batch)

    def _write(self, entry: _Entry) -> Report:
        """Inside `writing`."""
        if entry.work is not None:
            return entry.work()
        assert entry.document is not None
        if entry.same and self._store.document(entry.id) == entry.document:
            return Report(unchanged=1)
        if entry.passages is None and self._store.describe(entry.document):
            return Report(unchanged=1)
        passages, codes = entry.passages, [one for one in entry.codes if one is not None]
        if passages is None:  # another process changed or removed the document since it was compared
            passages = passages_of(entry.document, self._encoder().tokens)
            codes = list(encoded(self._encoder(), [passage.text for passage in passages]))
        ranges = [(passage.start, passage.stop) for passage in passages]
        changed = self._store.put(Coded(entry.document, ranges, codes))
        return Report(changed=1) if changed else Report(added=1)


@contextmanager
def taking_in(store: Store, encoder: Callable[[], Encoder], committed: Callable[[], None]) -> Iterator[Intake]:
    """An intake, see `Intake`; where it is stopped, what is encoded is committed.

    What was removed is taken out of the full-text index as well, once a call: it is rewritten for that, and where the
    library has doubled. Not where it is stopped, as that may take its time; the next call does.
    """
    intake = Intake(store, encoder, committed)
    try:
        yield intake
    except BaseException as error:
        if not isinstance(error, LibraryError):
            intake.commit()
        raise
    if store.has_removed_words:
        with store.writing():
            store.purge()
        store.fold()
    elif store.has_doubled:
        with suppress(LibraryError), store.writing():  # somebody else writes, or the disk is full: it is not needed
            store.purge()


def _text(entry: _Entry, place: int) -> str:
    assert entry.passages is not None
    return entry.passages[place].text
