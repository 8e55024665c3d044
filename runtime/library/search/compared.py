"""What a query's vector is compared with: a library's codes, and those of an earlier bundle that are left in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...arrays import Doubles, Floats, Keys, Mask, Rows
from ...vectors import flat
from ...vectors.alignment import AS_IT_IS, Scale
from ...vectors.codes import FineCodes, padded, to_fine
from ..store import passages
from ..store.database import Database
from .bit_cache import BitCache


@dataclass(frozen=True, eq=False)
class Compared:
    """Codes of one encoder, and the query for them.

    Attributes:
        query: (1, dim) float32, unit, for the fine codes.
        signs: (1, dim of the bits) float32, unit, for the bits.
        codes: of all passages, of which those may be found that are allowed and of this encoder.
        own: (n,) bool, which are of this encoder; None for all.
        scale: what its scores are among those of the later bundle.
    """

    query: Floats
    signs: Floats
    codes: flat.Segment
    own: Mask | None
    scale: Scale = AS_IT_IS

    def nearest(self, k: int, rescored: int | None) -> list[tuple[int, float]]:
        """The keys of the k nearest passages with their scores, best first."""
        found = flat.search(self.query, [self.codes], k, rescored, bit_queries=self.signs)[0]
        return [(key, self.scale.gain * score + self.scale.offset) for key, score in found]

    def scores(self, rows: Rows) -> Doubles:
        """The scores of some passages, (m,) float64."""
        scores = flat.rescore(self.query[0], rows, self.codes.fine_of).astype(np.float64)
        return np.asarray(self.scale.gain * scores + self.scale.offset)


def compared(
    db: Database, cache: BitCache, vector: Floats, allowed: Keys | None, earlier: Callable[[], Floats | None] | None
) -> list[Compared]:
    """What a query is compared with, an encoder each; inside `Database.reading`.

    Codes of an earlier bundle are compared with the query as that bundle encodes it. Where it is not at hand, they are
    asked for by what the query is in its space, and compared as what they are in that of the query; and where nothing
    is known of that, they are not found by meaning.

    Args:
        vector: (1, dim) float32, unit.
        earlier: gives the same of the earlier bundle, or None; None where that is not at hand.
        allowed: keys of the passages that may be found; None for all.
    """
    query, size = padded(vector), 8 * cache.bits.shape[1]
    mask = None
    if allowed is not None:
        mask = np.zeros(len(cache.keys), dtype=np.bool_)
        mask[np.searchsorted(cache.keys, allowed)] = True

    def fine_of(dim: int) -> flat.FineOf:
        return lambda wanted: passages.fine(db, cache.keys[wanted], dim)

    def segment(fine: flat.FineOf, own: Mask | None) -> flat.Segment:
        found = mask if own is None else own if mask is None else own & mask
        return flat.Segment(cache.keys, lambda width: cache.blocks, cache.bits.__getitem__, fine, found)

    fine = fine_of(query.shape[1])
    if (before := cache.earlier) is None or cache.is_earlier is None:
        return [Compared(query, query, segment(fine, None), None)]
    own, later = cache.is_earlier, ~cache.is_earlier
    both = [Compared(query, _filled(query, size), segment(fine, later), later)]
    earlier_fine = fine_of(before.dim)
    asked = None if earlier is None else earlier()
    if asked is not None:
        asked = padded(asked)
        both.append(Compared(asked, _filled(asked, size), segment(earlier_fine, own), own, before.alone))
    elif (alignment := before.alignment) is not None:

        def mapped(wanted: Rows) -> FineCodes:
            return to_fine(alignment.mapped(earlier_fine(wanted).decode()), "float16")

        signs = _filled(alignment.asked(query), size)
        both.append(Compared(query, signs, segment(mapped, own), own, before.mapped))
    return both


def _filled(vectors: Floats, size: int) -> Floats:
    """Vectors filled up with zeros to so many dimensions."""
    return np.pad(vectors, ((0, 0), (0, size - vectors.shape[1])))
