"""The two Opspawns that are measured: embedded in one process, and separate processes on servers."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks.processes import answers, open_folder, python_process
from benchmarks.starts import Starts

from opspawn.embedded import look
from support.databases import Databases
from support.server_process import free_port

PROGRAM = ("-m", "benchmarks.noop_opspawn")

#: Seconds: what a worker still runs when it is told to stop interests nobody.
DRAIN_GRACE_S = "1"


@dataclass(frozen=True, slots=True)
class Opspawn:
    """A running Opspawn with one worker, whose tasks report to `starts`."""

    name: str
    api_port: int
    grpc_port: int
    database_url: str
    """postgresql://…: the benchmark reads there when its tasks were completed."""

    starts: Starts


@contextmanager
def embedded(starts: Starts) -> Iterator[Opspawn]:
    """`opspawn up`: everything in one process, on a PostgreSQL of its own."""
    folder = open_folder()
    api_port, grpc_port = free_port(), free_port()
    environment = {
        **settings(api_port, grpc_port),
        **starts.environment,
        "OPSPAWN_DATA_DIR": str(folder / "data"),
    }
    with python_process(
        [*PROGRAM, "up"], environment, folder=folder, is_ready=lambda: answers(api_port)
    ):
        url = look(folder / "data").url
        assert url is not None, "an Opspawn that is ready has its PostgreSQL running"
        yield Opspawn("embedded", api_port, grpc_port, plain(url), starts)


@contextmanager
def on_servers(starts: Starts, databases: Databases, rabbitmq_url: str) -> Iterator[Opspawn]:
    """`opspawn api`, `grpc`, `dispatcher` and one `worker`, each a process."""
    database_url = databases.create()
    api_port, grpc_port = free_port(), free_port()
    environment = {
        **settings(api_port, grpc_port),
        **starts.environment,
        "DATABASE_URL": database_url,
        "RABBITMQ_URL": rabbitmq_url,
    }
    with ExitStack() as running:
        running.callback(databases.drop, database_url)
        for role in ("dispatcher", "worker", "grpc"):
            running.enter_context(python_process([*PROGRAM, role], environment))
        running.enter_context(
            python_process([*PROGRAM, "api"], environment, is_ready=lambda: answers(api_port))
        )
        yield Opspawn("servers", api_port, grpc_port, plain(database_url), starts)


@contextmanager
def doors(databases: Databases, rabbitmq_url: str) -> Iterator[tuple[int, int, str]]:
    """`opspawn api` and `grpc` alone: their ports and database. Nobody takes what is submitted."""
    database_url = databases.create()
    api_port, grpc_port = free_port(), free_port()
    environment = {
        **settings(api_port, grpc_port),
        "DATABASE_URL": database_url,
        "RABBITMQ_URL": rabbitmq_url,
    }
    with ExitStack() as running:
        running.callback(databases.drop, database_url)
        running.enter_context(python_process([*PROGRAM, "grpc"], environment))
        running.enter_context(
            python_process([*PROGRAM, "api"], environment, is_ready=lambda: answers(api_port))
        )
        yield api_port, grpc_port, database_url


def settings(api_port: int, grpc_port: int) -> dict[str, str]:
    """The product's defaults, but for where it listens and how much it says."""
    return {
        "OPSPAWN_API_PORT": str(api_port),
        "OPSPAWN_GRPC_PORT": str(grpc_port),
        "OPSPAWN_LOG_LEVEL": "warning",
        "OPSPAWN_DRAIN_GRACE_S": DRAIN_GRACE_S,
    }


def plain(url: str) -> str:
    return url.replace("postgresql+asyncpg://", "postgresql://")
