"""The checker can fail: every rule of it finds the log, the answer or the ledger that breaks it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from checker import Told, effects_gone_wrong, unpaid, violations

from support.ledger_tools import Effect

Log = list[dict[str, Any]]

TASK = "task_1"
ENTRY = {"goal": "g", "entry": "first"}


def event(kind: str, path: str = "", **data: Any) -> dict[str, Any]:
    return {"type": kind, "data": data, "journal": {"path": path}}


def model_call(path: str) -> dict[str, Any]:
    return event("llm.completed", path, usage={"input_tokens": 100}, cost_usd="0.001")


def tool(kind: str, path: str = "1/tool/0") -> dict[str, Any]:
    return event(kind, path, tool="record_once", arguments=ENTRY)


def good() -> Log:
    """A task that lost its worker once, and completed."""
    return [
        event("task.submitted"),
        event("task.claimed"),
        model_call("1/llm"),
        event("task.released"),
        event("task.claimed"),
        tool("tool.dispatched"),
        tool("tool.completed"),
        model_call("2/llm"),
        event("task.completed"),
    ]


def task(log: Log, **changes: Any) -> dict[str, Any]:
    calls = sum(each["type"] == "llm.completed" for each in log)
    row = {
        "task_id": TASK,
        "status": "completed",
        "last_seq": len(log),
        "input_tokens": 100 * calls,
        "cost_usd": Decimal("0.001") * calls,
        "steps": calls,
        "input_data": {"goal": "g"},
    }
    return row | changes


def numbered(log: Log) -> Log:
    return [each | {"task_id": TASK, "seq": seq} for seq, each in enumerate(log, start=1)]


def found(log: Log, told: Told | None = None, **changes: Any) -> list[str]:
    return violations([task(log, **changes)], numbered(log), {TASK}, told)


def test_a_good_log_breaks_no_rule() -> None:
    log = numbered(good())
    told = Told(accepted={TASK: "g"})
    assert [] == found(good(), told)
    assert [] == unpaid([task(log)], log, {("g", 1): 2, ("g", 2): 1})
    assert [] == list(
        effects_gone_wrong([task(log)], log, [Effect("record_once", "g", "first", "")])
    )


BROKEN: dict[str, Callable[[Log], None]] = {
    "a second end": lambda log: log.append(event("task.failed")),
    "a step after the end": lambda log: log.append(tool("tool.completed", "3/tool/0")),
    "a step nobody owned": lambda log: log.insert(4, tool("tool.completed", "3/tool/0")),
    "a step committed twice": lambda log: log.insert(-1, log[6]),
    "a claim of a running task": lambda log: log.insert(2, event("task.claimed")),
    "a retry of a completed task": lambda log: log.append(event("task.retried", generation=2)),
    "a claim after a cancel": lambda log: log.insert(3, event("task.cancel_requested")),
    "an effect after a cancel": lambda log: log.insert(5, event("task.cancel_requested")),
    "no end": lambda log: log.remove(log[-1]),
    "no submit": lambda log: log.remove(log[0]),
}


@pytest.mark.parametrize("harm", BROKEN.values(), ids=BROKEN)
def test_a_broken_log_is_found(harm: Callable[[Log], None]) -> None:
    log = good()
    harm(log)
    assert found(log)


@pytest.mark.parametrize(
    "changes", [{"last_seq": 8}, {"status": "failed"}, {"steps": 1}, {"input_tokens": 5}]
)
def test_a_row_that_is_not_its_log_is_found(changes: dict[str, Any]) -> None:
    assert found(good(), **changes)


@pytest.mark.parametrize(
    "told",
    [
        Told(cancelled={(TASK, 1): "cancelled"}),
        Told(cancelled={(TASK, 2): "running"}),
        Told(retried={(TASK, 2)}),
        Told(wrong=["500"]),
    ],
)
def test_a_broken_promise_is_found(told: Told) -> None:
    assert found(good(), told)


def test_a_lost_task_is_found() -> None:
    assert violations([], [], {TASK})


def test_a_call_made_again_without_a_reason_is_found() -> None:
    log = numbered(good())
    assert unpaid([task(log)], log, {("g", 1): 2, ("g", 2): 2})


@pytest.mark.parametrize(
    "ledger",
    [
        [],
        [Effect("record_once", "g", "first", "")] * 2,
        [Effect("record_once", "g", "first", ""), Effect("record_once", "g", "other", "")],
        [
            Effect("record_once", "g", "first", ""),
            Effect("record_keyed", "g", "x", "a"),
            Effect("record_keyed", "g", "x", "b"),
        ],
    ],
    ids=["told, not done", "done twice", "no intent", "two keys"],
)
def test_an_effect_gone_wrong_is_found(ledger: list[Effect]) -> None:
    log = numbered(good())
    assert list(effects_gone_wrong([task(log)], log, ledger))
