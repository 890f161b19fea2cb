"""The doors that `doors.py` measures, each a process, and what they need."""

import asyncio
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import asyncpg

from opspawn import migrate
from support.local_servers import local_postgres, local_rabbitmq
from support.opspawn_processes import Rest as Ready
from support.opspawn_processes import processes
from support.server_process import free_port

ROOT: Final = Path(__file__).resolve().parents[1]

OURS, OURS_RPC = "opspawn api", "opspawn grpc"
BARE, NOOP, NOOP_RPC = "bare FastAPI", "no-op FastAPI", "no-op grpc.aio"


@dataclass(slots=True)
class Site:
    """Where each door listens, and the servers behind them."""

    database_url: str
    rabbitmq_url: str
    ports: dict[str, int] = field(default_factory=dict)


@contextmanager
def site(say: Callable[[str], None]) -> Iterator[Site]:
    """Every door, with a dispatcher beside ours, as in production; no worker takes what is submitted."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ops-bench-")))
        postgres = stack.enter_context(local_postgres(say))
        rabbitmq = stack.enter_context(local_rabbitmq(say))
        migrate.upgrade(postgres.url)
        found = Site(_plain(postgres.url), rabbitmq.url)
        names = (OURS, OURS_RPC, BARE, NOOP, NOOP_RPC)
        found.ports = {name: free_port() for name in names}
        settings = {
            "DATABASE_URL": postgres.url,
            "RABBITMQ_URL": rabbitmq.url,
            "OPSPAWN_API_PORT": str(found.ports[OURS]),
            "OPSPAWN_GRPC_PORT": str(found.ports[OURS_RPC]),
            "OPSPAWN_LOG_LEVEL": "warning",
        }
        started = stack.enter_context(processes(folder, settings))
        started.start("dispatcher")
        started.start("grpc")
        ready = Ready(found.ports[OURS])
        ready.ready(started.start("api"))
        ready.close()
        for name, (file, *arguments) in {
            BARE: ("bare_door.py", str(found.ports[BARE]), postgres.url),
            NOOP: ("noop_doors.py", "rest", str(found.ports[NOOP])),
            NOOP_RPC: ("noop_doors.py", "grpc", str(found.ports[NOOP_RPC])),
        }.items():
            command = [sys.executable, str(ROOT / "benchmarks" / file), *arguments]
            process = stack.enter_context(subprocess.Popen(command))
            stack.callback(process.terminate)
            asyncio.run(_listening(name, found.ports[name], process))
        asyncio.run(_listening(OURS_RPC, found.ports[OURS_RPC]))
        yield found


async def analyze(database_url: str) -> None:
    """What autovacuum does within a minute: plans that were made for empty tables are made again."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("ANALYZE")
    await connection.close()


def _plain(url: str) -> str:
    return url.replace("postgresql+asyncpg://", "postgresql://")


async def _listening(
    name: str, port: int, process: "subprocess.Popen[bytes] | None" = None
) -> None:
    async with asyncio.timeout(60):
        while process is None or process.poll() is None:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)
    raise SystemExit(f"{name} ended before it listened")
