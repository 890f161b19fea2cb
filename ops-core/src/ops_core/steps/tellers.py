"""What each event says of the step that it is about."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from ops_core.ask import BESIDE
from ops_core.log import Event, EventType
from ops_core.steps.entry import MAX_SHOWN, StepEntry, StepStatus


def _call(row: StepEntry, event: Event) -> None:
    """What was called, and how: on every event of a tool."""
    data = event.data
    row.name = data.get("tool", data.get("name", row.name))
    row.effect = data.get("effect", row.effect)
    row.why = data.get("why")
    if "arguments" in data:
        row.arguments = _shown(row, data["arguments"])


def _dispatched(row: StepEntry, event: Event) -> None:
    _call(row, event)
    row.status, row.started_at = StepStatus.DISPATCHED, event.at


def _unknown(row: StepEntry, event: Event) -> None:
    _call(row, event)
    row.status = StepStatus.UNKNOWN


def _tool_completed(row: StepEntry, event: Event) -> None:
    _call(row, event)
    _finish(row, event, output=event.data.get("output"))


def _tool_failed(row: StepEntry, event: Event) -> None:
    _call(row, event)
    if "output" in event.data:
        _finish(row, event, StepStatus.FAILED, output=event.data["output"])
    else:  # it failed before its effect, and may be made again
        row.status = StepStatus.RESERVED


def _llm(row: StepEntry, event: Event) -> None:
    data = event.data
    row.name, row.effect, row.why = data.get("model"), "pure", None
    row.usage, row.cost_usd = data.get("usage"), data.get("cost_usd")
    _finish(row, event, output={key: data.get(key) for key in ("text", "tool_calls")})


def _llm_failed(row: StepEntry, event: Event) -> None:
    """What was said is paid for, and of no use; should the task be retried, the model is asked again."""
    _llm(row, event)
    row.status, row.why = StepStatus.FAILED, event.data.get("error", {}).get("message")


def _recorded(row: StepEntry, event: Event) -> None:
    row.name = event.data.get("name", row.name)
    row.effect = event.data.get("effect", row.effect)
    row.usage, row.cost_usd = event.data.get("usage"), event.data.get("cost_usd")
    _finish(row, event, output=row.output)


def _asked(row: StepEntry, event: Event) -> None:
    """A timer, a question, a request for approval: what was asked stands beside the place."""
    row.name = event.data.get("tool")
    row.status, row.effect, row.started_at = StepStatus.WAITING, "pure", event.at
    asked = {key: value for key, value in event.data.items() if key not in BESIDE}
    row.arguments = _shown(row, asked)


def _fired(row: StepEntry, event: Event) -> None:
    _finish(row, event)


def _answered(row: StepEntry, event: Event) -> None:
    row.resolution = {"answer": _shown(row, event.data.get("answer"))}
    _finish(row, event, output=event.data.get("answer"))


def _decided(row: StepEntry, event: Event) -> None:
    row.resolution = {key: event.data.get(key) for key in ("decision", "comment")}
    if "arguments" in event.data:
        row.resolution["arguments"] = _shown(row, event.data["arguments"])
    _finish(row, event, output=row.resolution)


def _expired(row: StepEntry, event: Event) -> None:
    row.why = "nobody answered in time"
    _finish(row, event, StepStatus.FAILED)


def _resolved(row: StepEntry, event: Event) -> None:
    outcome, result = event.data.get("outcome"), event.data.get("result")
    row.resolution = {"outcome": outcome, "result": _shown(row, result)}
    match outcome:
        case "happened":
            _finish(row, event, output=result)
        case "run_again":
            row.status = StepStatus.RESERVED
        case _:
            _finish(row, event, StepStatus.FAILED)


def _child_started(row: StepEntry, event: Event) -> None:
    row.name, row.effect = "start", "idempotent"
    _finish(row, event, output={"child_task_id": event.data.get("child_task_id")})


def _child_finished(row: StepEntry, event: Event) -> None:
    row.name, row.effect, row.status = "wait", "pure", StepStatus.WAITING
    row.started_at = row.started_at or event.at
    end = {key: event.data.get(key) for key in ("child_task_id", "status")}
    row.output = [*(row.output or []), end]


def _finish(
    row: StepEntry, event: Event, status: StepStatus = StepStatus.COMMITTED, output: Any = None
) -> None:
    row.status, row.finished_at = status, event.at
    row.output = _shown(row, output)
    took = event.data.get("duration_s")
    if took is None and row.started_at is not None:
        took = round((event.at - row.started_at).total_seconds(), 3)
    row.duration_s = took
    if row.started_at is None and took is not None:
        row.started_at = event.at - timedelta(seconds=took)


def _shown(row: StepEntry, value: Any) -> Any:
    """The value, or the beginning of its text when it is too long for a list."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) <= MAX_SHOWN:
        return value
    row.truncated = True
    return text[:MAX_SHOWN]


TELLERS: Final[dict[str, tuple[str, Callable[[StepEntry, Event], None]]]] = {
    EventType.LLM_COMPLETED: ("llm", _llm),
    EventType.LLM_FAILED: ("llm", _llm_failed),
    EventType.TOOL_DISPATCHED: ("tool", _dispatched),
    EventType.TOOL_COMPLETED: ("tool", _tool_completed),
    EventType.TOOL_FAILED: ("tool", _tool_failed),
    EventType.TOOL_UNKNOWN: ("tool", _unknown),
    EventType.EFFECT_RESOLVED: ("tool", _resolved),
    EventType.STEP_RECORDED: ("step", _recorded),
    EventType.TIMER_SET: ("timer", _asked),
    EventType.TIMER_FIRED: ("timer", _fired),
    EventType.INPUT_REQUESTED: ("input", _asked),
    EventType.INPUT_RECEIVED: ("input", _answered),
    EventType.APPROVAL_REQUESTED: ("approval", _asked),
    EventType.APPROVAL_RESOLVED: ("approval", _decided),
    EventType.APPROVAL_EXPIRED: ("approval", _expired),
    EventType.INPUT_EXPIRED: ("input", _expired),
    EventType.CHILD_STARTED: ("child", _child_started),
    EventType.CHILD_FINISHED: ("children", _child_finished),
}
