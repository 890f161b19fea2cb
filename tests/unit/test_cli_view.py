"""What a person sees of a run: the events in, the lines out."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from ops_core.log import EventType
from opspawn.cli.client import Event
from opspawn.cli.follow import Found, Lost
from opspawn.cli.narrate import cost, tokens
from opspawn.cli.running import answer
from opspawn.cli.tasks import task_table
from opspawn.cli.view import RunView

START = datetime(2026, 1, 1, tzinfo=UTC)

THOUGHT = {
    "step": 1,
    "model": "small-1",
    "text": "I should multiply.",
    "tool_calls": [{"id": "c1", "tool": "calculator", "arguments": {"expression": "17 * 23"}}],
    "usage": {"input_tokens": 1200, "output_tokens": 14},
    "cost_usd": "0.000300",
    "duration_s": 0.5,
}
CALL = {
    "step": 1,
    "tool": "calculator",
    "arguments": {"expression": "17 * 23"},
    "effect": "pure",
    "output": "391",
    "decision": "allow",
    "rule": "allow-list",
    "duration_s": 0.001,
}


def shown(*events: tuple[str, dict[str, Any]], terminal: bool = False) -> str:
    """What the view prints for events one second apart."""
    out = io.StringIO()
    view = RunView(Console(file=out, force_terminal=terminal, width=80, highlight=False))
    for number, (kind, data) in enumerate(events):
        view.show(Event(number + 1, kind, START + timedelta(seconds=number), data, {}))
    view.close()
    return out.getvalue()


def words(*events: tuple[str, dict[str, Any]]) -> list[list[str]]:
    """The lines of the view, each cut at two or more blanks."""
    return [[p for p in line.split("  ") if p] for line in shown(*events).splitlines()]


def test_a_thought_is_shown_with_model_tokens_cost_and_time() -> None:
    """One line for the words, one for what they cost."""
    assert words(("llm.completed", THOUGHT)) == [
        [" 0.00s", "thought", "I should multiply."],
        [" small-1 · 1,200 + 14 tokens · $0.0003 · 0.50 s"],
    ]


def test_a_thought_without_words_names_its_calls() -> None:
    """A model that only calls tools is not shown as silent."""
    assert "(no words; calls calculator)" in shown(("llm.completed", THOUGHT | {"text": ""}))


def test_a_reply_of_no_use_is_shown_with_what_is_wrong_with_it() -> None:
    """A run that fails for it says what was paid for."""
    error = {"type": "output_invalid", "message": "it is not JSON"}
    lines = words(("llm.failed", THOUGHT | {"error": error}))
    assert "model failed" in lines[2][1]
    assert "output_invalid: it is not JSON" in lines[2][-1]


def test_a_tool_call_and_its_observation_are_shown() -> None:
    """The call with its arguments, then what came back."""
    assert [line[1:] for line in words(("tool.completed", CALL))] == [
        ["tool", " calculator(expression=17 * 23)"],
        ["observation", "391"],
    ]


def test_a_call_that_was_announced_is_not_repeated() -> None:
    """Some tools have an event before they run, others only one after."""
    text = shown(("tool.dispatched", CALL), ("tool.completed", CALL))
    assert text.count("calculator(") == 1


def test_an_answer_that_was_just_thought_is_not_repeated() -> None:
    """The last thought of a run is its answer."""
    finish = ("agent.finished", {"output": "I should multiply.", "steps": 1, "reason": "answered"})
    assert shown(("llm.completed", THOUGHT), finish).count("I should multiply.") == 1


def test_an_answer_that_nobody_thought_is_shown() -> None:
    """A planner may put it together itself."""
    finish = ("agent.finished", {"output": "391", "steps": 1, "reason": "answered"})
    assert [" 1.00s", "answer", " 391"] == words(("task.submitted", {}), finish)[1]


def test_a_denied_call_shows_the_rule() -> None:
    """Who decided, when it was not simply allowed."""
    denied = CALL | {"decision": "deny", "rule": "allow-list", "output": "Not allowed."}
    text = shown(("tool.failed", denied))
    assert "tool failed  Not allowed." in text
    assert "deny by allow-list" in text


def test_work_that_is_handed_over_is_told_with_the_agent() -> None:
    """What follows is somebody else's."""
    handed = ("agent.handoff", {"step": 1, "call_id": "c", "agent": "scout"})
    assert [[" 0.00s", "handoff", "to scout"]] == words(handed)


