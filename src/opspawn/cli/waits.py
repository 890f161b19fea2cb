"""What a waiting task waits for, in words, with the command that brings it: pure."""

import shlex

from opspawn.cli.text import bounded, json_text, one_line
from opspawn.client.call import Json


def waits_of(task: Json) -> list[Json]:
    """What a task, or its event `task.waiting`, says that it waits for."""
    waits = task.get("waiting_for")
    return [wait for wait in waits if isinstance(wait, dict)] if isinstance(waits, list) else []


def told(task_id: str, wait: Json) -> str:
    """What it is, and below it what to do."""
    command = what_to_do(task_id, wait)
    return f"{what(wait)}\n{command}" if command else what(wait)


def what(wait: Json) -> str:
    """What is waited for."""
    match wait.get("reason"):
        case "input":
            return f"an answer: {bounded(wait.get('question') or '')}"
        case "approval":
            return f"approval of {_call(wait)}"
        case "effect_unknown":
            why = one_line(wait.get("why") or "nobody knows its outcome")
            return f"word on {_call(wait)}: {why}"
        case "timer":
            return f"{one_line(wait.get('until'))[:19].replace('T', ' ')} UTC"
        case "child":
            return f"{one_line(wait.get('needed'))} of its children to end"
        case other:
            return one_line(other)


def what_to_do(task_id: str, wait: Json) -> str:
    """The command that brings it; empty when it comes by itself."""
    task, step = _word(task_id), _word(wait.get("step"))
    match wait.get("reason"):
        case "input":
            return f'opspawn tasks answer {task} "…" --step {step}'
        case "approval":
            return f"opspawn tasks approve {task} {step}   (or reject)"
        case "effect_unknown":
            return f"opspawn tasks resolve {task} {step} happened   (or run_again, or fail)"
        case "child":
            return f"opspawn tasks children {task}"
        case _:
            return ""


def _call(wait: Json) -> str:
    given = wait.get("arguments")
    return f"{one_line(wait.get('tool'), 60)}({one_line(json_text(given, indent=None))})"


def _word(value: object) -> str:
    """Comes from the server and is to be pasted into a shell."""
    return shlex.quote(one_line(value, 1000))
