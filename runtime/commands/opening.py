"""Open a library for a command, with the widths that `nestling tune` remembered where none are given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..bundle.manifest import Bundle
    from ..encoding.encoder import Encoder
    from ..library.library import Library


@contextmanager
def open_library(
    path: Path,
    bundle: str | None,
    *,
    create: bool = False,
    width: str | None = None,
    query_width: str | None = None,
    encode_at: str | None = None,
) -> Iterator[Library]:
    """A library, open for as long as the context lasts; one that is there keeps its document width.

    Args:
        bundle: a bundle's folder or name; None for the one that the library was made with, for a new library that
            which ships with Nestling.
        create: make the library where there is none.
        width, query_width: of documents and of queries; None for the remembered ones, else for the defaults.
        encode_at: the width that this command encodes documents at, where that is not the document width.
    """
    from ..bundle.manifest import read_bundle
    from ..library.intake.remembered_bundle import remembered_bundle
    from ..library.library import Library
    from ..tuning.width_plan import read_width_plan

    found = (remembered_bundle(path) if bundle is None else None) or read_bundle(bundle)
    new = create and not path.exists()
    plan = read_width_plan(found)
    if plan is not None:
        width = width or (plan.document_width if new else None)
        query_width = query_width or plan.query_width
    precision = None if plan is None else plan.precision
    # An encoder that does not work is found before a library is made for nothing; what it loads is shared.
    with _encoder(found, encode_at or width, precision) if new else nullcontext():
        library = Library(
            path, encoder=found, document_width=width, query_width=query_width, precision=precision, create=create
        )
        with library:
            yield library


@contextmanager
def open_libraries(
    paths: Sequence[Path], bundle: str | None, *, query_width: str | None = None
) -> Iterator[dict[str, Library]]:
    """Libraries that are there, by the names that they are served under, open for as long as the context lasts."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(open_library(path, bundle, query_width=query_width))
            for name, path in _names_of(paths).items()
        }


def _names_of(paths: Sequence[Path]) -> dict[str, Path]:
    """Names of library files, their stems; those that are alike are numbered."""
    found: dict[str, Path] = {}
    for path in paths:
        name, count = path.stem, 2
        while name in found:
            name, count = f"{path.stem}-{count}", count + 1
        found[name] = path
    return found


def _encoder(bundle: Bundle, width: str | None, precision: str | None) -> Encoder:
    """The encoder of a width, of the precision where the width has it."""
    from ..encoding.encoder import Encoder

    has_it = precision in bundle.precisions(width or bundle.widest(precision))
    return Encoder(bundle, width=width, precision=precision if has_it else None)