def test_what_a_memory_was_asked_is_told_by_the_call_alone() -> None:
    """Twice would be once too often."""
    assert "" == shown(("memory.searched", {"query": "tea"}), ("memory.saved", {"text": "tea"}))


def test_a_budget_is_told_of_when_it_is_exhausted() -> None:
    """Not at each call: what that used stands at its end."""
    asked = {"path": "1/llm", "budgets": ["day"], "steps": 1}
    out = {"path": "1/llm", "budget": "day", "what": ["steps", "tokens"], "allowed": {}}
    told = words(("budget.reserved", asked), ("budget.settled", asked), ("budget.exhausted", out))
    assert [[" 2.00s", "no budget", "steps, tokens · day"]] == told


def test_every_event_has_words_of_its_own() -> None:
    """Shown plainly are only those of a newer server."""
    bare = [kind for kind in EventType if shown((kind, {})).strip().endswith(kind)]
    assert [] == bare


def test_an_event_of_an_unknown_type_is_shown_plainly() -> None:
    """A newer server may have events that this build does not know."""
    assert words(("quantum.leapt", {"far": 3})) == [[" 0.00s", 'quantum.leapt{"far": 3}']]


def test_a_plan_is_shown() -> None:
    """What the agent means to do, before it does it."""
    step = {"id": "s1", "tool": "calculator", "arguments": {"expression": "${s0} + 1"}}
    text = shown(("agent.plan", {"step": 1, "steps": [step]}))
    assert 's1: calculator({"expression": "${s0} + 1"})' in text


@pytest.mark.parametrize(
    "kind",
    ["llm.completed", "llm.failed", "tool.completed", "tool.failed", "agent.limit", "agent.plan"],
)
@pytest.mark.parametrize("data", [{}, {"text": 5, "output": None, "arguments": [1], "usage": "?"}])
def test_strange_data_is_no_error(kind: str, data: dict[str, Any]) -> None:
    """What a server sends is shown as far as it can be."""
    assert shown((kind, data)) != ""


def test_markup_of_a_model_is_only_text() -> None:
    """Square brackets are shown, not obeyed."""
    text = shown(("llm.completed", THOUGHT | {"text": "[bold red]hi[/] :boom:"}), terminal=True)
    assert "[bold red]hi[/] :boom:" in text


def test_escape_codes_of_a_model_do_not_reach_the_terminal() -> None:
    """No sequence but our own colours."""
    text = shown(("llm.completed", THOUGHT | {"text": "\x1b[2Jgone\x1b]0;t\x07"}), terminal=True)
    assert "\x1b[2J" not in text
    assert "\x1b]" not in text
    assert "gone" in text


def test_a_lost_server_is_told_once() -> None:
    """While it is tried again and again, and when it is back."""
    out = io.StringIO()
    view = RunView(Console(file=out, width=200))
    for seen in (Lost("No answer."), Lost("No answer."), Found()):
        view.show(seen)
    assert out.getvalue().splitlines() == ["No answer. Trying again …", "The server answers again."]


def test_the_last_line_says_how_it_ended_and_what_it_used() -> None:
    """With the error of a task that failed."""
    out = io.StringIO()
    RunView(Console(file=out, width=200)).finish(
        {
            "status": "failed",
            "usage": {"input_tokens": 5, "output_tokens": 1, "cost_usd": "0", "steps": 1},
            "error": {"type": "provider_unavailable", "message": "Try later.", "retryable": True},
        }
    )
    assert out.getvalue().splitlines() == [
        "failed · 1 step · 5 + 1 tokens · $0",
        "provider_unavailable: Try later.",
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", "$0"),
        ("0.000125", "$0.000125"),
        ("12.50", "$12.5"),
        ("100", "$100"),
        (None, "cost unknown"),
        ("NaN", "cost unknown"),
        ("x", "cost unknown"),
    ],
)
def test_a_cost_is_told_to_the_digit_that_counts(value: object, expected: str) -> None:
    """And an unknown price is not a price of zero."""
    assert cost(value) == expected


