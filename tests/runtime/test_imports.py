"""What an import costs, and which room may know which."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nestling
from processes import guarded_environment

ROOT = Path(nestling.__file__).parent
HEAVY = ("torch", "transformers", "optimum", "huggingface_hub", "onnx", "requests", "urllib3")

# A room may import from itself and from the rooms named here; the rooms further up are not to be known.
MAY_IMPORT = {
    "errors": set(),
    "child": set(),
    "encoding": {"child", "errors"},
    "vectors": {"errors"},
    "library": {"child", "errors", "encoding", "vectors"},
    "demo": {"library"},
    "evaluate": {"errors", "encoding", "library"},
    "show": {"encoding", "library"},
    "options": set(),
    "measuring": {"encoding", "evaluate", "options", "show"},
    "cli": {"errors", "encoding", "vectors", "library", "demo", "measuring", "options", "show"},
}


def run(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=guarded_environment()).stdout


def modules_below(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py")) if (ROOT / room).is_dir() else [ROOT / f"{room}.py"]


def imported(path: Path) -> set[str]:
    """Full names of the package's modules that a file imports, at the top or inside functions."""
    package = ["nestling", *path.relative_to(ROOT).parts[:-1]]
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            names.add(".".join([*base, *(node.module or "").split(".")]).strip("."))
            if not node.module:
                names |= {".".join([*base, alias.name]) for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def test_importing_nestling_loads_nothing_heavy() -> None:
    loaded = run("import sys, nestling; print(*sys.modules)").split()
    assert "nestling" in loaded
    assert not {"numpy", "onnxruntime", "tokenizers", *HEAVY} & set(loaded)


def test_all_of_the_runtime_at_work_loads_no_export_tool_and_opens_no_socket() -> None:
    code = (
        "import sys, tempfile, nestling\n"
        "lib = nestling.Library(tempfile.mkdtemp() + '/a.nest')\n"
        "lib.add([nestling.Document('a', 'owls hunt at night')])\n"
        "assert lib.search('owls')[0].id == 'a'\n"
        "index = nestling.Index(dim=384)\n"
        "index.add([1], lib.encoder.encode(['owls'], role='document'))\n"
        "import nestling.cli\n"
        "print(*sys.modules)"
    )
    loaded = run(code).split()
    assert "onnxruntime" in loaded
    assert not set(HEAVY) & set(loaded)


def test_a_search_by_words_does_not_start_the_encoder(tmp_path: Path) -> None:
    code = (
        f"import sys, nestling\nlib = nestling.Library({str(tmp_path / 'a.nest')!r})\n"
        "lib.search('owls', mode='lexical')\nprint(*sys.modules)"
    )
    assert "onnxruntime" not in run(code).split()


def test_the_guard_would_see_a_socket() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        run("import socket; socket.socket()")


def test_every_module_belongs_to_a_room() -> None:
    rooms = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in ROOT.rglob("*.py")}
    assert rooms - {"__init__", "export", "models"} == set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_go_down_only(room: str) -> None:
    for path in modules_below(room):
        rooms = {name.split(".")[1] for name in imported(path) if name.startswith("nestling.")}
        assert rooms <= MAY_IMPORT[room] | {room}, path


def test_modules_do_not_import_in_a_circle() -> None:
    names = {}
    for path in ROOT.rglob("*.py"):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        names[".".join(["nestling", *(parts[:-1] if parts[-1] == "__init__" else parts)])] = path
    graph = {name: {other for other in imported(path) if other in names} - {name} for name, path in names.items()}
    del graph["nestling"]  # its names are loaded lazily, after the module that asks for them
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"circle: {' -> '.join([*trail, name])}"
        if name not in done and name in graph:
            for other in sorted(graph[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_only_four_files_know_sqlite() -> None:
    speakers = {path.name for path in ROOT.rglob("*.py") if "sqlite3" in imported(path)}
    assert speakers == {"database.py", "store.py", "schema.py", "audit.py"}


def test_every_public_name_can_be_had() -> None:
    for name in nestling.__all__:
        assert getattr(nestling, name) is not None
    with pytest.raises(AttributeError, match="module 'nestling' has no attribute 'Nest'"):
        nestling.Nest  # noqa: B018
