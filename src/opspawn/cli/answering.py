"""Brings tasks what they wait for, and looks after children and dead letters."""

import json

from opspawn.cli.exits import USAGE, CommandError
from opspawn.cli.tasks import ask, print_page
from opspawn.cli.text import one_line, print_json, print_line
from opspawn.client import calls
from opspawn.client.call import Json


def answer(url: str, task_id: str, text: str, *, step: str | None, as_json: bool) -> None:
    """Answers a question; without `step` the one that is open."""
    _brought(ask(url, calls.answer(task_id, text, step)), "answered", as_json=as_json)


def resolve(
    url: str, task_id: str, step: str, outcome: calls.Outcome, *, result: str | None, as_json: bool
) -> None:
    """Says what came of a call in doubt. `result` is JSON text."""
    given = None if result is None else _parsed(result)
    task = ask(url, calls.resolve_effect(task_id, step, outcome, given))
    _brought(task, "resolved", as_json=as_json)


def decide(
    url: str,
    task_id: str,
    step: str,
    decision: calls.Decision,
    *,
    comment: str | None,
    as_json: bool,
) -> None:
    """Approves or rejects a call."""
    task = ask(url, calls.resolve_approval(task_id, step, decision, comment))
    _brought(task, {"approve": "approved"}.get(decision, "rejected"), as_json=as_json)


def children(url: str, task_id: str, *, limit: int, as_json: bool) -> None:
    """The tasks that a task started, newest first."""
    _page(ask(url, calls.children(task_id, limit=limit)), as_json=as_json)


def dead_letters(url: str, *, limit: int, as_json: bool) -> None:
    """Tasks that failed for an operator to look at, newest first."""
    _page(ask(url, calls.dead_letters(limit=limit)), as_json=as_json)


def dead_letter(url: str, task_id: str, verb: str, *, as_json: bool) -> None:
    """Retries or discards one."""
    call = calls.retry_dead_letter if verb == "retry" else calls.discard_dead_letter
    task = ask(url, call(task_id))
    words = {"retry": "retried"}.get(verb, "discarded")
    _brought(task, words, as_json=as_json)


def _brought(task: Json, words: str, *, as_json: bool) -> None:
    if as_json:
        print_json(task)
        return
    print_line(f"{one_line(task.get('task_id'))}: {words}, {one_line(task.get('status'))} now.")


def _page(page: Json, *, as_json: bool) -> None:
    if as_json:
        print_json(page)
    else:
        print_page(page)


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        raise CommandError(
            f"--result is not JSON: {one_line(text, 60)}; text needs its own quotes: '\"sent\"'.",
            USAGE,
        ) from None
