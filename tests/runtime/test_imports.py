"""What an import costs, and which room may know which."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import nestling
from processes import guarded_environment

HEAVY = ("torch", "transformers", "optimum", "huggingface_hub", "onnx", "requests", "urllib3")

# A room may import from itself and from the rooms named here; the rooms further up are not to be known.
GROUND = {"arrays", "checks", "disk", "document", "errors", "place"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "arrays": set(),
    "checks": set(),
    "disk": set(),
    "child": {"errors"},
    "forked": {"errors"},
    "processors": set(),
    "user_folders": set(),
    "place": set(),
    "scripts": set(),
    "document": GROUND - {"document"},
    "readers": GROUND | {"child"},
    "bundle": GROUND,
    "encoding": GROUND | {"bundle", "processors", "scripts", "user_folders"},
    "tuning": GROUND | {"bundle", "child", "encoding", "user_folders"},
    "vectors": GROUND,
    "library.store": GROUND | {"forked", "scripts", "vectors"},
    "library.intake": GROUND | {"bundle", "encoding", "forked", "readers", "vectors", "library.store"},
    "library.search": GROUND | {"bundle", "encoding", "vectors", "library.intake", "library.store"},
    "library": GROUND
    | {"bundle", "encoding", "forked", "readers", "vectors", "library.intake", "library.search", "library.store"},
    "demo": {"document"},
    "doctor": GROUND
    | {"bundle", "child", "encoding", "library", "library.store", "processors", "readers", "user_folders", "vectors"},
    "evaluate": GROUND | {"encoding", "library", "library.search", "readers"},
    "service": GROUND | {"bundle", "encoding", "library", "library.intake", "library.search", "library.store"},
    "commands": GROUND
    | {"bundle", "demo", "doctor", "encoding", "evaluate", "service", "tuning", "vectors"}
    | {"library", "library.intake", "library.search", "library.store"},
    "cli": {"commands"},
    "export": {"arrays", "commands", "disk", "errors"},
    "export.recipe": {"checks", "disk", "errors", "export"},
    "export.source": {"arrays", "disk", "export", "export.recipe"},
    "export.encoder": GROUND | {"bundle", "encoding", "export", "export.recipe", "export.source"},
    "export.quantize": GROUND | {"demo", "encoding", "export", "export.encoder", "export.recipe"},
    "export.train": GROUND
    | {"encoding", "export", "export.encoder", "export.quantize", "export.recipe", "export.source"},
    "export.bundle": GROUND
    | {"bundle", "demo", "encoding", "export", "export.encoder", "export.quantize", "export.recipe", "export.source"},
}
# What chains everything in its half.
TOP = {"nestling.export.build", "nestling.export.cli"}


def run(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=guarded_environment()).stdout


def modules() -> dict[str, Path]:
    """All modules by their full name, but the package itself and the bundles."""
    names = {}
    for package in ("nestling", "nestling.export"):
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        root = Path(spec.origin).parent
        for path in sorted(root.rglob("*.py")):
            name = ".".join([package, *path.relative_to(root).with_suffix("").parts])
            names[name.removesuffix(".__init__")] = path
    return {name: path for name, path in names.items() if name != "nestling" and not name.startswith("nestling.models")}


def imported(name: str, path: Path) -> set[str]:
    """Full names of the package's modules that a module imports, at the top or inside functions."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            full = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            names |= {full, *(f"{full}.{alias.name}" for alias in node.names)}
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


def room_of(name: str) -> str:
    """The innermost room that a module belongs to."""
    parts = name.split(".")[1:]
    known = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((room for room in known if room in MAY_IMPORT), "")


def test_every_module_belongs_to_a_room_and_every_room_has_one() -> None:
    rooms = {name: room_of(name) for name in modules()}
    assert [name for name, room in rooms.items() if not room] == []
    assert set(rooms.values()) == set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_go_down_only(room: str) -> None:
    known = modules()
    for name in [name for name in known if room_of(name) == room and name not in TOP]:
        rooms = {room_of(other) for other in imported(name, known[name]) if other in known}
        assert rooms <= MAY_IMPORT[room] | {room}, name


def test_modules_do_not_import_in_a_circle() -> None:
    known = modules()
    graph = {name: (imported(name, path) & set(known)) - {name} for name, path in known.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"circle: {' -> '.join([*trail, name])}"
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_few_files_know_sqlite() -> None:
    speakers = {path.name for name, path in modules().items() if "sqlite3" in imported(name, path)}
    assert speakers == {"database.py", "schema.py", "audit.py", "failures.py", "sqlite.py"}


def test_every_public_name_can_be_had_and_is_listed() -> None:
    assert set(nestling.__all__) <= set(dir(nestling))
    for name in nestling.__all__:
        assert getattr(nestling, name) is not None
    with pytest.raises(AttributeError, match="module 'nestling' has no attribute 'Nest'"):
        nestling.Nest  # noqa: B018
