"""Servers in containers; a stand-in for Docker starts the mongod of the wheel, and puts it into none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Self

import pytest
from support import connected, needs_processes

from mongolock_async import LockRepository
from mongolock_async.testing import Mongod, ReplicaSet, _container, _guardian, _source, find_binary

ROOT = Path(__file__).parents[2]


class EngineError(Exception):
    """docker.errors.DockerException."""


class Engine:
    """What ``docker.from_env`` gives, and what has been started by it."""

    def __init__(self) -> None:
        self.answers = True
        self.running: list[DockerContainer] = []

    def ping(self) -> None:
        if not self.answers:
            raise EngineError

    def close(self) -> None:
        pass


class DockerContainer:
    """As testcontainers has it."""

    engine: Engine
    binary: str
    log = b"disk on fire\n"

    def __init__(self, image: str) -> None:
        self.image = image
        self.command: list[str] = []
        self.ports: dict[int, int] = {}
        self.folder = tempfile.mkdtemp(prefix="mongolock-")
        self.guardian: subprocess.Popen[bytes] | None = None

    def with_command(self, command: list[str]) -> Self:
        self.command = command
        return self

    def with_bind_ports(self, container: int, host: int) -> Self:
        self.ports[container] = host
        return self

    def start(self) -> Self:
        guardian = [sys.executable, "-I", _guardian.__file__, self.folder]
        own = ["--dbpath", self.folder, "--bind_ip", "127.0.0.1", "--nounixsocket"]
        self.guardian = subprocess.Popen(
            [*guardian, self.binary, *self.command, *own], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.guardian.stdin is not None
        self.guardian.stdin.write(b"s")
        self.guardian.stdin.flush()
        self.engine.running.append(self)
        return self

    def get_container_host_ip(self) -> str:
        return "127.0.0.1"

    def get_logs(self) -> tuple[bytes, bytes]:
        return self.log, b""

    def stop(self) -> None:
        if self.guardian is None:
            shutil.rmtree(self.folder)
            return
        self.guardian.communicate()
        self.engine.running.remove(self)


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """No mongod but in containers, and an engine for them."""
    needs_processes()
    engine = Engine()
    monkeypatch.setattr(DockerContainer, "engine", engine, raising=False)
    monkeypatch.setattr(DockerContainer, "binary", str(find_binary()), raising=False)
    monkeypatch.setattr(_source, "find_binary", lambda: None)
    modules: dict[str, dict[str, object]] = {
        "docker": {"from_env": lambda **_: engine},
        "docker.errors": {"DockerException": EngineError},
        "testcontainers": {},
        "testcontainers.core": {},
        "testcontainers.core.container": {"DockerContainer": DockerContainer},
    }
    for name, members in modules.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
        parent, _, last = name.rpartition(".")
        if parent:
            monkeypatch.setattr(sys.modules[parent], last, module, raising=False)
    yield engine
    assert engine.running == []


async def test_a_mongod_in_a_container_is_a_standalone_and_no_process_of_ours(engine: Engine) -> None:
    async with Mongod(["--setParameter", "logLevel=1"]) as server:
        (container,) = engine.running
        assert container.image == "mongo:8"
        assert container.command[-2:] == ["--setParameter", "logLevel=1"]
        (port,) = container.ports
        assert container.ports == {port: port}
        assert server.uri == f"mongodb://127.0.0.1:{port}/?directConnection=true"
        async with connected("pymongo", server.uri) as client:
            assert "setName" not in await client.admin.command("hello")
        with pytest.raises(_source.UnavailableError, match="not a process of ours"):
            _ = server.node


async def test_a_set_of_one_in_a_container_is_a_replica_set_to_both_drivers() -> None:
    async with ReplicaSet(1) as servers:
        for driver in ("pymongo", "motor"):
            async with connected(driver, servers.uri) as client, LockRepository(client.app.locks) as locks:
                async with locks.lock("cron", timeout=10) as lease:
                    assert lease.fencing_token > 0
                assert len(client.nodes) == 1
                assert (await client.admin.command("hello"))["setName"] == "mongolock"
        with pytest.raises(_source.UnavailableError, match="not processes of ours"):
            await servers.primary()


async def test_a_set_of_three_is_not_to_be_had_from_containers(engine: Engine) -> None:
    with pytest.raises(_source.UnavailableError, match="of one node"):
        await ReplicaSet(3).__aenter__()
    assert engine.running == []


async def test_a_container_that_does_not_serve_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_container, "START_SECONDS", 0)
    with pytest.raises(RuntimeError, match=r"mongo:8 does not serve on \S+:\ndisk on fire"):
        await Mongod().__aenter__()


@pytest.mark.parametrize("step", ["__init__", "start"])
async def test_a_container_that_cannot_be_started_is_done_with(
    monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fails(*_: object) -> None:
        raise EngineError("no such image")

    monkeypatch.setattr(DockerContainer, step, fails)
    with pytest.raises(EngineError, match="no such image"):
        await Mongod().__aenter__()


@pytest.mark.parametrize("error", [EngineError, OSError])
def test_an_engine_that_does_not_answer_does_not_count(engine: Engine, error: type[Exception]) -> None:
    assert _source.docker_runs()
    engine.answers = False
    engine.ping = lambda: (_ for _ in ()).throw(error)  # type: ignore[method-assign]
    assert not _source.docker_runs()


def test_without_testcontainers_an_engine_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "testcontainers.core.container", None)
    assert not _source.docker_runs()


def test_what_needs_a_process_or_several_nodes_is_skipped_with_that_reason(
    standalone: Mongod, tmp_path: Path
) -> None:
    """On a server of somebody else's, as in a container."""
    path = tmp_path / "test_needs.py"
    path.write_text("def test_it(replica_set): pass\ndef test_more(standalone): standalone.node.stop()\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", "-pno:cacheprovider", "-pconftest", str(path)],
        cwd=ROOT,
        env={
            **os.environ,
            "MONGODB_URI": standalone.uri,
            "PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT}",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "MONGODB_URI is not a replica set" in run.stdout
    assert "is not a process of ours" in run.stdout
    assert "2 skipped" in run.stdout
