"""Servers, drivers and repositories for the tests. Every server is real."""

from __future__ import annotations

import asyncio
import gc
import importlib
import pkgutil
import uuid
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import pytest
from coverage import Coverage
from faulty import FaultyLocks
from one_thread import OneThreadLoop
from pymongo import MongoClient
from support import CommandLog, connected
from virtual import VirtualLoop

import mongolock_async
from mongolock_async import LockRepository
from mongolock_async.testing import Mongod, ReplicaSet
from mongolock_async.testing._source import Docker, UnavailableError, find_source

MakeRepository = Callable[..., LockRepository]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]

# Rooms whose tests need no server, and run in virtual time.
VIRTUAL = {"engine", "api", "memory", "cli"}


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, LoopFactory]:
    """In which loop a test runs."""
    return {"virtual": VirtualLoop} if is_virtual(item) else {"real": OneThreadLoop}


def is_virtual(item: pytest.Item) -> bool:
    """Whether the test is in one of those rooms."""
    return item.path.parent.name in VIRTUAL


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Skip what needs three nodes, signals or arguments, where the server is in a container, or another's."""
    try:
        return (yield)
    except UnavailableError as error:
        pytest.skip(str(error))


pytest_runtest_setup = pytest_runtest_call


@contextmanager
def without_coverage() -> Iterator[None]:
    """Nothing counts during the block; pytest-cov's own marker for this fails with `--no-cov`."""
    stopped = []
    # In a worker of pytest-xdist there are two: where one is stopped, the one below it goes on.
    while tracer := Coverage.current():
        tracer.stop()
        stopped.append(tracer)
    try:
        yield
    finally:
        for tracer in reversed(stopped):
            tracer.start()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """No coverage while tests are collected, and no garbage: that would take twice the time.

    The package is imported before, so that its lines count. The thousands of objects of the test runner stay:
    the collector looks through none of them, now or later.
    """
    for module in pkgutil.walk_packages(mongolock_async.__path__, "mongolock_async."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    gc.disable()
    try:
        with without_coverage():
            return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.fixture
def untraced() -> Iterator[None]:
    """No coverage: it would take more time than the many steps of such a test; others take each of them."""
    with without_coverage():
        yield


@pytest.fixture(scope="session")
def standalone() -> Iterator[Mongod]:
    server = Mongod()
    asyncio.run(server.__aenter__())
    yield server
    asyncio.run(server.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def replica_set() -> Iterator[ReplicaSet]:
    server = ReplicaSet(1 if isinstance(find_source(), Docker) else 3)
    asyncio.run(server.__aenter__())
    yield server
    asyncio.run(server.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def stands_alone(standalone: Mongod) -> bool:
    """Whether it does: the server at MONGODB_URI may be a replica set."""
    with MongoClient[dict[str, Any]](standalone.uri) as client:
        return "setName" not in client.admin.command("hello")


@pytest.fixture(params=["standalone", "replica_set"])
def uri(request: pytest.FixtureRequest) -> str:
    server: Mongod | ReplicaSet = request.getfixturevalue(request.param)
    if request.param == "standalone" and not request.getfixturevalue("stands_alone"):
        pytest.skip("MONGODB_URI is a replica set, on which the same is tested")
    return server.uri


@pytest.fixture(params=["pymongo", "motor"])
def driver(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def commands() -> CommandLog:
    """Every command that the test's client sends."""
    return CommandLog()


@pytest.fixture
async def client(uri: str, driver: str, commands: CommandLog) -> AsyncIterator[Any]:
    async with connected(driver, uri, event_listeners=[commands]) as client:
        yield client


@pytest.fixture
async def collection(client: Any) -> AsyncIterator[Any]:
    """An empty collection in a database of its own."""
    database = client[f"test_{uuid.uuid4().hex}"]
    yield database["locks"]
    await client.drop_database(database.name)


@pytest.fixture
async def memory() -> FaultyLocks:
    """Locks without a server."""
    return FaultyLocks()


@pytest.fixture
def store(collection: Any) -> Any:
    """What repositories are made on."""
    return collection


@pytest.fixture
async def make(store: Any) -> AsyncIterator[MakeRepository]:
    """Makes repositories on the test's store; each is closed afterwards."""
    async with AsyncExitStack() as stack:

        def make(**options: Any) -> LockRepository:
            locks = LockRepository(store, **options)
            stack.push_async_callback(locks.aclose)
            return locks

        yield make


@pytest.fixture
def locks(make: MakeRepository) -> LockRepository:
    return make()


@pytest.fixture
def others(make: MakeRepository) -> LockRepository:
    """A second repository on the same collection, as another process would have it."""
    return make()


@pytest.fixture
def plain(standalone: Mongod) -> Iterator[Any]:
    """A collection of PyMongo's blocking client: for the protocol as data, without the package's I/O."""
    with MongoClient[dict[str, Any]](standalone.uri) as client:
        database = client[f"test_{uuid.uuid4().hex}"]
        yield database["locks"]
        client.drop_database(database)
