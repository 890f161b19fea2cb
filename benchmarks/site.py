"""Opspawn's processes on servers of their own, each known by its name, so that each can be looked at."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

import asyncpg
from benchmarks.cpu import database_seconds, process_seconds
from benchmarks.processes import answers, python_process
from benchmarks.starts import Starts
from benchmarks.systems import PROGRAM, Opspawn, plain, settings
from sqlalchemy import make_url

from support.databases import Databases
from support.postgres_server import PostgresServer
from support.server_process import ServerProcess, free_port

_BEATING: Final = "SELECT count(*) FROM worker WHERE heartbeat_at > now() - interval '1 second'"

POSTGRES, WORKER, API, DISPATCHER = "PostgreSQL", "worker", "api", "dispatcher"


@dataclass(slots=True)
class Site:
    """`opspawn api`, `dispatcher` and one `worker` with a database of their own."""

    opspawn: Opspawn
    postgres: PostgresServer
    environment: dict[str, str]
    processes: dict[str, ServerProcess] = field(default_factory=dict)

    @property
    def database(self) -> str:
        return str(make_url(self.opspawn.database_url).database)

    @contextmanager
    def another_worker(self) -> Iterator[None]:
        """One more process of `opspawn worker`, from its first heartbeat until the end of the block."""
        name, others = f"{WORKER} {len(self.processes)}", self._beating()
        with python_process(
            [*PROGRAM, WORKER], self.environment, is_ready=lambda: self._beating() > others
        ) as process:
            self.processes[name] = process
            try:
                yield
            finally:
                del self.processes[name]

    def _beating(self) -> int:
        """How many workers have been heard of in the last second."""

        async def asked() -> int:
            connection = await asyncpg.connect(self.opspawn.database_url, timeout=30)
            try:
                return int(await connection.fetchval(_BEATING))
            finally:
                await connection.close()

        return asyncio.run(asked())

    def cpu(self) -> dict[str, float]:
        """Seconds of CPU until now, of PostgreSQL for this database and of each kind of process."""
        spent = {POSTGRES: database_seconds(self.postgres.pid, self.database)}
        for name, process in self.processes.items():
            kind = WORKER if name.startswith(WORKER) else name
            spent[kind] = spent.get(kind, 0.0) + process_seconds(process.pid)
        return spent


@contextmanager
def site(
    starts: Starts,
    postgres: PostgresServer,
    databases: Databases,
    rabbitmq_url: str,
    **more: str,
) -> Iterator[Site]:
    """Everything is ready at the beginning of the block, and gone after it. `more`: settings."""
    database_url, port = databases.create(), free_port()
    environment = {
        **settings(port, free_port()),
        **starts.environment,
        "DATABASE_URL": database_url,
        "RABBITMQ_URL": rabbitmq_url,
        **more,
    }
    opspawn = Opspawn("opspawn", port, 0, plain(database_url), starts)
    found = Site(opspawn, postgres, environment)
    with ExitStack() as running:
        running.callback(databases.drop, database_url)
        for role in (DISPATCHER, WORKER, API):
            found.processes[role] = running.enter_context(
                python_process(
                    [*PROGRAM, role],
                    environment,
                    is_ready=(lambda: answers(port)) if role == API else lambda: True,
                )
            )
        yield found
