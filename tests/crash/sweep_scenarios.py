"""Small encounters that a single struck process does not bring about: two parties at one row, at one time.

Each takes a site, raises `Broken` when a promise is broken, and is run twice over: against the code as it is,
where nothing may break, and against the mutants that it is there to catch.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from sqlalchemy import text
from sweep_acts import KEY, Act
from sweep_checker import violations
from sweep_program import ANSWER, ASKING, path_of
from sweep_site import TTL_S, Site, Trial

from ops_core.answers import answer
from ops_core.errors import IdempotencyConflict, LostOwnership, OpsError, StoreUnavailable
from ops_core.log import EventType, NewEvent
from ops_core.moves import Move, complete, release
from ops_core.ports import Append, Appended, Ending, Lease
from ops_core.run import Run, Stop
from ops_core.service import Submitted
from ops_core.store import SqlWorkerStore
from ops_core.task import NOTHING_USED, Task

STEP: Final = NewEvent(type=EventType.AGENT_LIMIT, data={})


#: How late an owner hears that it should stop; a heartbeat is as long. Seconds.
HEARS_S: Final = 0.3

#: How long two parties may take to meet. Seconds.
PATIENCE_S: Final = 10.0


class Broken(Exception):
    """A promise was broken; the message says which."""


async def _claimed(site: Site, trial: Trial) -> Lease:
    await site.submit(trial)
    [task] = await site.claim(trial, site.new_worker_id(trial))
    return _lease(task)


def _lease(task: Task) -> Lease:
    return Lease(task.tenant_id, task.task_id, task.owner or "", task.epoch)


@asynccontextmanager
async def _row_held(site: Site, trial: Trial) -> AsyncIterator[None]:
    """Somebody else holds the task's row inside the block, for at most as long as a frozen process could."""
    statement = text("SELECT 1 FROM task WHERE tenant_id = :tenant FOR UPDATE")
    async with site.database.begin() as connection:
        await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '5s'"))
        await connection.execute(statement, {"tenant": trial.name})
        yield


async def _done_or_waiting(site: Site, *calls: asyncio.Task[Any]) -> None:
    """Returns when each of the calls has come to its end, or to a lock that somebody holds."""
    statement = text(
        """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'
        """
    )
    async with asyncio.timeout(PATIENCE_S), site.database.driver() as connection:
        while not all(call.done() for call in calls):
            waiting = await connection.fetchval(statement.text)
            if waiting >= sum(not call.done() for call in calls):
                return
            await asyncio.sleep(0.005)


async def _settle_down(site: Site, trial: Trial, act: Act) -> None:
    """Heals, and checks the trial as a sweep does."""
    if not await site.settle_down(trial):
        raise Broken("it never came to rest")
    trial.facts += site.ledger.take()
    if found := violations(act, trial):
        raise Broken("; ".join(found))


async def _nothing(site: Site, trial: Trial) -> None:
    return


_COMPLETES: Final = Act("it completes", _nothing)
_CANCELLED: Final = Act("it is cancelled", _nothing, ends=frozenset({"cancelled"}))
_FAILS: Final = Act("it fails", _nothing, ends=frozenset({"failed"}))


async def two_claims(site: Site, trial: Trial) -> None:
    """Two workers claim one task whose row is in other hands: neither waits, and in the end one has it."""
    await site.submit(trial)
    names = [site.new_worker_id(trial), site.new_worker_id(trial)]
    async with _row_held(site, trial):
        claims = [asyncio.create_task(site.claim(trial, name)) for name in names]
        await _done_or_waiting(site, *claims)
        waits = not all(claim.done() for claim in claims)
    taken = [task for claimed in await asyncio.gather(*claims) for task in claimed]
    taken += [task for name in names for task in await site.claim(trial, name)]
    if len(taken) != 1:
        raise Broken(f"{len(taken)} claims took one task")
    if waits:
        raise Broken("a claim waits for a row in other hands")


async def append_meets_cancel(site: Site, trial: Trial) -> None:
    """A step and a cancellation come to one row together: both are in the log, under numbers of their own."""
    lease = await _claimed(site, trial)
    append = Append(lease, [STEP], NOTHING_USED)
    async with _row_held(site, trial):
        cancelling = asyncio.create_task(site.cancel(trial))
        await _done_or_waiting(site, cancelling)
        appending = asyncio.create_task(site.workers.append([append]))
        await _done_or_waiting(site, cancelling, appending)
    _, [outcome] = await asyncio.gather(cancelling, appending)
    if outcome is Appended.BUSY:  # as the writer does
        [outcome] = await site.workers.append([append])
    if outcome is not Appended.STORED:
        raise Broken(f"the owner's append is {outcome}")
    await site.read(trial)
    if [1, 2, 3, 4] != [event["seq"] for event in trial.events]:
        raise Broken("the log has a gap")


