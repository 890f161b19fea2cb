"""What each event of a run says to a person: pure, from an event's public data to lines of text.

Everything that comes from a model, a tool or the server is untrusted: it passes through `text`.
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Final

from opspawn.cli.client import Event
from opspawn.cli.narrate_waits import TELLERS
from opspawn.cli.text import bounded, json_text, one_line
from opspawn.cli.told import Line, Told
from opspawn.client.call import Json

#: A tool that takes less is not worth a line for its time.
NOTABLE_S: Final = 0.1

#: What is waited for between two events of a run, most of the time.
THINKING: Final = "waiting for the model"


def narrate(event: Event) -> Told:
    """The event in words; one of an unknown type is shown plainly."""
    tell = _TELLERS.get(event.type)
    if tell is None:
        return Told((Line(one_line(event.type, 40), one_line(event.data) if event.data else ""),))
    return tell(event.data)


def tokens(usage: object) -> str:
    """`120 + 14 tokens`: those read and those written."""
    if not isinstance(usage, dict) or "input_tokens" not in usage:
        return ""
    return f"{_number(usage['input_tokens'])} + {_number(usage.get('output_tokens'))} tokens"


def cost(value: object) -> str:
    """Dollars to the digit that says something; an unknown price is not a price of zero."""
    if value is None:
        return "cost unknown"
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return "cost unknown"
    if not amount.is_finite():
        return "cost unknown"
    return f"${amount:.6f}".rstrip("0").rstrip(".")


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else one_line(value, 20)


def _seconds(value: object) -> str:
    return f"{value:.2f} s" if isinstance(value, int | float) else ""


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _problem(data: Json) -> str:
    error = data.get("error")
    if isinstance(error, dict):
        return bounded(f"{error.get('type', 'error')}: {error.get('message', '')}")
    return bounded(error if error is not None else data)


def _submitted(_data: Json) -> Told:
    return Told((Line("submitted"),), busy="waiting for a worker")


def _claimed(data: Json) -> Told:
    attempt = data.get("attempt")
    words = f"attempt {one_line(attempt, 20)}" if attempt else ""
    return Told((Line("started", words),), busy=THINKING)


def _released(data: Json) -> Told:
    """Back in the queue: after a failure, or handed over unharmed."""
    delay = _seconds(data.get("delay_s"))
    if "error" in data:
        detail = f"again in {delay}" if delay else ""
        return Told((Line("retry", _problem(data), "yellow", detail),))
    why = one_line(data.get("why") or "").replace("_", " ")
    return Told((Line("handed over", why, "yellow"),), busy="waiting for a worker")


def _retried(data: Json) -> Told:
    generation = one_line(data.get("generation"), 20)
    return Told((Line("retried", f"generation {generation}"),), busy="waiting for a worker")


def _cancel_requested(_data: Json) -> Told:
    return Told((Line("cancelling", "", "yellow"),), busy="waiting for the worker to stop")


def _llm_completed(data: Json) -> Told:
    text = bounded(data.get("text") or "")
    calls = data.get("tool_calls") or []
    names = ", ".join(one_line(c.get("tool"), 60) for c in calls if isinstance(c, dict))
    detail = _joined(
        one_line(data.get("model") or "", 60),
        tokens(data.get("usage")),
        cost(data.get("cost_usd")),
        _seconds(data.get("duration_s")),
    )
    words = text or (f"(no words; calls {names})" if names else "(no words)")
    return Told((Line("thought", words, "cyan", detail, says=text),))


def _llm_failed(data: Json) -> Told:
    """What a model said that is of no use, and why; the task ends with it, or asks again."""
    said = _llm_completed(data).lines
    return Told((*said, Line("model failed", _problem(data), "red")))


def _call(data: Json, *, is_echo: bool) -> Line:
    """The call itself: some tools are announced before they run, others only after."""
    given = data.get("arguments")
    pairs = given.items() if isinstance(given, dict) else [("arguments", given)]
    inside = ", ".join(f"{one_line(key, 60)}={one_line(value)}" for key, value in pairs)
    says = json_text([data.get(key) for key in ("step", "tool", "arguments")], indent=None)
    return Line(
        "tool", f"{one_line(data.get('tool'), 60)}({inside})", "magenta", says=says, is_echo=is_echo
    )


def _tool_dispatched(data: Json) -> Told:
    return Told((_call(data, is_echo=False),), busy=f"running {one_line(data.get('tool'), 60)}")


def _tool_completed(data: Json) -> Told:
    words = bounded(data.get("output"))
    seen = Line("observation", words, "green", _tool_detail(data))
    return Told((_call(data, is_echo=True), seen), busy=THINKING)


def _tool_failed(data: Json) -> Told:
    words = _problem(data) if "error" in data else bounded(data.get("output", data.get("why")))
    seen = Line("tool failed", words, "red", _tool_detail(data))
    return Told((_call(data, is_echo=True), seen), busy=THINKING)


def _tool_detail(data: Json) -> str:
    """Time, and who decided what when the call was not simply allowed."""
    decision = data.get("decision")
    decided = "" if decision in {None, "allow"} else f"{one_line(decision)} by {data.get('rule')}"
    cut = "shortened" if data.get("truncated") else ""
    took = data.get("duration_s")
    slow = _seconds(took) if isinstance(took, int | float) and took >= NOTABLE_S else ""
    return _joined(slow, cut, one_line(decided))


def _plan(data: Json) -> Told:
    steps = data.get("steps")
    planned = [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
    words = [
        f"{step.get('id')}: {step.get('tool')}({json_text(step.get('arguments'), indent=None)})"
        for step in planned
    ]
    return Told((Line("plan", bounded("; ".join(words)), "cyan"),))


def _handoff(data: Json) -> Told:
    return Told((Line("handoff", f"to {one_line(data.get('agent'), 60)}", "cyan"),))


def _silent(_data: Json) -> Told:
    return Told()  # the call itself has its lines


def _exhausted(data: Json) -> Told:
    what = data.get("what")
    short = ", ".join(one_line(each, 20) for each in what) if isinstance(what, list) else ""
    return Told((Line("no budget", _joined(short, one_line(data.get("budget"), 100)), "yellow"),))


def _limit(data: Json) -> Told:
    words = _joined(one_line(data.get("limit")), bounded(data.get("detail") or ""))
    return Told((Line("limit", words, "yellow"),))


def _finish(data: Json) -> Told:
    words = bounded(data.get("output") or "")
    return Told((Line("answer", words, "bold", says=words, is_echo=True),))


def _end(_data: Json) -> Told:
    return Told()  # the last line of the view tells the end, with what it cost


_TELLERS: Final[dict[str, Callable[[Json], Told]]] = {
    "task.submitted": _submitted,
    "task.claimed": _claimed,
    "task.released": _released,
    "task.retried": _retried,
    "task.cancel_requested": _cancel_requested,
    "task.completed": _end,
    "task.failed": _end,
    "task.cancelled": _end,
    "llm.completed": _llm_completed,
    "llm.failed": _llm_failed,
    "tool.dispatched": _tool_dispatched,
    "tool.completed": _tool_completed,
    "tool.failed": _tool_failed,
    "agent.plan": _plan,
    "agent.handoff": _handoff,
    "memory.searched": _silent,
    "memory.saved": _silent,
    "budget.reserved": _silent,
    "budget.settled": _silent,
    "budget.exhausted": _exhausted,
    "agent.limit": _limit,
    "agent.finished": _finish,
    **TELLERS,
}
