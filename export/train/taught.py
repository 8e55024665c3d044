"""What a course is trained on; by itself, so that a training depends on nothing that draws it."""

from __future__ import annotations

from typing import NamedTuple

from ...arrays import Ids


class Passages(NamedTuple):
    """The training texts of a course, token ids (n,) int64 each, special tokens included.

    Attributes:
        ids: as the students are given them.
        taught: as the teacher is; the same but for queries with a prefix of their own.
    """

    ids: list[Ids]
    taught: list[Ids]
