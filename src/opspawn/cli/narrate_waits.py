"""What the events of waiting say to a person: questions, timers, approvals, calls in doubt, children."""

from collections.abc import Callable
from typing import Final

from opspawn.cli.text import bounded, json_text, one_line
from opspawn.cli.told import Line, Told
from opspawn.cli.waits import waits_of, what
from opspawn.client.call import Json


def _waiting(data: Json) -> Told:
    lines = [Line("waiting", f"for {what(wait)}", "yellow") for wait in waits_of(data)]
    return Told(tuple(lines) or (Line("waiting", "", "yellow"),), busy="waiting")


def _woken(data: Json) -> Told:
    why = one_line(data.get("why") or "")
    return Told((Line("woken", why),), busy="waiting for a worker")


def _unknown(data: Json) -> Told:
    tool, why = one_line(data.get("tool"), 60), bounded(data.get("why") or "")
    return Told((Line("in doubt", f"{tool}: {why}", "red"),))


def _resolved(data: Json) -> Told:
    words = one_line(data.get("outcome")).replace("_", " ")
    return Told((Line("resolved", words, "green", _value(data.get("result"))),))


def _question(data: Json) -> Told:
    return Told((Line("question", bounded(data.get("question") or ""), "yellow"),))


def _answer(data: Json) -> Told:
    return Told((Line("reply", _value(data.get("answer")), "green"),))


def _approval(data: Json) -> Told:
    given = one_line(json_text(data.get("arguments"), indent=None))
    return Told((Line("approval", f"{one_line(data.get('tool'), 60)}({given})", "yellow"),))


def _decision(data: Json) -> Told:
    approved = data.get("decision") == "approve"
    words, style = ("approved", "green") if approved else ("rejected", "red")
    return Told((Line(words, one_line(data.get("comment") or ""), style),))


def _expired(_data: Json) -> Told:
    return Told((Line("expired", "nobody answered in time", "red"),))


def _child_started(data: Json) -> Told:
    return Told((Line("child", one_line(data.get("child_task_id")), "magenta"),))


def _child_finished(data: Json) -> Told:
    child, status = one_line(data.get("child_task_id")), one_line(data.get("status"))
    return Told((Line("child ended", f"{child}: {status}", "green"),))


def _dependency(data: Json) -> Told:
    left = one_line(data.get("left"))
    return Told((Line("dependency", f"{one_line(data.get('task_id'))} completed, {left} left"),))


def _nothing(_data: Json) -> Told:
    return Told()  # a look at the clock, or a timer that the line on waiting tells of


def _value(value: object) -> str:
    return "" if value is None else bounded(value)


TELLERS: Final[dict[str, Callable[[Json], Told]]] = {
    "task.waiting": _waiting,
    "task.woken": _woken,
    "tool.unknown": _unknown,
    "effect.resolved": _resolved,
    "step.recorded": _nothing,
    "timer.set": _nothing,
    "timer.fired": _nothing,
    "input.requested": _question,
    "input.received": _answer,
    "approval.requested": _approval,
    "input.expired": _expired,
    "approval.resolved": _decision,
    "approval.expired": _expired,
    "child.started": _child_started,
    "child.finished": _child_finished,
    "dependency.finished": _dependency,
}
