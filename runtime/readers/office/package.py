"""Office Open XML files: the parts in a zip archive, what refers to what, and the words in drawings (ECMA-376).

Names of elements are taken without their namespaces, of which the strict form of the format has others.
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator, Mapping
from typing import IO, Any

from ..text import Unreadable
from ..zipped import member, parsed

DRAWN = ("chart", "chartEx", "diagramData")
_RUNS = ("t", "br")
_LABELS = {"strCache", "multiLvlStrCache", "strLit", "dlblRangeCache", "strDim", "tx"}  # what holds words in a chart


class Package:
    """A file that is being read.

    Attributes:
        main: the name of the part that all others belong to.
        unread: what could not be read of it.
    """

    def __init__(self, archive: zipfile.ZipFile, main: str) -> None:
        self._archive = archive
        self._names = {_key(name): name for name in archive.namelist()}
        self.unread: list[str] = []
        roots = self.related("").values()
        self.main = next((target for kind, target in roots if kind == "officeDocument"), main)

    def part(self, name: str) -> Any:
        """The root of a part; raises Unreadable where there is none or it is damaged."""
        return parsed(self.data(name))

    def data(self, name: str) -> bytes:
        """The bytes of a part; raises Unreadable where there is none or it is damaged."""
        return member(self._archive, self._names.get(_key(name), name))

    def stream(self, name: str) -> IO[bytes]:
        """A part to read from; raises Unreadable where there is none."""
        try:
            return self._archive.open(self._names.get(_key(name), name))
        except (KeyError, zipfile.BadZipFile, NotImplementedError) as error:
            raise Unreadable(f"is damaged ({name})") from error

    def names(self) -> list[str]:
        """The names of all parts."""
        return [name.replace("\\", "/").lstrip("/") for name in self._names.values()]

    def has(self, name: str) -> bool:
        """Whether there is a part of this name."""
        return _key(name) in self._names

    def related(self, part: str) -> Mapping[str, tuple[str, str]]:
        """What a part refers to inside of the file: kind and name, by id."""
        folder, name = posixpath.split(part)
        relations = posixpath.join(folder, "_rels", f"{name}.rels")
        if not self.has(relations):
            return {}
        root = self.read(relations, "what belongs to its parts")
        found = {}
        for one in () if root is None else root:
            if local(one) == "Relationship" and one.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, one.get("Target", ""))).lstrip("/")
                found[one.get("Id", "")] = (one.get("Type", "").rpartition("/")[2], target)
        return found

    def roots(self, kind: str, part: str | None = None) -> Iterator[tuple[str, Any]]:
        """The parts of one kind that a part (the main one) refers to, by name; one that is damaged is noted."""
        targets = self.related(self.main if part is None else part).values()
        for name in dict.fromkeys(target for found, target in targets if found == kind):
            root = self.read(name, f"its {posixpath.basename(name).removesuffix('.xml')}")
            if root is not None:
                yield name, root

    def read(self, name: str, what: str) -> Any:
        """The root of a part; None where it cannot be read, which is noted of what it is."""
        try:
            return self.part(name)
        except Unreadable as reason:
            self.unread.append(f"{what} cannot be read ({reason})")
            return None

    def title(self) -> str | None:
        """The title that the file was given."""
        for kind, name in self.related("").values():
            if kind == "core-properties" and self.has(name):
                root = self.read(name, "its properties")
                return None if root is None else next((one.text for one in root.iter() if local(one) == "title"), None)
        return None


def drawn(root: Any) -> Iterator[str]:
    """The texts of a chart or a diagram (DrawingML), each once: titles, names of series and categories, labels."""
    texts: dict[str, None] = {}
    for one in root.iter():
        name = local(one)
        if name == "p":
            text = "".join(
                " " if local(part) == "br" else part.text or "" for part in one.iter() if local(part) in _RUNS
            )
        elif name in ("v", "pt") and any(local(above) in _LABELS for above in one.iterancestors()):
            text = one.text or ""
        else:
            continue
        texts[" ".join(text.split())] = None
    yield from filter(None, texts)


def reference(element: Any) -> str:
    """The id by which an element refers to a part; elements may have one of their own beside it."""
    return next((str(value) for key, value in element.attrib.items() if key.endswith("}id")), "")


def chosen(alternatives: Any) -> Any:
    """Of two forms of the same, that which is for today's programs, unless it is without text."""
    forms = sorted(alternatives, key=lambda one: local(one) != "Choice")
    return next((form for form in forms if any(local(one) == "t" for one in form.iter())), forms[0] if forms else [])


def local(element: Any) -> str:
    """The name of an element without its namespace; comments and instructions have none."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def value(element: Any, name: str) -> str:
    """An attribute, of whatever namespace; empty where there is none."""
    return next((str(value) for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


def _key(name: str) -> str:
    """A part's name as it is compared: without regard to case, and of programs that write them with backslashes."""
    return name.replace("\\", "/").lstrip("/").lower()
