"""Locks over TLS."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme
from pymongo.monitoring import ConnectionCreatedEvent, ConnectionPoolListener
from secured import running
from support import connected, until

from mongolock_async import LockBackendError, LockRepository
from mongolock_async.testing import ReplicaSet

PASSWORD = "password-that-nobody-may-see"


class Certificates:
    """A certificate authority, and what it has signed, as files."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.authority = folder / "ca.pem"
        self.server = folder / "server.pem"
        self.client = folder / "client.pem"
        self.stranger = folder / "stranger.pem"
        authority.cert_pem.write_to_path(self.authority)
        server = authority.issue_cert("127.0.0.1", "localhost")
        server.private_key_and_cert_chain_pem.write_to_path(self.server)
        client = authority.issue_cert(common_name="client")
        client.private_key_and_cert_chain_pem.write_to_path(self.client)
        trustme.CA().cert_pem.write_to_path(self.stranger)


class Created(ConnectionPoolListener):
    """Counts the connections that the pool of a client opens."""

    def __init__(self) -> None:
        self.count = 0

    def connection_created(self, event: ConnectionCreatedEvent) -> None:  # noqa: ARG002 - the driver names it
        self.count += 1

    def _nothing(self, event: object) -> None:
        pass

    connection_ready = connection_closed = connection_checked_in = connection_checked_out = _nothing
    connection_check_out_started = connection_check_out_failed = _nothing
    pool_created = pool_ready = pool_cleared = pool_closed = _nothing


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def servers(certificates: Certificates) -> Iterator[ReplicaSet]:
    files = ["--tlsCertificateKeyFile", str(certificates.server), "--tlsCAFile", str(certificates.authority)]
    # Those who start the server ask without TLS whether it serves.
    mode = ["--tlsMode", "preferTLS", "--tlsAllowConnectionsWithoutCertificates"]
    with running(ReplicaSet(1, args=[*mode, *files])) as started:
        yield started


@pytest.fixture
async def client(servers: ReplicaSet, driver: str) -> AsyncIterator[Callable[..., Any]]:
    """Makes clients."""
    async with AsyncExitStack() as stack:

        async def make(uri: str = servers.uri, **options: Any) -> Any:
            return await stack.enter_async_context(connected(driver, uri, **options))

        yield make


async def handshakes(servers: ReplicaSet) -> int:
    """How many connections with TLS the server has counted, over a connection without."""
    status = await servers.nodes[0].command("serverStatus")
    return sum(status["transportSecurity"].values())


async def test_all_connections_of_the_locks_are_tls(
    servers: ReplicaSet, client: Callable[..., Any], certificates: Certificates
) -> None:
    before, created = await handshakes(servers), Created()
    connection = await client(tls=True, tlsCAFile=str(certificates.authority), event_listeners=[created])
    await lock_and_wait(connection)
    assert created.count > 0
    assert await handshakes(servers) - before >= created.count


async def test_a_client_without_tls_is_counted_as_such(
    servers: ReplicaSet, client: Callable[..., Any]
) -> None:
    before = await handshakes(servers)
    await lock_and_wait(await client())
    assert await handshakes(servers) == before


async def test_locks_work_with_a_certificate_of_the_client(
    client: Callable[..., Any], certificates: Certificates
) -> None:
    files = {
        "tlsCAFile": str(certificates.authority),
        "tlsCertificateKeyFile": str(certificates.client),
    }
    await lock_and_wait(await client(tls=True, **files))


async def test_a_client_that_does_not_trust_the_server_is_told_so(
    servers: ReplicaSet, client: Callable[..., Any], certificates: Certificates
) -> None:
    uri = servers.uri.replace("mongodb://", f"mongodb://somebody:{PASSWORD}@")
    connection = await client(uri, tls=True, tlsCAFile=str(certificates.stranger))
    locks = LockRepository(connection["test"]["locks"], command_timeout=1)
    with pytest.raises(LockBackendError) as caught:
        await locks.obtain("cron")
    assert "certificate verify failed" in str(caught.value.__cause__).lower()
    assert str(caught.value) == "obtain 'cron': MongoDB failed: ServerSelectionTimeoutError"
    await locks.aclose()


async def lock_and_wait(client: Any) -> None:
    """Obtain, wait to be called, and hold in a block."""
    database = f"test_{uuid.uuid4().hex}"
    collection = client[database]["locks"]
    async with LockRepository(collection) as locks, LockRepository(collection) as others:
        lease = await locks.obtain("cron")
        assert lease is not None
        waiter = asyncio.create_task(others.acquire("cron", timeout=20))
        await until(lambda: _by_calls(others))
        await lease.release()
        await (await waiter).release()
        async with locks.lock("cron") as lease:
            assert lease.held
    await client.drop_database(database)


async def _by_calls(locks: LockRepository) -> bool:
    return locks.stats().waits_by == "calls"
