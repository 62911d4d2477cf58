"""The shape of the package, held still."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mongolock_async

PACKAGE = Path(mongolock_async.__file__).parent
# From the top down; a module imports only from ranks below its own.
RANKS = [
    {"__init__"},
    {"_repository"},
    {"_inspection", "_lock", "_ticks"},
    {"_session"},
    {"_queue"},
    {"_place"},
    {"_claims"},
    {"_holding"},
    {"_lease"},
    {"_fence"},
    {"_index"},
    {"_keepalive", "_waiting", "_feed", "_store", "_request", "_clock", "_background"},
    {"_link"},
    {"_protocol", "_projection", "_stream", "_attempts"},
    {"_expressions", "_document", "_stats", "_collection"},
    {"_settings"},
    {"_errors"},
]
RANK = {module: number for number, modules in enumerate(RANKS) for module in modules}
MODULES = sorted(PACKAGE.glob("*.py"))
LONGEST = 250


def imports(path: Path) -> set[str]:
    """The names of everything a module imports; its siblings with their leading dot cut off."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            found |= {node.module} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {str(name) for name in found}


def test_every_module_has_its_rank() -> None:
    assert {path.stem for path in MODULES} == set(RANK)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports_point_one_way(path: Path) -> None:
    siblings = imports(path) & set(RANK)
    assert all(RANK[sibling] > RANK[path.stem] for sibling in siblings), siblings


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_only_the_store_talks_to_a_driver(path: Path) -> None:
    drivers = {name for name in imports(path) if name.split(".")[0] in {"pymongo", "motor", "bson"}}
    # The fence writes to collections of the user; only the store writes locks.
    assert not drivers or path.stem in {
        *("_store", "_link", "_stream", "_attempts"),
        *("_collection", "_fence"),
    }


@pytest.mark.parametrize("module", ["_keepalive", "_waiting", "_feed"])
def test_loops_know_no_mongodb(module: str) -> None:
    assert imports(PACKAGE / f"{module}.py") & set(RANK) <= {"_stats", "_errors"}


@pytest.mark.parametrize("module", ["_protocol", "_projection", "_expressions"])
def test_the_protocol_has_no_clock_and_no_io(module: str) -> None:
    foreign = imports(PACKAGE / f"{module}.py") - set(RANK)
    assert foreign <= {"__future__", "collections.abc", "typing"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_no_module_is_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST


def test_the_public_names_are_these() -> None:
    assert mongolock_async.__all__ == [
        "Fenced",
        "Holder",
        "Latency",
        "Lease",
        "LeaseLostError",
        "Lock",
        "LockBackendError",
        "LockError",
        "LockInfo",
        "LockRepository",
        "LockTimeoutError",
        "StaleTokenError",
        "Stats",
        "Waiter",
    ]


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()
