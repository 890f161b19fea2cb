"""What a process does while it is struck: one act for each thing that Opspawn promises to survive.

An act has a `prepare` (nobody is struck), an `act` (in a process of its own, which dies or freezes somewhere
in it) and an `after`: what its client does when the answer did not come. Then the site heals, and the checker
looks.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from sweep_program import ANSWER, ASKING, brought, path_of
from sweep_site import RING_GRACE_S, TTL_S, Site, Trial

from ops_core.answers import answer, resolution
from ops_core.errors import BrokerUnavailable, TaskNotEnded
from ops_core.run import Run, Stop
from ops_core.task import Task

Doing = Callable[[Site, Trial], Awaitable[Any]]

#: The key that a client sends again when it was not answered.
KEY: Final = "once"

DEADLINE_S: Final = 5.0


async def nothing(site: Site, trial: Trial) -> None:
    """Neither the client nor anybody else does anything."""


@dataclass(frozen=True)
class Act:
    name: str
    act: Doing
    prepare: Doing = nothing
    after: Doing = nothing
    ends: frozenset[str] = frozenset({"completed"})
    """The states that a task may honestly come to."""

    tasks: int = 1
    """How many tasks its clients submit."""


async def a_task(site: Site, trial: Trial) -> None:
    await site.submit(trial)


# Submit.


async def submit(site: Site, trial: Trial) -> None:
    await site.submit(trial, key=KEY)


async def submit_again(site: Site, trial: Trial) -> None:
    """A client that was not answered asks again with its key; every second one has gone away."""
    if not trial.is_odd:
        await site.submit(trial, key=KEY)


# Dispatch: rings, deadlines, burials.


async def a_due_ring(site: Site, trial: Trial) -> None:
    await site.submit(trial)
    site.clock.advance(RING_GRACE_S + 1)
    await site.workers.beat(site.new_worker_id(trial), [trial.name], slots=1, running=0)


async def dispatch(site: Site, trial: Trial) -> None:
    await site.dispatcher.tick()


async def dispatch_unheard(site: Site, trial: Trial) -> None:
    site.bell.broken = True
    try:
        await site.dispatcher.tick()
    except BrokerUnavailable:
        site.ledger.write(tenant=trial.name, told="unheard")


async def heard_again(site: Site, trial: Trial) -> None:
    """When the dispatcher lived to give its rings back, they are due at once: the clock stands still."""
    trial.facts += site.ledger.take()
    if not any(fact.get("told") == "unheard" for fact in trial.facts):
        return
    await site.dispatcher.tick()
    if trial.name not in site.bell.take():
        site.ledger.write(tenant=trial.name, broken="a ring that nobody heard was not given again")
    site.clock.advance(RING_GRACE_S * 2 + 1)  # that ring is lost as well


async def a_past_deadline(site: Site, trial: Trial) -> None:
    request = site.request().model_copy(update={"deadline_s": DEADLINE_S})
    await site.submit(trial, request)
    site.clock.advance(DEADLINE_S + 1)


async def a_dead_owner(site: Site, trial: Trial) -> None:
    """A task whose worker died right after its claim."""
    await site.submit(trial)
    await site.claim(trial, site.new_worker_id(trial))


async def a_dead_owner_to_bury(site: Site, trial: Trial) -> None:
    await a_dead_owner(site, trial)
    site.clock.advance(TTL_S + 1)


async def a_cancelled_one_to_bury(site: Site, trial: Trial) -> None:
    await a_dead_owner(site, trial)
    await site.cancel(trial)
    site.clock.advance(TTL_S + 1)


# A worker: claim, steps, settle.


async def claim(site: Site, trial: Trial) -> None:
    await site.claim(trial, site.new_worker_id(trial))


async def run(site: Site, trial: Trial) -> None:
    """A worker's life with one task: beat, claim, four steps, settle, leave."""
    worker_id = site.new_worker_id(trial)
    await site.work(trial, worker_id)
    await site.workers.leave(worker_id)


async def a_task_that_fails_once(site: Site, trial: Trial) -> None:
    await site.submit(trial, site.request(fails_attempts=1))


async def a_task_with_two_steps_done(site: Site, trial: Trial) -> None:
    """Its first worker got as far as the third step, and died before that one's intent was on disk."""
    await site.submit(trial, site.request(fails_attempts=1))
    await site.work(trial, site.new_worker_id(trial))
    site.clock.advance(5.0)  # past the rest between two attempts


async def _run_and_stop(
    site: Site, trial: Trial, stop: Callable[[Run], Awaitable[None]], step: int = 2
) -> None:
    """A worker whose task is stopped inside a step."""
    worker_id = site.new_worker_id(trial)
    runs: list[Run] = []

    async def gate(path: str, task: Task) -> None:
        if path == path_of(step):
            await stop(runs[0])

    async with site.workbench(gate) as executor:
        for task in await site.claim(trial, worker_id):
            runs.append(executor.open(task))
            await executor.execute(runs[0])
    await site.workers.leave(worker_id)


async def drain(site: Site, trial: Trial) -> None:
    """A worker that is told to go while a step is under way."""

    async def stop(run: Run) -> None:
        run.stop_at_step()

    await _run_and_stop(site, trial, stop)