async def cancel_meets_release(site: Site, trial: Trial) -> None:
    """A cancellation is accepted a moment before the task is handed over: it is not forgotten."""
    lease = await _claimed(site, trial)
    async with _row_held(site, trial):
        cancelling = asyncio.create_task(site.cancel(trial))
        await _done_or_waiting(site, cancelling)
        releasing = asyncio.create_task(site.workers.settle(lease, release("drained")))
        await _done_or_waiting(site, cancelling, releasing)
    await asyncio.gather(cancelling, releasing)
    await _settle_down(site, trial, _CANCELLED)


async def the_same_worker_twice(site: Site, trial: Trial) -> None:
    """A worker that lost a task and claimed it again is fenced from its own earlier claim."""
    earlier = await _claimed(site, trial)
    site.clock.advance(TTL_S + 1)
    await site.dispatcher.tick()
    if not await site.claim(trial, earlier.owner):
        raise Broken("a task that was given back cannot be claimed")
    if [Appended.LOST] != await site.workers.append([Append(earlier, [STEP], NOTHING_USED)]):
        raise Broken("a step was appended under an old epoch")
    if [False] != await site.workers.end_together([Ending(earlier, complete({}))]):
        raise Broken("a task was ended under an old epoch")
    try:
        await site.workers.settle(earlier, complete({}))
    except LostOwnership:
        return
    raise Broken("a task was settled under an old epoch")


async def an_end_in_other_hands(site: Site, trial: Trial) -> None:
    """A task whose row somebody else holds does not keep others from ending: it is told to end by itself."""
    lease = await _claimed(site, trial)
    async with _row_held(site, trial):
        ending = asyncio.create_task(site.workers.end_together([Ending(lease, complete({}))]))
        await _done_or_waiting(site, ending)
        waits = not ending.done()
    if [False] != await ending or waits:
        raise Broken("an end waits for a row in other hands")
    await site.workers.settle(lease, complete({}))


async def the_living(site: Site, trial: Trial) -> None:
    """A worker that beats keeps its task, however long it takes."""
    lease = await _claimed(site, trial)
    for _ in range(6):
        site.clock.advance(TTL_S / 2)
        orders = await site.workers.beat(lease.owner, [trial.name], slots=1, running=1)
        await site.dispatcher.tick()
        if lease not in orders.owned:
            raise Broken("a task was taken from a living worker")


async def an_orphan_in_other_hands(site: Site, trial: Trial) -> None:
    """A dead worker's task whose row was locked during the burial is given back by a later one."""
    await _claimed(site, trial)
    site.clock.advance(TTL_S + 1)
    async with _row_held(site, trial):
        await site.dispatcher.tick()
    await _settle_down(site, trial, _COMPLETES)


async def a_buried_worker(site: Site, trial: Trial) -> None:
    """Who was declared dead claims nothing before it has beaten again: nobody would bury it a second time."""
    await site.submit(trial)
    worker_id = site.new_worker_id(trial)
    await site.workers.beat(worker_id, [trial.name], slots=1, running=0)
    site.clock.advance(TTL_S + 1)
    await site.dispatcher.tick()
    if await site.workers.claim(worker_id, [trial.name], 1):
        raise Broken("a worker that upkeep has forgotten owns a task")


async def after_the_end(site: Site, trial: Trial) -> None:
    """A completed task is neither cancelled nor retried."""
    await site.submit(trial)
    await site.work(trial, site.new_worker_id(trial))
    for command in (site.service(trial).cancel, site.service(trial).retry):
        try:
            await command(trial.task_id, tenant_id=trial.name)
        except OpsError:
            continue
        raise Broken(f"a completed task answers to {command.__name__}")
    await _settle_down(site, trial, _COMPLETES)


async def one_key_two_bodies(site: Site, trial: Trial) -> None:
    """The same key with another request is refused."""
    await site.submit(trial, key=KEY)
    try:
        await site.submit(trial, site.request(version=2), key=KEY)
    except IdempotencyConflict:
        return
    raise Broken("two requests share one key")


async def one_key_at_once(site: Site, trial: Trial) -> None:
    """Two requests with one key at one time are one task."""
    service = site.service(trial)
    answers: Sequence[Submitted] = await asyncio.gather(
        *(
            service.submit(site.request(), tenant_id=trial.name, idempotency_key=KEY)
            for _ in range(2)
        )
    )
    if len({answer.task.task_id for answer in answers}) != 1:
        raise Broken("two tasks share one key")


async def another_program(site: Site, trial: Trial) -> None:
    """A step that was recorded with other input is not taken for this one's."""
    await site.submit(trial, site.request(fails_attempts=1))
    await site.work(trial, site.new_worker_id(trial))
    site.program_version = 2
    try:
        if not await site.heal(trial):
            raise Broken("it never came to rest")
    finally:
        site.program_version = 1
    await site.read(trial)
    if trial.tasks[0]["reason"] != "nondeterministic":
        raise Broken(f"a changed program went on: {trial.tasks[0]['status']}")


