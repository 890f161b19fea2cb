"""Brings tasks what they wait for, and looks after children and dead letters."""

import json

from opspawn.cli.client import Json
from opspawn.cli.exits import USAGE, CommandError
from opspawn.cli.tasks import ask, print_page
from opspawn.cli.text import one_line, print_json, print_line


def answer(url: str, task_id: str, text: str, *, step: str | None, as_json: bool) -> None:
    """Answers a question; without `step` the one that is open."""
    body: Json = {"answer": text} | ({} if step is None else {"step": step})
    _brought(ask(url, lambda api: api.answer(task_id, body)), "answered", as_json=as_json)


def resolve(
    url: str, task_id: str, step: str, outcome: str, *, result: str | None, as_json: bool
) -> None:
    """Says what came of a call in doubt. `result` is JSON text."""
    body: Json = {"outcome": outcome}
    if result is not None:
        body["result"] = _parsed(result)
    task = ask(url, lambda api: api.resolve("effects", task_id, step, body))
    _brought(task, "resolved", as_json=as_json)


def decide(
    url: str, task_id: str, step: str, decision: str, *, comment: str | None, as_json: bool
) -> None:
    """Approves or rejects a call."""
    body = {"decision": decision, "comment": comment}
    task = ask(url, lambda api: api.resolve("approvals", task_id, step, body))
    _brought(task, {"approve": "approved"}.get(decision, "rejected"), as_json=as_json)


def children(url: str, task_id: str, *, limit: int, as_json: bool) -> None:
    """The tasks that a task started, newest first."""
    _page(ask(url, lambda api: api.children(task_id, limit=limit)), as_json=as_json)


def dead_letters(url: str, *, limit: int, as_json: bool) -> None:
    """Tasks that failed for an operator to look at, newest first."""
    _page(ask(url, lambda api: api.dead_letters(limit=limit)), as_json=as_json)


def dead_letter(url: str, task_id: str, verb: str, *, as_json: bool) -> None:
    """Retries or discards one."""
    task = ask(url, lambda api: api.dead_letter(task_id, verb))
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
