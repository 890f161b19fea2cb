"""The in-memory store and PostgreSQL under one clock that only the test moves, asked the same things.

The clock of the database is replaced in a test's own database, so that both stores have the same moment to
the microsecond, and every answer of one can be compared with the other's.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import event as hook
from sqlalchemy import text

from ops_core.errors import OpsError
from ops_core.log import Event
from ops_core.ports import TaskKey, TaskStore, UpkeepStore, WorkerStore
from ops_core.store import Database, SqlTaskStore, SqlUpkeepStore, SqlWorkerStore
from ops_core.store.rows import event_of, task_of
from ops_core.task import Task
from ops_core.testing import FrozenClock, MemoryStore

#: Seconds.
TTL_S: Final = 10.0
GRACE_S: Final = 5.0
GRACE_MAX_S: Final = 60.0

#: Later than any start of the server: right after one, nobody is declared dead.
START: Final = datetime(2100, 1, 1, tzinfo=UTC)

TENANTS: Final = ("default", "other")

#: More than any example has.
ALL: Final = 1000

_LOGS: Final = text(
    """
    SELECT e.tenant_id, e.task_id, e.seq, e.type, e.v, e.data, e.at,
           COALESCE(b.value, e.journal) AS journal
    FROM event e LEFT JOIN blob b ON b.tenant_id = e.tenant_id AND b.task_id = e.task_id
                                 AND b.digest = e.journal ->> 'blob'
    ORDER BY e.tenant_id, e.task_id, e.seq
    """
)

_FROZEN_CLOCK: Final = text(
    """
    CREATE OR REPLACE FUNCTION ops_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS
    $$ SELECT current_setting('ops_core.test_now')::timestamptz $$
    """
)


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that a store holds of tasks, and their logs."""

    tasks: dict[TaskKey, Task]
    logs: dict[TaskKey, list[Event]]


@dataclass
class Side:
    """One store as its three users see it."""

    name: str
    tasks: TaskStore
    workers: WorkerStore
    upkeep: UpkeepStore
    seen: Callable[[], Awaitable[Seen]]


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that is an error of ours."""

    error: type[OpsError]
    message: str


Act = Callable[[Side], Awaitable[Any]]


class Twins:
    """Stores that are asked the same things, and must answer the same."""

    def __init__(self, clock: FrozenClock, sides: Sequence[Side]) -> None:
        self._clock = clock
        self._sides = sides

    @property
    def now(self) -> datetime:
        return self._clock()

    def advance(self, seconds: float) -> None:
        self._clock.advance(seconds)

    async def ask(self, act: Act) -> Any:
        """What they all answer: a value, or `Refused`."""
        answers = [await _answer(act, side) for side in self._sides]
        for side, answer in zip(self._sides, answers, strict=True):
            what = (self._sides[0].name, side.name)
            assert answer == answers[0], "\n".join(
                [" ≠ ".join(what), *_differences(answers[0], answer)]
            )
        return answers[0]

    async def seen(self) -> Seen:
        seen = await self.ask(lambda side: side.seen())
        assert isinstance(seen, Seen)
        return seen


def _differences(one: Any, other: Any) -> Iterator[str]:
    """Where two answers differ, as short as can be."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            if one.get(key) != other.get(key):
                yield from (f"{key} {d}" for d in _differences(one.get(key), other.get(key)))
    elif is_dataclass(one) and is_dataclass(other) and type(one) is type(other):
        for name in (field.name for field in fields(one)):
            if getattr(one, name) != getattr(other, name):
                yield from (
                    f"{name} {d}" for d in _differences(getattr(one, name), getattr(other, name))
                )
    else:
        yield f"{one!r} ≠ {other!r}"


async def _answer(act: Act, side: Side) -> Any:
    try:
        return await act(side)
    except OpsError as error:
        return Refused(type(error), str(error))


def memory_side(clock: FrozenClock) -> Side:
    store = MemoryStore(
        clock, heartbeat_ttl_s=TTL_S, ring_grace_s=GRACE_S, ring_grace_max_s=GRACE_MAX_S
    )

    store.silence_is_death = True

    async def seen() -> Seen:
        return Seen(
            {key: row.task for key, row in store._rows.items()},
            {key: [*log] for key, log in store._log.items() if log},
        )

    return Side("memory", store, store, store, seen)


class PostgresSide:
    """PostgreSQL, emptied for each example."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._now: Callable[[], datetime] = lambda: START
        hook.listens_for(database.engine.sync_engine, "checkout")(self._set_clock)

    async def empty(self, clock: FrozenClock) -> Side:
        self._now = clock
        async with self._database.begin() as connection:
            await connection.execute(_FROZEN_CLOCK)
            for table in await connection.scalars(text(_TABLES)):
                await connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608  # our tables
        return Side(
            "postgres",
            SqlTaskStore(self._database, ring_grace_s=GRACE_S),
            SqlWorkerStore(self._database),
            SqlUpkeepStore(
                self._database,
                heartbeat_ttl_s=TTL_S,
                reconnect_grace_s=TTL_S,
                ring_grace_s=GRACE_S,
                ring_grace_max_s=GRACE_MAX_S,
            ),
            self._seen,
        )

    async def _seen(self) -> Seen:
        logs: dict[TaskKey, list[Event]] = {}
        async with self._database.begin() as connection:
            rows = (await connection.execute(text("SELECT * FROM task"))).all()
            tasks = {TaskKey(row.tenant_id, row.task_id): task_of(row) for row in rows}
            for row in await connection.execute(_LOGS):
                logs.setdefault(TaskKey(row.tenant_id, row.task_id), []).append(event_of(row))
        return Seen(tasks, logs)

    def _set_clock(self, connection: Any, *_: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET ops_core.test_now = '{self._now().isoformat()}'")
        connection.commit()


_TABLES: Final = (
    "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
)


@asynccontextmanager
async def postgres_side(url: str) -> AsyncIterator[PostgresSide]:
    database = Database(url, pool_size=1)
    yield PostgresSide(database)
    await database.close()


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)
