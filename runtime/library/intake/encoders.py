"""The encoders of a library: of one bundle, each width made when it is first needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...bundle.manifest import STATIC, Bundle, read_bundle
from ...bundle.relevance import Relevance, read_relevance
from ...errors import BundleError
from ...forked import OwnLock
from ...vectors.codes import padded, padded_dim, to_bits, to_fine
from ..store import failures
from ..store.passage_codes import Codes

if TYPE_CHECKING:
    from ...encoding.encoder import Encoder


class Encoders:
    """The encoders of a bundle, by width.

    Args:
        given: an encoder, which serves for its own width and whose precision, dim and threads the others take; or a
            bundle; None for the bundle that ships with Nestling.
        precision: of the encoders, of each width that has it; None for that of the given one, but where it is a table
            of tokens, whose bits say nothing of the others. Of the others it is the width's default.
        path: the library's file.
    """

    def __init__(self, given: Encoder | Bundle | None, precision: str | None, path: Path) -> None:
        self._given = None if given is None or isinstance(given, Bundle) else given
        self.bundle = given if isinstance(given, Bundle) else self._given.bundle if self._given else read_bundle()
        self.dim = self.bundle.dim if self._given is None else self._given.dim
        self.code_dim = padded_dim(self.dim)
        known = sorted({variant.precision for variant in self.bundle.variants})
        if precision is not None and precision not in known:
            raise BundleError(f"bundle {self.bundle.name} has no precision {precision}; it has {', '.join(known)}")
        self._precision = precision
        self._made: dict[str, Encoder] = {}
        self._relevance: list[Relevance | None] = []  # once it was read
        self._closed = False
        self._making = OwnLock(path)

    @property
    def width(self) -> str | None:
        """The width of the encoder that was given; None where there is none."""
        return None if self._given is None else self._given.width

    @property
    def default_width(self) -> str:
        """The widest that has the precision which was asked for; the bundle's default where none was."""
        return self.bundle.widest(self._precision)

    @property
    def relevance(self) -> Relevance | None:
        """How likely hits of the bundle's vectors are relevant; None where it does not say it."""
        if not self._relevance:
            # Rather read twice than under a lock, such as `cached_property` has: held at a fork, it would stay held.
            self._relevance.append(read_relevance(self.bundle))
        return self._relevance[0]

    def require_width(self, width: str | None) -> None:
        """Raise BundleError where the bundle has no such width."""
        self.bundle.variant(width, None)

    def require_open(self) -> None:
        """Raise LibraryError where they were closed with their library."""
        if self._closed:
            raise failures.closed()

    def of(self, width: str) -> Encoder:
        """The encoder of a width.

        Raises:
            BundleError: the bundle has none, or is damaged.
            LibraryError: it is not made yet, and they were closed with their library.
        """
        given = self._given
        if given is not None and given.width == width and self._precision in (None, given.precision):
            return given
        with self._making.own:
            self.require_open()
            if width not in self._made:
                # ONNX Runtime is half of a process's start; a search by words alone does without.
                from ...encoding.encoder import Encoder

                table = given is not None and given.width == STATIC
                wanted = self._precision or (given.precision if given and not table else None)
                precision = wanted if wanted in self.bundle.precisions(width) else None
                threads = given.threads if given else None
                self._made[width] = Encoder(
                    self.bundle, width=width, precision=precision, dim=self.dim, threads=threads
                )
            return self._made[width]

    def close(self) -> None:
        """Close those that were made here; none is made any more."""
        with self._making.own:
            self._closed = True
            for encoder in self._made.values():
                encoder.close()
            self._made.clear()


def encoded(encoder: Encoder, texts: Sequence[str]) -> Iterator[Codes]:
    """The codes of passages, in the order of their texts."""
    vectors = encoder.encode(texts, role="document")
    vectors = padded(vectors)
    for bits, record in zip(to_bits(vectors), to_fine(vectors, "int8").records(), strict=True):
        yield Codes(bits.tobytes(), record.tobytes(), encoder.width)
