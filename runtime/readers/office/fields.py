"""Fields of Word files: of each the result alone is shown, what stands before it is an instruction.

A field is closed by marks that stand in runs like text does, also in those that are hidden or deleted; programs lose
some of them. One without its end, or without a result, hides nothing.
"""

from __future__ import annotations

from collections import Counter
from itertools import accumulate
from typing import Any

from .package import local, value

INSTRUCTION = "instrText"

_MARK, _STORY = "fldChar", "txbxContent"  # in a text box no field ends that begins around it


def without_instructions(root: Any, text: frozenset[str]) -> Any:
    """The root of a part in which the text of instructions is named so, as instructions themselves are.

    Args:
        text: names of the elements that are text.
    """
    from lxml import etree

    if next(root.iter(f"{{*}}{_MARK}"), None) is None:
        return root
    wanted = tuple(f"{{*}}{name}" for name in (_MARK, _STORY, *text))
    stories = [_Story()]
    for event, one in etree.iterwalk(root, events=("start", "end"), tag=wanted):
        name = local(one)
        if name == _STORY:
            if event == "start":
                stories.append(_Story())
            else:
                stories.pop().settle()
        elif event == "start" and name == _MARK:
            stories[-1].mark(value(one, "fldCharType"))
        elif event == "start":
            stories[-1].texts.append(one)
    stories[0].settle()
    return root


def chosen_entry(mark: Any) -> str:
    """What is chosen in a field that is a list to choose from, which has no result; empty for every other field."""
    for one in mark.iter():
        if local(one) == "ddList":
            entries = [value(entry, "val") for entry in one if local(entry) == "listEntry"]
            number = next((value(result, "val") for result in one if local(result) == "result"), "0")
            return entries[int(number)] if number.isdecimal() and int(number) < len(entries) else ""
    return ""


class _Story:
    """Text that runs on by itself, as that of a part or a text box.

    Attributes:
        texts: the elements that are text.
    """

    def __init__(self) -> None:
        self.texts: list[Any] = []
        self._open: list[tuple[int, int | None]] = []  # where a field begins, and its result
        self._edges = Counter[int]()  # how many instructions begin, less those that end

    def mark(self, kind: str) -> None:
        """Take the mark of a field that stands here; one that belongs to no field is none."""
        if kind == "begin":
            self._open.append((len(self.texts), None))
        elif kind == "separate" and self._open and self._open[-1][1] is None:
            self._open[-1] = (self._open[-1][0], len(self.texts))
        elif kind == "end" and self._open:
            begin, result = self._open.pop()
            if result is not None:
                self._edges[begin] += 1
                self._edges[result] -= 1

    def settle(self) -> None:
        """Name the text of instructions so."""
        depths = accumulate(self._edges[place] for place in range(len(self.texts)))
        for one, depth in zip(self.texts, depths, strict=True):
            if depth:
                one.tag = INSTRUCTION
