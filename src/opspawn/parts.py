"""What every process of Opspawn opens first, and closes last: the database, the broker, the signals."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from dramatiq import Broker

from ops_core.admission import AdmissionLimits
from ops_core.errors import StoreUnavailable
from ops_core.family import FamilyLimits
from ops_core.queue.bell import DramatiqBell
from ops_core.queue.broker import in_process_broker, rabbitmq_broker
from ops_core.store import (
    Database,
    SqlScheduleStore,
    SqlTaskStore,
    TellingTaskStore,
    check_isolation,
    kept_small,
)
from opspawn import logs, migrate
from opspawn.database_errors import DATABASE_ERRORS, explained
from opspawn.preconditions import StartError, required_url
from opspawn.settings import Settings
from opspawn.streaming import AnySignals, signals_of

#: How long the broker may take to hear that we leave. Seconds.
GOODBYE_S: Final = 2.0


@dataclass(frozen=True)
class Parts:
    """What the processes share: one pool, one broker, one bell, and what is told in passing."""

    settings: Settings
    database: Database
    url: str
    direct_url: str
    """To the server itself, never through a transaction pooler: session locks live there."""

    broker: Broker
    bell: DramatiqBell
    signals: AnySignals

    @property
    def limits(self) -> FamilyLimits:
        settings = self.settings
        return FamilyLimits(max_children=settings.max_children, max_depth=settings.max_depth)

    @property
    def admission(self) -> AdmissionLimits:
        return AdmissionLimits(
            max_unfinished=self.settings.max_unfinished_tasks,
            max_backlog=self.settings.max_backlog,
            tenants=self.settings.tenant_limits,
        )

    def tasks(self) -> SqlTaskStore:
        return TellingTaskStore(
            self.database,
            self.signals.changed,
            ring_grace_s=self.settings.ring_grace_s,
            limits=self.limits,
            admission=self.admission,
        )

    def schedules(self) -> SqlScheduleStore:
        return SqlScheduleStore(
            self.database,
            ring_grace_s=self.settings.ring_grace_s,
            limits=self.limits,
            admission=self.admission,
        )

    def probes(self) -> Mapping[str, Callable[[], Awaitable[object]]]:
        """What must work for a door to be ready. Not the broker: a task is accepted without it."""
        return {"store": self.tasks().check}


@asynccontextmanager
async def opened(settings: Settings, database_url: str | None = None) -> AsyncIterator[Parts]:
    """The parts over the given servers. Raises `StartError` when the database cannot be used."""
    logs.configure(settings)
    url = database_url or required_url(settings)
    broker_url = settings.rabbitmq_url
    broker = rabbitmq_broker(broker_url.get_secret_value()) if broker_url else in_process_broker()
    signals = signals_of(settings)
    bell = DramatiqBell(broker)
    async with kept_small(Database(url, pool_size=settings.database_pool)) as database:
        try:
            await _check_database(database, url)
            direct = settings.database_direct_url if database_url is None else None
            direct_url = direct.get_secret_value() if direct else url
            yield Parts(settings, database, url, direct_url, broker, bell, signals)
        finally:
            signals.close()
            bell.close()
            await _say_goodbye(broker)


async def _say_goodbye(broker: Broker) -> None:
    """Closes the broker's connections, or else it takes each stop of ours for a lost connection.

    On a thread that nobody waits for at the end: closing blocks for as long as a frozen broker is frozen.
    """
    loop, said = asyncio.get_running_loop(), asyncio.Event()

    def close() -> None:
        # Whatever it says: we leave anyway. A publisher that is stuck may use the connections meanwhile.
        with contextlib.suppress(Exception):
            broker.close()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(said.set)

    threading.Thread(target=close, name="goodbye", daemon=True).start()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GOODBYE_S):
            await said.wait()


async def _check_database(database: Database, url: str) -> None:
    try:
        revision = await SqlTaskStore(database).check()
    except (StoreUnavailable, *DATABASE_ERRORS) as error:
        raise StartError(explained(error, url)) from None
    if migrate.is_behind(revision):
        raise StartError(
            f"The database is at revision {revision} and this build needs {migrate.head()}: "
            "run `opspawn migrate`."
        )
    try:
        await check_isolation(database)
    except (StoreUnavailable, *DATABASE_ERRORS) as error:
        raise StartError(explained(error, url)) from None
