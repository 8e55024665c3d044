"""Which of the forms of one text is read: the plain one, unless it is no more than a stub of the others."""

from __future__ import annotations

import re

# What a program writes into the plain form in the place of a picture or a link, which the page does not show.
_PLACES = re.compile(r"\[cid:[^\]\s]{0,300}\]|<?\b(?:https?|mailto|cid):[^\s>]+>?", re.IGNORECASE)
# A sign of a script that puts no spaces between words is one.
_SIGNS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_SIGNS}]|[^\W_{_SIGNS}]+")
_MOST = 1 << 18


def chosen(plain: list[str], rich: list[str]) -> list[str]:
    """The texts of a message that has two forms.

    They say the same, as a rule: then it is the plain one. Where that lacks most words of the other, as where it says
    only that there is another, it is the other, behind the plain one where that has more words.
    """
    in_plain, in_rich = _words(plain), _words(rich)
    if in_plain and 2 * len(in_rich - in_plain) <= len(in_rich):
        return plain
    return [*plain, *rich] if len(in_plain) > len(in_rich) else rich


def _words(texts: list[str]) -> set[str]:
    beginning = "\n".join(texts)[:_MOST]
    return {word.lower() for word in _WORD.findall(_PLACES.sub(" ", beginning))}
