"""The domain service. Every door (REST, gRPC, command line) is a translation of these methods.

It validates, stores, and asks for a ring; it never talks to a broker inside a request, so an accepted task
depends on PostgreSQL alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ops_core import answers
from ops_core.acceptance import Acceptance
from ops_core.agents import AgentRef, AgentStore, Pins
from ops_core.agents.pins import allowed, pinned
from ops_core.answers import EffectOutcome, Said
from ops_core.bounds import MAX_PAGE, check_after, check_count, checked_id, checked_key
from ops_core.errors import FieldError, InvalidRequest, NotADeadLetter
from ops_core.fork import shared
from ops_core.hook import TaskHook, check_way
from ops_core.log import Event
from ops_core.overrides import ForkRequest, asked_again, results_of
from ops_core.ports import Decide, TaskFilter, TaskPage, TaskStore, TaskType
from ops_core.request import TaskRequest, check_json
from ops_core.steps import StepEntry, StepLedger
from ops_core.task import NewTask, Status, Task, new_task_id


@dataclass(frozen=True, slots=True)
class Submitted:
    """An accepted task, and whether this request is the one that stored it."""

    task: Task
    created: bool


@dataclass(frozen=True, slots=True)
class StepPage:
    """Steps of a task, in the order in which they were first seen, and how many there are in all."""

    steps: list[StepEntry]
    total: int


class TaskService:
    """What can be done with tasks.

    `ring_soon(queue, task_id)` hands a ring to a background publisher and returns at once. Without `agents`
    only those are known that a task type itself names. `plain_http`: also a webhook that is reached over http
    may decide.
    """

    def __init__(
        self,
        store: TaskStore,
        types: Mapping[str, TaskType],
        ring_soon: Callable[[str, str], None],
        agents: AgentStore | None = None,
        *,
        plain_http: bool = False,
    ) -> None:
        self._store = store
        self._agents = agents
        self._types = types
        self._ring_soon = ring_soon
        self._plain_http = plain_http
        self._acceptance = Acceptance(types)

    async def submit(
        self,
        request: TaskRequest,
        *,
        tenant_id: str,
        idempotency_key: str | None = None,
        pins: Pins | None = None,
        hook: TaskHook | None = None,
    ) -> Submitted:
        """Stores a task. When this returns the task is on disk.

        `pins`: the versions that a child is tied to, as its parent is. `hook`: a webhook of the task that the
        request does not name; a task that the key has stored before gets none. Raises `InvalidRequest`,
        `IdempotencyConflict`, `ThreadBusy`, `ThreadArchived`, `NotNow`, `StoreUnavailable`; then nothing was
        stored.
        """
        new = await self.prepare(
            request, tenant_id=tenant_id, pins=pins, idempotency_key=idempotency_key
        )
        return await self._stored(new if hook is None else replace(new, webhook=hook))

    async def prepare(
        self,
        request: TaskRequest,
        *,
        tenant_id: str,
        pins: Pins | None = None,
        idempotency_key: str | None = None,
    ) -> NewTask:
        """A task that could be stored now, for whoever stores it. Raises `InvalidRequest`."""
        request = self._acceptance.checked(request)
        hook = request.webhook
        if hook is not None:
            check_way(hook.url, hook.decides, "webhook.decides", plain=self._plain_http)
        if pins is None:
            task_type = self._types[request.task_type]
            pins = await pinned(self._agents, task_type, request, tenant_id)
        return self._new(request, tenant_id, pins, checked_key(idempotency_key))

    def ring(self, task: Task) -> None:
        """Asks for a ring for a task that was stored elsewhere."""
        if task.reason != "delayed" and not task.gated:
            self._ring_soon(task.queue, task.task_id)

    async def get(self, task_id: str, *, tenant_id: str) -> Task:
        """Raises `TaskNotFound`."""
        return await self._store.get(tenant_id, checked_id(task_id, "task_id"))

    async def events(
        self, task_id: str, *, tenant_id: str, after: int = 0, limit: int = 100
    ) -> list[Event]:
        """The events after `after`, in order. Raises `TaskNotFound`, `InvalidRequest`."""
        check_count(limit)
        check_after(after)
        return await self._store.events(
            tenant_id, checked_id(task_id, "task_id"), after=after, limit=limit
        )

    async def steps(
        self, task_id: str, *, tenant_id: str, after: int = 0, limit: int = 100
    ) -> StepPage:
        """The steps after the first `after`. Raises `TaskNotFound`, `InvalidRequest`."""
        check_count(limit)
        check_after(after)
        ledger, seq = StepLedger(task_id), 0
        # Page by page: a long log is never in memory as a whole, and other requests have their turns.
        while page := await self._store.events(
            tenant_id, checked_id(task_id, "task_id"), after=seq, limit=MAX_PAGE
        ):
            ledger.take(page)
            seq = page[-1].seq
            if len(page) < MAX_PAGE:
                break
        return StepPage(ledger.steps[after : after + limit], len(ledger.rows))

    async def answer(
        self, task_id: str, value: Any, *, step: str | None, tenant_id: str, by: str | None = None
    ) -> Task:
        """Answers a question; without `step` the one that is open.

        Raises `TaskNotFound`, `TaskFinished`, `NothingAsked`, and `InvalidRequest` when several are open.
        """
        check_json({"answer": value, "step": step})
        return await self.bring(task_id, answers.answer(step, value, Said(by=by)), tenant_id)

    async def resolve(
        self,
        task_id: str,
        step: str,
        outcome: EffectOutcome,
        result: Any,
        *,
        tenant_id: str,
        by: str | None = None,
    ) -> Task:
        """Says what came of a call in doubt. Raises `TaskNotFound`, `TaskFinished`, `NothingAsked`."""
        check_json({"result": result, "step": step})
        if result is not None and outcome != "happened":
            raise InvalidRequest([FieldError("result", "is only for what happened")])
        word = answers.resolution(step, outcome, result, Said(by=by))
        return await self.bring(task_id, word, tenant_id)

    async def bring(self, task_id: str, decide: Decide, tenant_id: str) -> Task:
        """Brings what was asked for. Raises `TaskNotFound`, `TaskFinished`, and what `decide` raises."""
        task = await self._store.signal(tenant_id, checked_id(task_id, "task_id"), decide)
        if task.status is Status.PENDING and not task.gated:
            self._ring_soon(task.queue, task.task_id)
        return task

    async def cancel(self, task_id: str, *, tenant_id: str) -> Task:
        """Cancels, or asks the owner to. Raises `TaskNotFound`, `TaskFinished`."""
        return await self._store.cancel(tenant_id, checked_id(task_id, "task_id"))

    async def retry(self, task_id: str, *, tenant_id: str) -> Task:
        """Opens the next generation of a failed or cancelled task; it goes on from its log.

        Raises `TaskNotFound`, `TaskNotEnded`, `InvalidRequest` (what it depends on has failed).
        """
        task = await self._store.retry(tenant_id, checked_id(task_id, "task_id"))
        if not task.gated:
            self._ring_soon(task.queue, task.task_id)
        return task

    async def retry_dead_letter(self, task_id: str, *, tenant_id: str) -> Task:
        """As `retry`, of a task on the list of dead letters. Raises `NotADeadLetter` as well."""
        task = await self.get(task_id, tenant_id=tenant_id)
        if task.dead_letter_at is None:
            raise NotADeadLetter(task_id)
        return await self.retry(task_id, tenant_id=tenant_id)

    async def discard(self, task_id: str, *, tenant_id: str) -> Task:
        """Takes a task off the list of dead letters. Raises `TaskNotFound`, `NotADeadLetter`."""
        return await self._store.discard(tenant_id, checked_id(task_id, "task_id"))

    async def fork(
        self,
        task_id: str,
        request: ForkRequest,
        *,
        tenant_id: str,
        idempotency_key: str | None = None,
    ) -> Submitted:
        """Stores a new task whose log begins as that of another one, in whatever state that is.

        It belongs to no parent and waits for no other task. Raises `TaskNotFound`, `InvalidRequest`,
        `IdempotencyConflict`, `StoreUnavailable`; then nothing was stored.
        """
        source = await self._store.get(tenant_id, checked_id(task_id, "task_id"))
        log = await self._store.log(tenant_id, task_id)
        # A type that is gone since has no overrides of its own; it is refused by its name.
        task_type = self._types.get(source.task_type, TaskType(name="", input_schema={}))
        asked = self._acceptance.checked(asked_again(request, source, log[0].data, task_type))
        await allowed(self._agents, task_type, asked, tenant_id)
        steps = shared(
            log,
            request.after_seq,
            results_of(request),
            same_input=asked.input_data == source.input_data,
        )
        return await self._stored(
            replace(
                self._new(asked, tenant_id, Pins.of(source)),
                idempotency_key=checked_key(idempotency_key),
                request_hash=request.digest(task_id),
                forked_from={"task_id": task_id, "seq": request.after_seq},
                steps=steps,
            )
        )

    async def check(self) -> None:
        """Raises `StoreUnavailable` when no task could be accepted now."""
        await self._store.check()

    async def list(
        self, where: TaskFilter, *, tenant_id: str, limit: int = 50, cursor: str | None = None
    ) -> TaskPage:
        """One page, newest first. Raises `InvalidRequest` for a wrong limit or cursor."""
        check_count(limit)
        return await self._store.page(tenant_id, where, limit=limit, cursor=cursor)

    async def children(
        self, task_id: str, *, tenant_id: str, limit: int = 50, cursor: str | None = None
    ) -> TaskPage:
        """One page of a task's children, newest first. Raises `TaskNotFound`, `InvalidRequest`."""
        parent = await self.get(task_id, tenant_id=tenant_id)
        where = TaskFilter(parent_task_id=parent.task_id)
        return await self.list(where, tenant_id=tenant_id, limit=limit, cursor=cursor)

    async def dead_letters(
        self, *, tenant_id: str, limit: int = 50, cursor: str | None = None
    ) -> TaskPage:
        """One page of the tasks that failed for an operator to look at. Raises `InvalidRequest`."""
        where = TaskFilter(dead_letter=True)
        return await self.list(where, tenant_id=tenant_id, limit=limit, cursor=cursor)

    async def _stored(self, new: NewTask) -> Submitted:
        task, created = await self._store.submit(new)
        if created:
            self.ring(task)
        return Submitted(task, created)

    def _new(
        self, request: TaskRequest, tenant_id: str, pins: Pins, key: str | None = None
    ) -> NewTask:
        return NewTask(
            task_id=new_task_id(),
            tenant_id=tenant_id,
            task_type=request.task_type,
            input_data=request.input_data,
            queue=self._types[request.task_type].queue,
            name=request.name,
            agent=AgentRef.parse(request.agent).name,
            agent_version=pins.version,
            handoffs=dict(pins.handoffs),
            thread_id=request.thread_id,
            on_busy=request.on_busy,
            priority=request.priority,
            labels=dict(request.labels),
            scheduled_at=request.scheduled_at,
            deadline_s=request.deadline_s,
            retry_policy=request.retry_policy.policy(),
            parent_task_id=request.parent_task_id,
            depends_on=tuple(dict.fromkeys(request.depends_on)),
            webhook=request.webhook.hook() if request.webhook else None,
            concurrency_key=request.concurrency_key,
            budget=request.budget.allowance() if request.budget else None,
            idempotency_key=key,
            # Only compared with what the same key stored.
            request_hash=request.digest() if key else "",
        )
