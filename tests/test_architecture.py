"""The shape of the project, held still (docs/architecture.md)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import mongolock_async

PACKAGE = Path(mongolock_async.__file__).parent
ROOT = PACKAGE.parent
MODULES = sorted(PACKAGE.rglob("*.py"))
DRIVERS = {"pymongo", "motor", "bson", "gridfs"}
# What the modules of a room may import of the other rooms.
ALLOWED = {
    "_api": ("_engine", "_protocol"),
    "_engine": ("_protocol",),
    "_mongo": ("_engine.backend", "_protocol"),
    "_memory": ("_engine.backend", "_protocol"),
    "_protocol": (),
    "testing": ("_memory.locks",),
    "__init__": ("_api",),
    "monitoring": ("_engine.events", "_engine.listeners"),
    "otel": ("monitoring",),
    # These use the public names, and nothing else.
    "_cli": (),
    "__main__": ("_cli",),
}
# And single modules, beyond that.
EXCEPTIONS = {
    "_api.backends": ("_mongo.backend", "_mongo.renewer", "_mongo.collection", "_memory.locks"),
    "_api.repository": ("_mongo.collection", "_memory.locks"),
    "_api.fence": ("_mongo.fence", "_mongo.collection"),
    "_api.lease": ("_mongo.collection",),
}
FLAT = 8
LONGEST = 250
# The whole of it is documented in one class, whose methods are what users look for.
FACADE = "_api.repository"
LONGEST_FACADE = 650


def name_of(path: Path, root: Path = PACKAGE) -> str:
    """As it is imported, from its root on."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def room_of(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def imported(path: Path, root: Path) -> Iterator[str]:
    """Everything that a module imports, also for its types alone; absolute names."""
    here = [*root.parts[-1:], *path.relative_to(root).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            for alias in node.names:
                submodule = root.parent.joinpath(*module.split("."), f"{alias.name}.py")
                yield f"{module}.{alias.name}" if submodule.exists() else module


def siblings(path: Path) -> set[str]:
    """What a module imports of this package."""
    own = f"{PACKAGE.name}."
    return {name.removeprefix(own) for name in imported(path, PACKAGE) if name.startswith(own)}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_room_imports_only_what_lies_below_it(path: Path) -> None:
    name = name_of(path)
    room = room_of(name)
    allowed = (room, *ALLOWED.get(room, ()), *EXCEPTIONS.get(name, ()), "_errors", "_settings")
    for other in siblings(path):
        assert any(other == prefix or other.startswith(f"{prefix}.") for prefix in allowed), other


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_one_room_knows_a_driver(path: Path) -> None:
    drivers = {name for name in imported(path, PACKAGE) if name.split(".")[0] in DRIVERS}
    name = name_of(path)
    assert not drivers or room_of(name) in {"_mongo", "testing"} or name == "_cli.connection"


@pytest.mark.parametrize("path", [path for path in MODULES if path.parent.name == "_protocol"], ids=name_of)
def test_the_protocol_has_no_clock_and_no_io(path: Path) -> None:
    foreign = {name for name in imported(path, PACKAGE) if not name.startswith(PACKAGE.name)}
    assert foreign <= {"__future__", "collections.abc", "dataclasses", "functools", "typing"}


@pytest.mark.parametrize(
    "folder", ["mongolock_async", "demo", "benchmarks", "tests/chaos", "tests/exploration"]
)
def test_no_modules_import_each_other_in_a_circle(folder: str) -> None:
    root = ROOT / folder
    own = f"{root.name}."
    graph = {
        name_of(path, root): {name.removeprefix(own) for name in imported(path, root) if name.startswith(own)}
        for path in root.rglob("*.py")
    }
    assert len(graph) > 1
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_few_modules_lie_outside_of_the_rooms() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= FLAT


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_is_long(path: Path) -> None:
    longest = LONGEST_FACADE if name_of(path) == FACADE else LONGEST
    assert len(path.read_text().splitlines()) <= longest


def test_the_public_names_are_these() -> None:
    assert mongolock_async.__all__ == [
        "Election",
        "Fenced",
        "Holder",
        "Latency",
        "Leader",
        "Lease",
        "LeaseLostError",
        "Lock",
        "LockAll",
        "LockBackendError",
        "LockError",
        "LockInfo",
        "LockRepository",
        "LockTimeoutError",
        "RWLock",
        "Schedule",
        "StaleTokenError",
        "Stats",
        "Waiter",
    ]


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()


def test_every_module_of_a_room_stands_in_the_map() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    modules = [path.stem for path in PACKAGE.glob("*/*.py") if path.stem != "__init__"]
    assert [module for module in modules if f"`{module}`" not in text] == []


def test_each_row_of_the_map_is_a_module_that_is_there_and_stands_once() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    tables = re.findall(r"^\| `(_\w+)` \| \|\n\|---\|---\|\n((?:\|.*\n)+)", text, flags=re.MULTILINE)
    assert {"_api", "_engine", "_mongo", "_memory", "_protocol"} <= {room for room, _ in tables}
    for room, rows in tables:
        cells = re.findall(r"^\|([^|]*)\|", rows, flags=re.MULTILINE)
        named = re.findall(r"`(\w+)`", "".join(cells))
        assert sorted(named) == sorted(
            path.stem for path in PACKAGE.joinpath(room).glob("*.py") if path.stem != "__init__"
        )
