"""Conditions as they are typed, `year>=2020 and not (lang in de,fr or draft exists)`, to a `where` of `filters`.

`not` binds closer than `and`, `and` closer than `or`. A value is a number, or true or false, where it reads as one; in
double quotes it is text, whatever it holds, with `""` for a quote in it; so is a key. Without quotes a value goes on to
the next `and`, `or`, or `)` of a bracket before it, and a value of a list to the next comma.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ...document import typed
from ...errors import QueryError
from .filters import AND, MAX_DEPTH, NOT, OR, escaped

_QUOTED = re.compile(r'\s*"((?:[^"]|"")*)"\s*')
_KEY = re.compile(r"\s*([^\s=!<>(\"][^\s=!<>\"]*)\s*")
_SIGN = re.compile(r"(!=|<=|>=|=|<|>)(?![=<>])\s*")
_WORD = re.compile(r"(not\s+in|NOT\s+IN|in|IN|contains|CONTAINS|ends\s+with|ENDS\s+WITH|exists|EXISTS)(?![^\s()\"])\s*")
_NEGATION = re.compile(r"\s*(?:not|NOT)(?=[\s(])(?!\s+(?:in|IN|contains|CONTAINS|exists|EXISTS)(?:\s|$)|\s*[=!<>])")
_JOIN = {OR: re.compile(r"\s*(?:or|OR)(?=[\s(\"]|$)"), AND: re.compile(r"\s*(?:and|AND)(?=[\s(\"]|$)")}
_OPEN, _CLOSE = re.compile(r"\s*\("), re.compile(r"\s*\)")
_END = re.compile(r"\s*$")
# What ends a value that stands without quotes, or begins a bracket in it.
_STOP = re.compile(r"(?<=\s)(?:or|OR|and|AND)(?=[\s(\"]|$)|[(),]")


def parse(expressions: Sequence[str]) -> dict[str, Any]:
    """What some conditions say, as a `where`: all must hold.

    Raises:
        QueryError: one cannot be read, or lies over 20 brackets deep.
    """
    return _joined(AND, [_Reading(expression).whole() for expression in expressions])


def _joined(join: str, wheres: list[dict[str, Any]]) -> dict[str, Any]:
    """Several wheres as one."""
    if len(wheres) == 1:
        return wheres[0]
    if join == OR:
        return {OR: wheres}
    whole: dict[str, Any] = {}
    groups = [where for where in wheres if where.keys() & {AND, OR, NOT}]
    for where in (where for where in wheres if not where.keys() & {AND, OR, NOT}):
        for key, conditions in where.items():
            whole.setdefault(key, []).extend(conditions)
    return whole | ({AND: groups} if groups else {})


class _Reading:
    """An expression and how far it is read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def whole(self) -> dict[str, Any]:
        where = self._either(0)
        if not self._take(_END):
            raise self._error()
        return where

    def _either(self, depth: int) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            raise QueryError(f"the filter {self._shown()} lies over {MAX_DEPTH} brackets deep; give less of it")
        found = [self._both(depth)]
        while self._take(_JOIN[OR]):
            found.append(self._both(depth))
        return _joined(OR, found)

    def _both(self, depth: int) -> dict[str, Any]:
        found = [self._one(depth)]
        while self._take(_JOIN[AND]):
            found.append(self._one(depth))
        return _joined(AND, found)

    def _one(self, depth: int) -> dict[str, Any]:
        negated = 0
        while self._take(_NEGATION):
            negated += 1
        if self._take(_OPEN):
            where = self._either(depth + 1)
            if not self._take(_CLOSE):
                raise self._error()
        else:
            where = self._condition(depth > 0)
        return {NOT: where} if negated % 2 else where

    def _condition(self, within: bool) -> dict[str, Any]:
        begin = self._at
        key = self._take(_QUOTED) or self._take(_KEY)
        if key is None:
            raise self._error()
        name = key[1].replace('""', '"') if key.re is _QUOTED else key[1]
        sign = self._take(_SIGN)
        if sign is not None:
            condition: tuple[str, Any] = (sign[1], self._value(within, comma=False))
        else:
            word = self._take(_WORD) if key.re is _QUOTED or key[0][-1].isspace() else None
            if word is None:
                self._at = begin
                raise self._error()
            operator = " ".join(word[1].lower().split())
            if operator == "exists":
                condition = (operator, True)
            elif operator in ("contains", "ends with"):
                if (part := self._value(within, comma=False)) == "":
                    raise self._error()
                condition = (operator, part)
            else:
                condition = (operator, self._values(within))
        return {escaped(name): [condition]}

    def _values(self, within: bool) -> list[Any]:
        """Values between commas, in brackets or not."""
        bracket = self._take(_OPEN) is not None
        values = [self._value(within or bracket, comma=True)]
        while self._text.startswith(",", self._at):
            self._at += 1
            values.append(self._value(within or bracket, comma=True))
        if bracket and not self._take(_CLOSE):
            raise self._error()
        return values

    def _value(self, within: bool, comma: bool) -> Any:
        """A value up to what ends it: a word that joins, a bracket that was open, a comma of a list."""
        if quoted := _QUOTED.match(self._text, self._at):
            self._at = quoted.end()
            return quoted[1].replace('""', '"')
        begin, opened, stop = self._at, 0, len(self._text)
        for found in _STOP.finditer(self._text, begin):
            sign = found[0]
            if sign == "(" or (sign == ")" and opened):
                opened += 1 if sign == "(" else -1
            elif (sign == ")" and not within) or (sign == "," and (opened or not comma)):
                continue
            else:
                stop = found.start()
                break
        self._at = stop
        text = self._text[begin:stop].strip()
        if text.startswith('"') or (comma and not text):
            raise self._error()
        return typed(text)

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return found

    def _error(self) -> QueryError:
        rest = self._text[self._at :].strip()
        where = f"; from {_short(rest)!r} on it is not understood" if rest and rest != self._text.strip() else ""
        return QueryError(
            f"cannot read the filter {self._shown()}, expected for example year>=2020, lang in en,de or "
            f'not (title contains "black and white" or draft exists){where}'
        )

    def _shown(self) -> str:
        return repr(_short(self._text))


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:199]}…"