async def cancel_while_running(site: Site, trial: Trial) -> None:
    """A client cancels inside the unsafe step, and the worker hears of it with its next heartbeat."""

    async def stop(run: Run) -> None:
        await site.cancel(trial)
        orders = await site.workers.beat(run.lease.owner, [trial.name], slots=1, running=1)
        if run.task.task_id in orders.cancelled:
            run.stop(Stop.CANCELLED)

    await _run_and_stop(site, trial, stop, step=3)


async def cancel_and_drain(site: Site, trial: Trial) -> None:
    """A worker hands a task over before it has heard that a client cancelled it."""

    async def stop(run: Run) -> None:
        await site.cancel(trial)
        run.stop_at_step()

    await _run_and_stop(site, trial, stop)


# Waiting.


async def a_task_that_asks(site: Site, trial: Trial) -> None:
    await site.submit(trial, site.request(asks=True))


async def a_question(site: Site, trial: Trial) -> None:
    """A task that waits for an answer."""
    await a_task_that_asks(site, trial)
    await site.work(trial, site.new_worker_id(trial))


async def give_answer(site: Site, trial: Trial) -> None:
    await site.tasks.signal(trial.name, trial.task_id, answer(ASKING, ANSWER))


async def a_doubt(site: Site, trial: Trial) -> None:
    """A task whose unsafe call was cut off, and that waits for a person's word."""
    await site.submit(trial)

    async def gate(path: str, task: Task) -> None:
        if path == path_of(3):
            raise TimeoutError

    await site.work(trial, site.new_worker_id(trial), gate)


async def give_word(site: Site, trial: Trial) -> None:
    await site.tasks.signal(
        trial.name, trial.task_id, resolution(path_of(3), "happened", brought(path_of(3), 1))
    )


async def a_sleeper(site: Site, trial: Trial) -> None:
    """A task whose sleep is over."""
    await site.submit(trial, site.request(sleeps_s=60.0))
    await site.work(trial, site.new_worker_id(trial))
    site.clock.advance(61.0)


async def a_task_with_a_child(site: Site, trial: Trial) -> None:
    await site.submit(trial, site.request(has_child=True))


async def a_dependent_whose_need_is_met(site: Site, trial: Trial) -> None:
    """The task that another one depends on has completed, and that one was not told yet."""
    first = await site.submit(trial)
    await site.submit(trial, site.request().model_copy(update={"depends_on": [first.task_id]}))
    await site.work(trial, site.new_worker_id(trial))


async def a_parent_whose_child_ended(site: Site, trial: Trial) -> None:
    """The child has completed, and its parent was not told yet."""
    await a_task_with_a_child(site, trial)
    await site.work(trial, site.new_worker_id(trial))
    await site.work(trial, site.new_worker_id(trial))


# Commands.


async def cancel(site: Site, trial: Trial) -> None:
    await site.cancel(trial)


async def cancel_again(site: Site, trial: Trial) -> None:
    if not trial.is_odd:
        await site.cancel(trial)


async def a_failed_task(site: Site, trial: Trial) -> None:
    await site.submit(trial, site.request(fails_generations=1))
    await site.work(trial, site.new_worker_id(trial))


async def retry(site: Site, trial: Trial) -> None:
    await site.service(trial).retry(trial.task_id, tenant_id=trial.name)
    site.ledger.write(tenant=trial.name, told="retry")


async def retry_again(site: Site, trial: Trial) -> None:
    if trial.is_odd:
        return
    try:
        await retry(site, trial)
    except TaskNotEnded:  # the first request had got through
        site.ledger.write(tenant=trial.name, told="retry")


_CANCELLED: Final = frozenset({"cancelled"})
_EITHER: Final = frozenset({"completed", "cancelled"})

ACTS: Final = {
    act.name: act
    for act in (
        Act("submit", submit, after=submit_again),
        Act("dispatch", dispatch, a_due_ring),
        Act("dispatch, broker away", dispatch_unheard, a_due_ring, heard_again),
        Act("deadline", dispatch, a_past_deadline, ends=frozenset({"failed"})),
        Act("bury", dispatch, a_dead_owner_to_bury),
        Act("bury, cancelled", dispatch, a_cancelled_one_to_bury, ends=_CANCELLED),
        Act("claim", claim, a_task),
        Act("run", run, a_task),
        Act("run, attempt fails", run, a_task_that_fails_once),
        Act("run, replayed", run, a_task_with_two_steps_done),
        Act("run, drained", drain, a_task),
        Act("run, cancelled", cancel_while_running, a_task, ends=_EITHER),
        Act("run, cancelled and drained", cancel_and_drain, a_task, ends=_EITHER),
        Act("run, asks", run, a_task_that_asks),
        Act("run, starts a child", run, a_task_with_a_child),
        Act("answer", give_answer, a_question),
        Act("resolve", give_word, a_doubt),
        Act("wake", dispatch, a_sleeper),
        Act("tell of an end", dispatch, a_parent_whose_child_ended),
        Act("tell of an end, to who depends", dispatch, a_dependent_whose_need_is_met, tasks=2),
        Act("cancel, pending", cancel, a_task, cancel_again, ends=_EITHER),
        Act("cancel, running", cancel, a_dead_owner, cancel_again, ends=_EITHER),
        Act("retry", retry, a_failed_task, retry_again, ends=frozenset({"completed", "failed"})),
    )
}
