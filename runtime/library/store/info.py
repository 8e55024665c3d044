"""What a library holds and what made it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from . import documents, earlier, file_state, passage_codes
from .database import Database


@dataclass(frozen=True)
class LibraryInfo:
    """What a library holds and what made it.

    Attributes:
        path: of the file.
        documents, passages, files: how many there are.
        passages_by_width: how many passages were encoded at each width.
        folders: paths of the files and folders that it mirrors.
        synced: when it was last brought up to date with them, ISO 8601 in UTC; None for never.
        failures: how many things in files could not be taken in.
        bytes: of the file.
        bytes_by_part: of the values alone; what SQLite needs around them, and free pages, are not in these.
        bundle, space, dim: of the encoder, and the length of its vectors.
        document_width: what new documents are encoded at.
        unrefined: how many passages are of another width, or of an earlier bundle.
        earlier: the bundle that it is being brought over from, see `Library.upgrade`; None where it is not.
    """

    path: str
    documents: int
    passages: int
    passages_by_width: dict[str, int]
    files: int
    folders: list[str]
    synced: str | None
    failures: int
    bytes: int
    bytes_by_part: dict[str, int]
    bundle: str | None
    space: str | None
    dim: int
    document_width: str
    unrefined: int
    earlier: str | None

    def to_json(self) -> dict[str, Any]:
        """The same as one flat object of JSON."""
        flat: dict[str, Any] = {}
        for name, value in asdict(self).items():
            if isinstance(value, dict):
                what, _, _ = name.partition("_by_")
                flat |= {f"{what} of {one}": count for one, count in value.items()}
            else:
                flat[name.replace("_", " ")] = value
        return flat


def library_info(db: Database, dim: int, document_width: str) -> LibraryInfo:
    """What a library holds; inside `reading`."""
    widths = passage_codes.widths(db)
    return LibraryInfo(
        path=str(db.path),
        documents=documents.count(db, "documents"),
        passages=documents.count(db, "passages"),
        passages_by_width=widths,
        files=documents.count(db, "files"),
        folders=[folder.path for folder in file_state.folders(db)],
        synced=db.meta("synced"),
        failures=len(file_state.failures(db)),
        bytes=db.file_bytes(),
        bytes_by_part={part: int(db.execute(sql).fetchone()[0] or 0) for part, sql in _PARTS.items()},
        bundle=db.meta("bundle"),
        space=db.meta("space"),
        dim=dim,
        document_width=document_width,
        unrefined=sum(count for width, count in widths.items() if width != document_width),
        earlier=None if (before := earlier.read_earlier(db)) is None else before.bundle,
    )


_PARTS = {
    "text": "SELECT (SELECT sum(length(CAST(text AS BLOB))) FROM texts)"
    " + sum(length(CAST(title AS BLOB))) FROM documents",
    "metadata": "SELECT sum(length(CAST(metadata AS BLOB))) FROM documents",
    "bits": "SELECT sum(length(bits)) FROM passages",
    "fine codes": "SELECT sum(length(code)) FROM fine",
    "full text": "SELECT sum(length(block)) FROM full_text_data",
}
