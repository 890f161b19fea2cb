"""A site in one process: the real stores on a real PostgreSQL, a dispatcher, workers, a clock to be moved.

Nobody hears a ring but from the dispatcher: what a submitter rings at once is lost here, every time. So what
is not due by itself in the database is never run, and the trial that finds it fails for want of progress.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import event, text
from sweep_ledger import Fact, Ledger
from sweep_program import ANSWER, ASKING, Gate, Program, brought, open_gate

from ops_core.answers import answer, resolution
from ops_core.errors import BrokerUnavailable, CallerError, StoreUnavailable
from ops_core.execute import Executor
from ops_core.ports import Decide, TaskType
from ops_core.request import TaskRequest, parse_request
from ops_core.run import Run, Stop
from ops_core.service import TaskService
from ops_core.store import Database, SqlTaskStore, SqlUpkeepStore, SqlWorkerStore
from ops_core.store.database import SESSION_LIMITS
from ops_core.task import JsonObject, Task
from ops_core.upkeep.dispatcher import Dispatcher
from ops_core.writer import StepWriter

TASK_TYPE: Final = "trial"

#: How often a worker beats while it runs a task. Seconds, and the only ones that really pass.
HEARTBEAT_S: Final = 0.3

#: What production has, in seconds; the clock is moved past them, so nobody waits.
TTL_S: Final = 10.0
RING_GRACE_S: Final = 5.0

#: How far the clock is moved at each turn of a recovery: past the time-to-live, then twice as far each time.
FIRST_TURN_S: Final = 11.0
LONGEST_TURN_S: Final = 700.0

#: After so many turns a task that is not at rest has been lost. Between turns the real clock passes too,
#: because PostgreSQL notices within milliseconds, not at once, that a client is dead.
TURNS: Final = 14
LONGEST_REST_S: Final = 0.1

#: A process that is stopped inside a transaction holds its locks for so long (ten seconds in production).
FROZEN_LIMIT_MS: Final = "100"

#: A person is asked at most so often what came of a call; each answer may be followed by another death.
WORDS: Final = 3


@dataclass
class Trial:
    """One trial has a tenant and a queue of its own: whatever an earlier one left, it sees nothing of it."""

    name: str
    struck: bool = False
    """Whether the acting process was struck: it may have ended before the place was reached."""

    facts: list[Fact] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    task_id: str = ""
    is_odd: bool = False
    """Every second trial: its client does not ask again."""


class Clock:
    """The database's clock as this site's connections see it: moved, never set back."""

    def __init__(self) -> None:
        self.offset_s = 0.0

    def advance(self, seconds: float) -> None:
        self.offset_s += seconds

    def drive(self, database: Database) -> None:
        """Makes every connection that is taken from the pool see the clock where it is then."""

        @event.listens_for(database.engine.sync_engine, "checkout")
        def _set(connection: Any, record: Any, _: object) -> None:
            if record.info.get("offset_s") == self.offset_s:
                return
            record.info["offset_s"] = self.offset_s
            cursor = connection.cursor()
            cursor.execute(f"SET ops_core.clock_offset = '{self.offset_s} seconds'")
            connection.commit()


class LocalBell:
    """A bell in this process. `broken`: the broker is away."""

    def __init__(self) -> None:
        self.rung: list[str] = []
        self.broken = False

    async def ring(self, queue: str, hint: str | None = None) -> None:
        await self.check()
        self.rung.append(queue)

    async def check(self) -> None:
        if self.broken:
            raise BrokerUnavailable("the broker is away")

    def take(self) -> set[str]:
        """The queues rung for since the last call."""
        rung, self.rung = set(self.rung), []
        return rung


class Site:
    """Everything that a trial needs of Opspawn, over one database."""

    def __init__(self, url: str, ledger: Ledger) -> None:
        self.ledger = ledger
        self.clock = Clock()
        self.database = Database(url, pool_size=4)
        self.clock.drive(self.database)
        self.tasks = SqlTaskStore(self.database, ring_grace_s=RING_GRACE_S)
        self.workers = SqlWorkerStore(self.database)
        self.upkeep = SqlUpkeepStore(
            self.database, heartbeat_ttl_s=TTL_S, ring_grace_s=RING_GRACE_S
        )
        self.bell = LocalBell()
        self.dispatcher = self._new_dispatcher()
        self.program_version = 1
        self._bodies = 0

    def _new_dispatcher(self) -> Dispatcher:
        return Dispatcher(self.upkeep, self.bell, clock=lambda: self.clock.offset_s)

    def forked(self, *, will_freeze: bool) -> None:
        """In a process just forked: its connections are its own, and its parent's stay as they are."""
        self.database.engine.sync_engine.dispose(close=False)
        if will_freeze:
            SESSION_LIMITS["idle_in_transaction_session_timeout"] = FROZEN_LIMIT_MS
        self.bell.take()
        self.dispatcher = self._new_dispatcher()

    async def connect(self) -> None:
        """Opens a connection, so that what is done next does not have to."""
        async with self.database.begin() as connection:
            await connection.execute(text("SELECT 1"))

    def new_worker_id(self, trial: Trial) -> str:
        self._bodies += 1
        return f"{trial.name}-{os.getpid()}-{self._bodies}"

    def request(self, **input_data: Any) -> TaskRequest:
        return parse_request(
            {
                "task_type": TASK_TYPE,
                "input_data": input_data,
                "retry_policy": {"max_attempts": 3, "backoff_s": 1.0, "max_backoff_s": 2.0},
            }
        )

    def service(self, trial: Trial) -> TaskService:
        """The doors' service, whose tasks go to the trial's queue."""
        return self._service(queue(trial))

    def _service(self, queue_name: str) -> TaskService:
        kind = TaskType(name=TASK_TYPE, input_schema={}, queue=queue_name)
        return TaskService(self.tasks, {TASK_TYPE: kind}, lambda *_: None)

    async def submit(
        self, trial: Trial, request: TaskRequest | None = None, key: str | None = None
    ) -> Task:
        """As a client: what it is told goes to the ledger."""
        submitted = await self.service(trial).submit(
            request or self.request(), tenant_id=trial.name, idempotency_key=key
        )
        task_id = trial.task_id = submitted.task.task_id
        self.ledger.write(tenant=trial.name, told="accepted", task_id=task_id)
        return submitted.task

    async def cancel(self, trial: Trial) -> None:
        """As a client."""
        task = await self.service(trial).cancel(trial.task_id, tenant_id=trial.name)
        self.ledger.write(tenant=trial.name, told="cancel", status=task.status)

    async def claim(self, trial: Trial, worker_id: str) -> list[Task]:
        """A worker with one slot shows that it lives and takes what it can."""
        await self.workers.beat(worker_id, [queue(trial)], slots=1, running=0)
        return await self.workers.claim(worker_id, [queue(trial)], 1)

    @asynccontextmanager
    async def workbench(self, gate: Gate = open_gate) -> AsyncIterator[Executor]:
        """The inside of a worker."""
        writer = StepWriter(self.workers)
        writing = asyncio.create_task(writer.run())
        program = Program(self.ledger, self._start_child, gate, version=self.program_version)
        try:
            yield Executor(self.workers, writer, {TASK_TYPE: program}, jitter=lambda: 0.5)
        finally:
            writing.cancel()

    async def _start_child(self, parent: Task, request: JsonObject, key: str) -> str:
        asked = request | {"task_type": TASK_TYPE, "parent_task_id": parent.task_id}
        submitted = await self._service(parent.tenant_id).submit(
            parse_request(asked), tenant_id=parent.tenant_id, idempotency_key=key
        )
        return submitted.task.task_id

    async def work(self, trial: Trial, worker_id: str, gate: Gate = open_gate) -> Run | None:
        """What a worker does that was rung: claims one task and runs it to its end."""
        async with self.workbench(gate) as executor:
            for task in await self.claim(trial, worker_id):
                run = executor.open(task)
                beating = asyncio.create_task(self._beat(trial, run))
                try:
                    await executor.execute(run)
                finally:
                    beating.cancel()
                return run
        return None

    async def _beat(self, trial: Trial, run: Run) -> None:
        """The worker's heartbeat, which brings its orders."""
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            with suppress(StoreUnavailable):
                orders = await self.workers.beat(
                    run.lease.owner, [queue(trial)], slots=1, running=1
                )
                if run.lease not in orders.owned:
                    run.stop(Stop.LOST)
                elif run.task.task_id in orders.cancelled:
                    run.stop(Stop.CANCELLED)

    async def heal(self, trial: Trial, gate: Gate = open_gate) -> bool:
        """What happens in production when nobody does anything: upkeep, rings, another worker.

        Returns whether the trial's tasks came to rest.
        """
        worker_id = self.new_worker_id(trial)
        turn_s, rest_s = FIRST_TURN_S, 0.001
        for _ in range(TURNS):
            self.clock.advance(turn_s)
            turn_s, rest_s = min(turn_s * 2, LONGEST_TURN_S), min(rest_s * 2, LONGEST_REST_S)
            with suppress(StoreUnavailable):  # whoever meets it tries again
                await self.workers.beat(worker_id, [queue(trial)], slots=1, running=0)
                await self.dispatcher.tick()
                if queue(trial) in self.bell.take():
                    await self.work(trial, worker_id, gate)
            if await self.at_rest(trial):
                await self.workers.leave(worker_id)
                return True
            await asyncio.sleep(rest_s)
        return False

    async def settle_down(self, trial: Trial) -> bool:
        """Heals, and where a person is asked what came of a call, gives the honest word and heals again."""
        for _ in range(WORDS):
            rested = await self.heal(trial)
            await self.read(trial)
            waiting = [task for task in trial.tasks if task["status"] == "waiting"]
            if not waiting:
                return rested
            for task in waiting:
                await self.give_word(trial, task)
        return False

    async def give_word(self, trial: Trial, task: dict[str, Any]) -> None:
        """As a person who answers, or who looks into the ledger and says that a call happened or did not."""
        trial.facts += self.ledger.take()
        for asked in task["waiting_for"]:
            match asked["reason"]:
                case "input":
                    word = answer(ASKING, ANSWER)
                case "effect_unknown":
                    word = self._resolution(trial, task["task_id"], asked["path"])
                case _:
                    continue
            with suppress(CallerError):  # somebody else said it before
                await self.tasks.signal(trial.name, task["task_id"], word)

    def _resolution(self, trial: Trial, task_id: str, path: str) -> Decide:
        ran = [
            fact["epoch"]
            for fact in trial.facts
            if fact.get("task") == task_id and fact["path"] == path
        ]
        if ran:
            return resolution(path, "happened", brought(path, ran[-1]))
        return resolution(path, "run_again", None)

    async def at_rest(self, trial: Trial) -> bool:
        """Whether all that is left to do is a person's: an end, or a question."""
        statement = text(
            """
            SELECT count(*) FROM task WHERE tenant_id = :tenant AND completed_at IS NULL
               AND reason IS DISTINCT FROM 'input' AND reason IS DISTINCT FROM 'effect_unknown'
            """
        )
        async with self.database.begin() as connection:
            left: int = await connection.scalar(statement, {"tenant": trial.name})
        return left == 0

    async def read(self, trial: Trial) -> None:
        """Fills in what the database says at the end."""
        tasks = text("SELECT * FROM task WHERE tenant_id = :tenant")
        events = text("SELECT * FROM event WHERE tenant_id = :tenant ORDER BY task_id, seq")
        async with self.database.begin() as connection:
            found = await connection.execute(tasks, {"tenant": trial.name})
            trial.tasks = [dict(row) for row in found.mappings()]
            found = await connection.execute(events, {"tenant": trial.name})
            trial.events = [dict(row) for row in found.mappings()]

    async def empty(self) -> None:
        """Nothing of what was there is left."""
        async with self.database.begin() as connection:
            await connection.execute(
                text("TRUNCATE task, event, worker, blob, outbox, dependency, ask")
            )

    async def close(self) -> None:
        await self.database.close()


def queue(trial: Trial) -> str:
    """The queue of a trial's tasks."""
    return trial.name