def test_tokens_are_told_as_read_and_written() -> None:
    """Large numbers with separators."""
    assert tokens({"input_tokens": 12345, "output_tokens": 6}) == "12,345 + 6 tokens"


WAITS = [
    (
        {"reason": "input", "step": "1/tool/1/input/1", "question": "Which\x1b[2J one?"},
        ["waiting", "for an answer: Which one?"],
        'opspawn tasks answer task_1 "…" --step 1/tool/1/input/1',
    ),
    (
        {"reason": "approval", "step": "1/tool/1", "tool": "pay", "arguments": {"eur": 5}},
        ["waiting", 'for approval of pay({"eur": 5})'],
        "opspawn tasks approve task_1 1/tool/1   (or reject)",
    ),
    (
        {
            "reason": "effect_unknown",
            "step": "1/tool/1;rm",
            "tool": "send",
            "arguments": None,
            "why": "its worker died",
        },
        ["waiting", "for word on send(null): its worker died"],
        "opspawn tasks resolve task_1 '1/tool/1;rm' happened   (or run_again, or fail)",
    ),
    (
        {"reason": "child", "step": "1/tool/1/children/1", "children": ["a"], "needed": 1},
        ["waiting", "for 1 of its children to end"],
        "opspawn tasks children task_1",
    ),
    (
        {"reason": "timer", "step": "1", "until": "2026-01-02T00:00:00+00:00"},
        ["waiting", "for 2026-01-02 00:00:00 UTC"],
        "",
    ),
]


@pytest.mark.parametrize(("wait", "line", "command"), WAITS)
def test_a_wait_is_shown_with_the_command_that_ends_it(
    wait: dict[str, Any], line: list[str], command: str
) -> None:
    """The command can be pasted: what comes from the server is quoted."""
    out = io.StringIO()
    view = RunView(Console(file=out, width=200, highlight=False), "task_1")
    data = {"reason": wait["reason"], "waiting_for": [wait]}
    view.show(Event(1, "task.waiting", START, data, {}))
    first, *more = out.getvalue().splitlines()
    assert line == [part for part in first.split("  ") if part][1:]
    assert ([command] if command else []) == [other.strip() for other in more]


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("task.woken", {"why": "timer"}, [["woken", "timer"]]),
        ("input.requested", {"question": "Which?"}, [["question", "Which?"]]),
        ("input.received", {"answer": {"a": 1}}, [["reply", '{"a": 1}']]),
        ("approval.resolved", {"decision": "approve", "comment": None}, [["approved"]]),
        ("approval.resolved", {"decision": "reject", "comment": "No."}, [["rejected", "No."]]),
        ("tool.unknown", {"tool": "send", "why": "cut off"}, [["in doubt", "send: cut off"]]),
        ("effect.resolved", {"outcome": "run_again"}, [["resolved", "run again"]]),
        (
            "child.finished",
            {"child_task_id": "a", "status": "failed"},
            [["child ended", "a: failed"]],
        ),
        ("step.recorded", {"kind": "clock", "name": "now"}, []),
    ],
)
def test_what_happens_around_a_wait_is_told(
    kind: str, data: dict[str, Any], expected: list[list[str]]
) -> None:
    """One line each; a look at the clock is not worth one."""
    found = [[p.strip() for p in line[1:] if p.strip()] for line in words((kind, data))]
    assert expected == found


def test_a_long_goal_gives_way_to_the_rest_of_its_line() -> None:
    """In the list of tasks, status, time and cost are whole on a terminal of a hundred columns."""
    task = {
        "task_id": "task_0123456789abcdef0123456789",
        "status": "completed",
        "created_at": "2026-11-24T10:00:00Z",
        "input_data": {"goal": "very " * 100},
    }
    output = io.StringIO()
    Console(file=output, width=100).print(task_table([task]))
    _, line = output.getvalue().splitlines()
    assert "completed  2026-11-24 10:00:00" in line
    assert line.rstrip().endswith("…")


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"output": "391."}, "391."),
        ({"output": None, "partial": True, "steps": []}, ""),
        (None, ""),
    ],
)
def test_what_a_run_prints_is_text(result: Any, expected: str) -> None:
    """The answer, or what was last said; nothing where nothing was."""
    assert expected == answer({"status": "failed", "result": result})
