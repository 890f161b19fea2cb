"""Following a task: until it is settled, or event by event for as long as the client listens."""

from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import Any, Final

from ops_core.a2a.desk import Call, Desk
from ops_core.a2a.errors import UNSUPPORTED, Refusal
from ops_core.a2a.incoming import SendMessage, TaskId, parsed
from ops_core.a2a.sending import taken
from ops_core.a2a.views import artifacts_of, context_of, state_of, status_view, task_view
from ops_core.errors import Unavailable
from ops_core.following import SETTLING, is_settled
from ops_core.log import EventType
from ops_core.principal import Principal
from ops_core.task import JsonObject, Task

#: A client that asks to wait gets the task as it is after that time. Seconds.
MAX_WAIT_S: Final = 300.0

#: A stream says at least that it is alive. Proxies cut off what is silent for a minute. Seconds.
BEAT_S: Final = 15.0

_MOVING: Final = SETTLING | {EventType.TASK_CLAIMED}

#: What a stream gives: a result of the protocol, or None for a sign of life.
Told = JsonObject | None


async def settled(desk: Desk, task: Task, who: Principal) -> Task:
    """The task once it has ended or needs somebody, or as it is after `MAX_WAIT_S`."""
    tasks, seq = desk.services.tasks, task.last_seq
    if is_settled(task):
        return task
    following = desk.follow(task.task_id, tenant_id=who.tenant_id, after=seq, within_s=MAX_WAIT_S)
    async with aclosing(following):
        async for event in following:
            if event.type in SETTLING:
                task = await tasks.get(task.task_id, tenant_id=who.tenant_id)
                if is_settled(task):
                    return task
    return await tasks.get(task.task_id, tenant_id=who.tenant_id)


async def send_stream(call: Call, params: Any) -> AsyncIterator[Told]:
    """Sends a message, and tells how its task goes, until it has ended or needs somebody."""
    sent = parsed(SendMessage, params)
    task, who = await taken(call, sent)
    return _told(call, task, who, is_over=is_settled(task))


async def subscribe(call: Call, params: Any) -> AsyncIterator[Told]:
    """Tells how a task goes from now on: as it stands first."""
    asked = parsed(TaskId, params)
    task, who = await call.task(asked.id, "list_task_events")
    if task.is_terminal:
        message = f"The task {task.task_id} is {task.status}: nothing will follow. Use GetTask."
        raise Refusal(UNSUPPORTED, message, "task_finished")
    return _told(call, task, who, is_over=False)


async def _told(call: Call, task: Task, who: Principal, *, is_over: bool) -> AsyncIterator[Told]:
    desk = call.desk
    yield {"task": task_view(task)}
    state, seq = state_of(task), task.last_seq
    while not is_over:
        moved, seq = await _next_move(desk, task, who, seq)
        if moved is None:
            # A key may be revoked meanwhile. What is away ends no stream.
            with suppress(Unavailable):
                await call.still()
            yield None
            continue
        task, is_over = moved, is_settled(moved)
        if state_of(task) != state or is_over:
            state = state_of(task)
            for update in _updates(task):
                yield update


async def _next_move(desk: Desk, task: Task, who: Principal, seq: int) -> tuple[Task | None, int]:
    """The task after its next move, or None after `BEAT_S`; and the last event that was seen."""
    following = desk.follow(task.task_id, tenant_id=who.tenant_id, after=seq, within_s=BEAT_S)
    async with aclosing(following):
        async for event in following:
            seq = event.seq
            if event.type in _MOVING:
                tasks = desk.services.tasks
                return await tasks.get(task.task_id, tenant_id=who.tenant_id), seq
    return None, seq


def _updates(task: Task) -> list[JsonObject]:
    """What a move of the task is to a client: its answer first, then its state."""
    of = {"taskId": task.task_id, "contextId": context_of(task)}
    made = [
        {"artifactUpdate": {**of, "artifact": artifact, "append": False, "lastChunk": True}}
        for artifact in artifacts_of(task)
    ]
    return [*made, {"statusUpdate": {**of, "status": status_view(task)}}]


STREAMS: Final = {"SendStreamingMessage": send_stream, "SubscribeToTask": subscribe}
