"""What Nestling does, done once on little: encoding, keeping, searching, reading."""

from __future__ import annotations

import tempfile
import time
import zipfile
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path

from ..document import Document, Hit, Skip
from .finding import Finding

SAMPLES = "samples.zip"
WORD = "owls"

_TEXTS = {
    "owls": "Owls hunt at night. They hear a mouse under the snow.",
    "burns": "Cool a burn under running water for twenty minutes.",
    "router": "Hold the reset button of the router for ten seconds.",
}
_AGAIN = "pip install --force-reinstall --no-deps nestling"


def bundle(folder: Path | None) -> Iterator[Finding]:
    """The files of a bundle by their hashes, and some vectors of each of its variants; raises BundleError."""
    from ..bundle.golden import quick_check
    from ..bundle.manifest import read_bundle
    from ..encoding.encoder import Encoder

    found = read_bundle(folder)
    found.verify()
    for variant in found.variants:
        with Encoder(found, width=variant.width, precision=variant.precision) as encoder:
            quick_check(found, variant, lambda text, own=encoder: own.encode([text], "document")[0])  # type: ignore[misc]
    names = ", ".join(variant.name for variant in found.variants)
    yield Finding("bundle", "fine", f"{found.name}: files sound, vectors as at the build by {names}")


def sqlite() -> Iterator[Finding]:
    """SQLite, with all that a library asks of it."""
    from ..library.store.sqlite import lacking, version

    if without := lacking():
        remedy = "use a Python whose SQLite is newer, or built with it"
        yield Finding("sqlite", "broken", f"{version()} lacks {', '.join(without)}", remedy)
    else:
        yield Finding("sqlite", "fine", version())


def library(folder: Path | None) -> Iterator[Finding]:
    """A small library in a temporary folder: made, filled, searched, checked, closed, opened again."""
    from ..library.library import Library

    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="nestling-") as place:
        path = Path(place, "doctor.nest")
        with Library(path, bundle=folder) as made:
            made.add([Document(id, text, metadata={"about": id}) for id, text in _TEXTS.items()])
        with Library(path, bundle=folder, create=False) as opened:
            asked = {
                "by meaning": opened.search("when do owls look for food?", mode="dense"),
                "by words": opened.search("mouse", mode="lexical"),
                "by both": opened.search("owls at night"),
                "with a filter": opened.search("how long does it take?", where={"about": "owls"}),
            }
            wrong = [f"a search {how} finds something else" for how, hits in asked.items() if not _is_owls(hits)]
            wrong += opened.problems()
    if wrong:
        yield Finding("library", "broken", "; ".join(wrong), f"try: {_AGAIN}, and please report it")
    else:
        seconds = time.perf_counter() - begin
        yield Finding("library", "fine", f"made, filled, searched and closed in {seconds:.1f} s")


def _is_owls(hits: list[Hit]) -> bool:
    return bool(hits) and hits[0].id == "owls"


def readers() -> Iterator[Finding]:
    """A small file of each format, read as `sync` does."""
    from ..readers import READERS, read_file
    from ..readers.sandbox import Sandbox

    with (
        tempfile.TemporaryDirectory(prefix="nestling-") as place,
        as_file(files(__package__) / SAMPLES) as samples,
        zipfile.ZipFile(samples) as archive,
        Sandbox() as sandbox,
    ):
        for name in sorted(archive.namelist()):
            path = Path(archive.extract(name, place))
            if path.suffix in READERS:
                yield _read(path.suffix, list(read_file(path, sandbox)))


def _read(suffix: str, found: list[Document | Skip]) -> Finding:
    for item in found:
        if isinstance(item, Skip):
            what, _, remedy = item.reason.partition("; ")
            return Finding(suffix, "missing" if what.startswith("needs ") else "broken", what, remedy)
        if WORD in f"{item.title} {item.text}".lower():
            return Finding(suffix, "fine", "is read")
    return Finding(suffix, "broken", "is read, but not its text", f"try: {_AGAIN}, and please report it")
