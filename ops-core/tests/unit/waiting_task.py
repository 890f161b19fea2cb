"""A task that waits for everything that a client can bring: a question, an approval, a call in doubt."""

from ops_core.log import EventType, NewEvent
from ops_core.moves import fail, wait
from ops_core.ports import Append, Lease
from ops_core.step import Step
from ops_core.task import JsonObject, NewTask, Reason, Task, TaskError, Usage, Wait
from ops_core.testing import MemoryStore

QUESTION = "1/tool/1/input/1"
APPROVAL = "1/tool/2/approval/1"
EFFECT = "1/tool/3"

_ASKED: dict[str, tuple[EventType, Reason, JsonObject]] = {
    QUESTION: (EventType.INPUT_REQUESTED, Reason.INPUT, {"question": "Which one?"}),
    APPROVAL: (EventType.APPROVAL_REQUESTED, Reason.APPROVAL, {"tool": "pay", "arguments": {}}),
    EFFECT: (
        EventType.TOOL_UNKNOWN,
        Reason.EFFECT_UNKNOWN,
        {"tool": "send", "arguments": {"to": "ann"}, "effect": "unsafe", "why": "it was cut off"},
    ),
}


async def waiting(store: MemoryStore, task_id: str, *paths: str) -> Task:
    """Stores a task that waits at these steps (all three unless given)."""
    lease = await claimed(store, task_id)
    events, waits = [], []
    for path in paths or tuple(_ASKED):
        kind, reason, detail = _ASKED[path]
        step = Step(path, "tool", "x")
        events.append(NewEvent(type=kind, data=step.place | detail, journal=step.entry))
        waits.append(Wait(reason=reason, step=path, detail=step.place | detail))
    await store.append([Append(lease, events, Usage())])
    return await store.settle(lease, wait(waits, 0))


async def dead_letter(store: MemoryStore, task_id: str) -> Task:
    """Stores a task that ran out of attempts."""
    error = TaskError(type="provider_error", message="It is down.", retryable=True)
    return await store.settle(await claimed(store, task_id), fail(error, dead_letter=True))


async def claimed(store: MemoryStore, task_id: str) -> Lease:
    new = NewTask(task_id=task_id, tenant_id="default", task_type="noop", input_data={})
    await store.submit(new)
    await store.beat("w", ["default"], slots=1, running=0)
    [task] = await store.claim("w", ["default"], 1)
    assert task.task_id == task_id
    return Lease("default", task_id, "w", task.epoch)
