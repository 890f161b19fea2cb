"""`opspawn tasks list|show|cancel|retry`: looks at the tasks of a running server."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from opspawn.cli.client import ApiClient
from opspawn.cli.configuration import api_key
from opspawn.cli.narrate import cost, tokens
from opspawn.cli.text import bounded, one_line, print_json, print_line
from opspawn.cli.waits import told, waits_of
from opspawn.client import calls
from opspawn.client.call import Call, Json

#: Wide enough for a whole id: a list that goes into a pipe must not be cut at 80 columns.
PIPE_WIDTH = 200


def list_tasks(url: str, *, status: str | None, limit: int, as_json: bool) -> None:
    """One line a task, newest first."""
    where = {"limit": limit, "status": status}
    page = ask(url, calls.tasks(where))
    if as_json:
        print_json(page)
        return
    print_page(page)


def print_page(page: Json) -> None:
    """The tasks of a page, and how many there are besides."""
    tasks = page.get("tasks") or []
    out = console()
    out.print(task_table(tasks))
    total = page.get("total", len(tasks))
    if total != len(tasks):
        out.print(Text(f"{len(tasks)} of {total} tasks (--limit shows more).", style="dim"))


def show(url: str, task_id: str, *, as_json: bool) -> None:
    """One task in full."""
    task = ask(url, calls.task(task_id))
    if as_json:
        print_json(task)
    else:
        _details(task)


def cancel(url: str, task_id: str, *, as_json: bool) -> None:
    """Cancels a task; one that is running stops at its next step."""
    task = ask(url, calls.cancel(task_id))
    if as_json:
        print_json(task)
        return
    status = one_line(task.get("status"))
    words = "cancelled" if status == "cancelled" else f"{status}; its worker was asked to stop"
    print_line(f"{one_line(task.get('task_id'))}: {words}.")


def retry(url: str, task_id: str, *, as_json: bool) -> None:
    """Opens the next generation of a failed or cancelled task."""
    task = ask(url, calls.retry(task_id))
    if as_json:
        print_json(task)
        return
    generation = one_line(task.get("generation"))
    print_line(f"{one_line(task.get('task_id'))}: pending again, generation {generation}.")


def ask(url: str, call: Call[Any]) -> Json:
    """What the server answers to one call."""
    return talk(url, lambda api: api.ask(call))


def talk(url: str, questions: Callable[[ApiClient], Awaitable[Json]]) -> Json:
    """What several calls come to."""

    async def main() -> Json:
        async with ApiClient(url, api_key(url)) as api:
            return await questions(api)

    return asyncio.run(main())


def console() -> Console:
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(highlight=False, width=width)


def task_table(tasks: list[Json]) -> Table:
    """A line a task. Only the goal gives way where the terminal is narrow."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("TASK", "STATUS", "CREATED", "TOOK", "TOKENS", "COST"):
        table.add_column(title, no_wrap=True)
    table.add_column("GOAL")  # may wrap, so that it is the one that shrinks; its text does not
    for task in tasks:
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in _cells(task)))
    return table


def _cells(task: Json) -> list[str]:
    usage = task.get("usage") or {}
    return [
        one_line(task.get("task_id")),
        _status(task),
        one_line(task.get("created_at"))[:19].replace("T", " "),
        _took(task),
        tokens(usage).removesuffix(" tokens"),
        cost(usage.get("cost_usd")),
        _title(task),
    ]


def _details(task: Json) -> None:
    usage = task.get("usage") or {}
    rows = [
        ("task", one_line(task.get("task_id"))),
        ("status", _status(task)),
        ("goal", _title(task)),
        ("agent", one_line(task.get("agent"))),
        ("attempt", f"{task.get('attempt')} (generation {task.get('generation')})"),
        ("created", one_line(task.get("created_at"))),
        ("took", _took(task)),
        ("used", f"{tokens(usage)}, {cost(usage.get('cost_usd'))}, {usage.get('steps', 0)} steps"),
        ("waits for", "\n".join(told(task["task_id"], wait) for wait in waits_of(task))),
        ("error", _error(task)),
        ("so far" if task.get("status") == "failed" else "result", _whole(_result(task))),
    ]
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, words in rows:
        if words:
            table.add_row(label, Text(words))
    console().print(table)


def _status(task: Json) -> str:
    reason = task.get("reason")
    return one_line(task.get("status")) + (f" ({one_line(reason)})" if reason else "")


def _title(task: Json) -> str:
    data = task.get("input_data")
    goal = data.get("goal") if isinstance(data, dict) else None
    return one_line(task.get("name") or goal or task.get("task_type"))


def _error(task: Json) -> str:
    error = task.get("error")
    return _whole(f"{error.get('type')}: {error.get('message')}") if error else ""


def _whole(text: object) -> str:
    """However long, within reason: who asks for one task wants to read it."""
    return bounded(text, lines=1000, characters=100_000)


def _result(task: Json) -> object:
    result = task.get("result") or ""
    if not isinstance(result, dict):
        return result
    output = result.get("output", result)
    return result if output is None else output  # of a task that was cut short: its calls


def _took(task: Json) -> str:
    """From the first claim to the end."""
    try:
        started = datetime.fromisoformat(str(task["started_at"]))
        ended = datetime.fromisoformat(str(task["completed_at"]))
    except (KeyError, ValueError):
        return ""
    return f"{(ended - started).total_seconds():.1f} s"
