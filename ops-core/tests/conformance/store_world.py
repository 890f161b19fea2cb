"""A store seen by its three users, and its clock."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sqlalchemy import event

from ops_core.agents import AgentStore
from ops_core.asks.port import AskStore
from ops_core.fleet import FleetStore
from ops_core.ports import Lease, TaskStore, UpkeepStore, WorkerStore
from ops_core.store import Database
from ops_core.task import NewTask, RetryPolicy, Task, new_task_id
from ops_core.testing import MemoryStore
from ops_core.threads import ThreadStore

#: Short names for what the suites reckon with. Seconds.
TTL_S = 10.0
GRACE_S = 5.0
GRACE_MAX_S = 60.0


@dataclass
class World:
    """A store seen by its three users, and its clock."""

    tasks: TaskStore
    workers: WorkerStore
    upkeep: UpkeepStore
    advance: Callable[[float], None]
    bury_killed: Callable[[], Awaitable[int]]
    """As `upkeep.bury_workers`, where whoever is silent has lost its presence: its process has died."""

    asks: AskStore = field(default_factory=MemoryStore)
    """What doors list of what tasks ask; a world that is about something else has an empty one."""
    agents: AgentStore = field(init=False)
    threads: ThreadStore = field(init=False)
    fleet: FleetStore = field(init=False)
    """These three are there in the fixture `world`."""

    async def submit(self, task_type: str = "noop", **fields: object) -> Task:
        new = NewTask(
            **{  # type: ignore[arg-type]
                "task_id": new_task_id(),
                "tenant_id": "default",
                "task_type": task_type,
                "input_data": {"n": 1},
                "retry_policy": RetryPolicy(max_attempts=3),
                **fields,
            }
        )
        task, _ = await self.tasks.submit(new)
        return task

    async def claim(self, worker: str = "w1", count: int = 1) -> list[Task]:
        await self.workers.beat(worker, ["default"], slots=10, running=0)
        return await self.workers.claim(worker, ["default"], count)

    async def claim_one(self, worker: str = "w1") -> tuple[Task, Lease]:
        [task] = await self.claim(worker)
        return task, self.lease(task)

    def lease(self, claimed: Task) -> Lease:
        return Lease(claimed.tenant_id, claimed.task_id, claimed.owner or "nobody", claimed.epoch)


def postgres_clock(database: Database) -> Callable[[float], None]:
    """Moves the database's clock for every connection of this pool, through its one setting."""
    offset = 0.0

    @event.listens_for(database.engine.sync_engine, "checkout")
    def _set(connection: object, *_: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute(f"SET ops_core.clock_offset = '{offset} seconds'")
        connection.commit()  # type: ignore[attr-defined]

    def advance(seconds: float) -> None:
        nonlocal offset
        offset += seconds

    return advance