async def a_rest_between_attempts(site: Site, trial: Trial) -> None:
    """A task whose attempt failed is not run again before its rest is over."""
    await site.submit(trial, site.request(fails_attempts=1))
    await site.work(trial, site.new_worker_id(trial))
    if await site.claim(trial, site.new_worker_id(trial)):
        raise Broken("it was claimed before its rest was over")


async def attempts_run_out(site: Site, trial: Trial) -> None:
    """A task that always fails has failed after as many attempts as it was given."""
    await site.submit(trial, site.request(fails_attempts=99))
    await _settle_down(site, trial, _FAILS)
    if trial.tasks[0]["attempt"] != 3:
        raise Broken(f"it failed after {trial.tasks[0]['attempt']} attempts of 3")


class _ReplyLost(SqlWorkerStore):
    """Commits the `at`-th append and then loses its connection."""

    at: int

    async def append(self, batch: Sequence[Append]) -> list[Appended]:
        stored = await super().append(batch)
        self.at -= 1
        if self.at == 0:
            raise StoreUnavailable("the reply of the commit was lost")
        return stored


async def a_lost_reply(site: Site, trial: Trial) -> None:
    """An append whose reply was lost has happened: the task goes on behind it, and commits nothing twice."""
    await site.submit(trial)
    honest = site.workers
    site.workers = lossy = _ReplyLost(site.database)
    lossy.at = 2  # the outcome of the second step
    try:
        await site.work(trial, site.new_worker_id(trial))
    finally:
        site.workers = honest
    await _settle_down(site, trial, _COMPLETES)


async def an_answer_before_the_wait(site: Site, trial: Trial) -> None:
    """The answer comes when the question is on disk and the task has not gone to sleep yet."""
    await site.submit(trial, site.request(asks=True))
    honest = site.workers
    site.workers = _AnsweredFirst(site.database)
    site.workers.answer = lambda: site.tasks.signal(
        trial.name, trial.task_id, answer(ASKING, ANSWER)
    )
    try:
        await site.work(trial, site.new_worker_id(trial))
    finally:
        site.workers = honest
    if not await site.heal(trial):
        raise Broken("it never came to rest")
    await site.read(trial)
    if trial.tasks[0]["status"] != "completed":
        raise Broken("it waits for an answer that it has")


class _AnsweredFirst(SqlWorkerStore):
    """A client is quicker than the settlement that follows its question."""

    answer: Callable[[], Awaitable[object]]

    async def settle(self, lease: Lease, move: Move) -> Task:
        await self.answer()
        return await super().settle(lease, move)


async def a_cancelled_step_before_an_effect(site: Site, trial: Trial) -> None:
    """The owner has not heard yet that a client cancelled: what it does next is no unsafe effect."""
    await site.submit(trial)
    begun = asyncio.Event()
    runs: list[Run] = []

    async def gate(path: str, task: Task) -> None:
        if path == path_of(2):
            await site.cancel(trial)
        elif path == path_of(3):
            begun.set()

    async def hear_late() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(HEARS_S):
                await begun.wait()
        runs[0].stop(Stop.CANCELLED)

    async with site.workbench(gate) as executor:
        [task] = await site.claim(trial, site.new_worker_id(trial))
        runs.append(executor.open(task))
        await asyncio.gather(executor.execute(runs[0]), hear_late())
    if begun.is_set():
        raise Broken("an unsafe effect began after a cancellation was promised")
    await _settle_down(site, trial, _CANCELLED)


async def a_durable_session(site: Site, trial: Trial) -> None:
    """What is promised is on disk, and nobody waits for ever for a lock that a frozen process holds."""
    async with site.database.begin() as connection:
        durable = await connection.scalar(text("SHOW synchronous_commit"))
        patience = await connection.scalar(text("SHOW lock_timeout"))
    if durable != "on":
        raise Broken(f"synchronous_commit is {durable}")
    if patience == "0":
        raise Broken("a statement waits for ever for a lock")


Scenario = Callable[[Site, Trial], Awaitable[None]]

SCENARIOS: Final[dict[str, Scenario]] = {
    scenario.__name__.replace("_", " "): scenario
    for scenario in (
        two_claims,
        append_meets_cancel,
        cancel_meets_release,
        the_same_worker_twice,
        an_end_in_other_hands,
        the_living,
        an_orphan_in_other_hands,
        a_buried_worker,
        after_the_end,
        one_key_two_bodies,
        one_key_at_once,
        another_program,
        a_rest_between_attempts,
        attempts_run_out,
        a_lost_reply,
        an_answer_before_the_wait,
        a_cancelled_step_before_an_effect,
        a_durable_session,
    )
}
