"""The version of a module's code: a digest of its source and of all that it imports from its own package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from hashlib import sha256
from importlib.util import find_spec, resolve_name
from pathlib import Path


def code_version(module: str) -> str:
    """Twelve hexadecimal digits, the same until the code of a module or of one that it imports is another.

    Comments, docstrings and layout do not count. Another version of Python may give other digits.

    Args:
        module: its full name.
    """
    return sha256(repr(sorted(sources(module).items())).encode()).hexdigest()[:12]


def sources(module: str) -> dict[str, str]:
    """The code of a module, and of all modules of its package that it or they import, by name.

    They are followed wherever they are imported: at the top, in a function, or for types alone.
    """
    package, found, waiting = module.partition(".")[0], dict[str, str](), [module]
    while waiting:
        name = waiting.pop()
        path = None if name in found or name.partition(".")[0] != package else _file(name)
        if path is not None:
            tree = ast.parse(path.read_bytes())
            waiting += _imported(tree, name if path.name == "__init__.py" else name.rpartition(".")[0])
            found[name] = ast.dump(_without_docstrings(tree))
    return found


def _file(name: str) -> Path | None:
    """The source of a module; None where the name is of something else, as of a function in a module."""
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return None
    return None if spec is None or spec.origin is None else Path(spec.origin)


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    """Full names of all that a module imports, and of what may be a module among it.

    Args:
        package: what relative names begin from.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            del node.body[0]
    return tree
