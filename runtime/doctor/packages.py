"""The Python that this is, and the packages that Nestling stands on."""

from __future__ import annotations

import importlib
import platform
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from .. import child
from .finding import Finding

NEEDED = ("numpy", "onnxruntime", "tokenizers", "usearch", "numkong", "click")
# What is only needed for something, with the extra that it comes with. Of readers their files tell.
OPTIONAL = {
    "chardet": ("files", "guessing the encoding of texts that do not tell it"),
    "pathspec": ("files", "patterns of files to pass over"),
    "pyarrow": ("parquet", "dump to .parquet"),
    "ir_measures": ("eval", "eval"),
}

_OLDEST = (3, 10)
_PACKAGE = __name__.split(".", maxsplit=1)[0]
_REQUIREMENT = re.compile(r"([\w.-]+)\s*(?:\[[^]]*\])?\s*\(?([^;()]*)")


def python() -> Iterator[Finding]:
    """This Python, and whether there is one that files can be read by in a process of their own."""
    system = f"{platform.system()} {platform.machine()}"
    name = f"{platform.python_version()}, {platform.python_implementation()} on {system}"
    if sys.version_info >= _OLDEST:
        yield Finding("python", "fine", name)
    else:
        yield Finding("python", "broken", name, f"install Python {'.'.join(map(str, _OLDEST))} or newer")
    from .. import __version__

    carried = "" if _PACKAGE == "nestling" else f" as {__name__.rpartition('.doctor')[0]}"
    yield Finding("nestling", "fine", f"{__version__}{carried}, in {Path(__file__).parent.parent}")
    if (program := child.python()) is not None:
        yield Finding("processes", "fine", f"files are read in a process of their own, by {program}")
    else:
        found = "there is no Python beside this program: files are read within it, without a limit of time and memory"
        yield Finding("processes", "missing", found, "do not read files of others, or install Python beside it")


def package(name: str) -> Iterator[Finding]:
    """A package, imported, and whether its version is one that works."""
    extra, purpose = OPTIONAL.get(name, ("", ""))
    install = f"pip install 'nestling[{extra}]'" if extra else f"pip install '{name}{_wanted(name)}'"
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name and extra:
            yield Finding(name, "missing", f"is not there; it is for {purpose}", f"get it with: {install}")
        else:
            yield Finding(name, "broken", f"needs {error.name}, which is not there", f"get it with: {install}")
        return
    except Exception as error:  # a library that does not fit this machine raises nearly anything
        again = f"pip install --force-reinstall {name}"
        yield Finding(name, "broken", f"cannot be imported ({type(error).__name__}: {error})", f"try: {again}")
        return
    there = _version(name)
    if there and not fits(there, wanted := _wanted(name)):
        yield Finding(name, "broken", f"{there}, expected {wanted}", f"get another with: pip install '{name}{wanted}'")
    else:
        yield Finding(name, "fine", there or "of a version that it does not tell")


def fits(version: str, wanted: str) -> bool:
    """Whether a version is one of those that a requirement as `>=2.22,!=2.26.2` leaves."""
    for sign, other in re.findall(r"(>=|<=|!=|==|<|>)\s*([\d.]+)", wanted):
        mine, its = _numbers(version), _numbers(other)
        length = max(len(mine), len(its))
        mine, its = (numbers + (0,) * (length - len(numbers)) for numbers in (mine, its))
        if not {">=": mine >= its, "<=": mine <= its, "!=": mine != its, "==": mine == its}.get(
            sign, mine < its if sign == "<" else mine > its
        ):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # as where it is carried within a program
        return str(getattr(sys.modules[name], "__version__", ""))


def _wanted(name: str) -> str:
    """What Nestling says of a package's version; empty where it was not installed as a package."""
    try:
        lines = requires("nestling") or []
    except PackageNotFoundError:
        return ""
    for line in lines:
        found = _REQUIREMENT.match(line)
        if found is not None and found[1].replace("-", "_").lower() == name:
            return found[2].strip()
    return ""
