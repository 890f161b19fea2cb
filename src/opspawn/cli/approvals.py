"""`opspawn approvals`: the calls of all tasks that need a person's leave."""

import json

from rich.table import Table
from rich.text import Text

from opspawn.cli.exits import USAGE, CommandError
from opspawn.cli.tasks import ask, console
from opspawn.cli.text import bounded, json_text, one_line, print_json, print_line
from opspawn.client import calls
from opspawn.client.call import Json


def list_approvals(
    url: str, *, status: str | None, task_id: str | None, limit: int, as_json: bool
) -> None:
    """Newest first, with what each tool would be called with."""
    where = {"status": status, "task_id": task_id, "limit": limit}
    page = ask(url, calls.approvals(where))
    if as_json:
        print_json(page)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("APPROVAL", "STATUS", "ASKED", "TASK"):
        table.add_column(title, no_wrap=True)
    table.add_column("CALL")
    for each in page["approvals"]:
        cells = [
            one_line(each.get("approval_id")),
            one_line(each.get("status")),
            one_line(each.get("requested_at"))[:19].replace("T", " "),
            one_line(each.get("task_id")),
            f"{one_line(each.get('tool'), 60)}({_compact(each.get('arguments'))})",
        ]
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in cells))
    console().print(table)


def show(url: str, approval_id: str, *, as_json: bool) -> None:
    """One approval, with its arguments whole."""
    found = ask(url, calls.approval(approval_id))
    if as_json:
        print_json(found)
        return
    rows = [
        ("approval", one_line(found.get("approval_id"))),
        ("status", one_line(found.get("status"))),
        ("task", f"{one_line(found.get('task_id'))}, step {one_line(found.get('step'))}"),
        ("question", bounded(found.get("question") or "")),
        ("tool", one_line(found.get("tool") or "")),
        ("arguments", _whole(found.get("arguments"))),
        ("shown from", _sources(found)),
        ("sha-256", one_line(found.get("hash"))),
        ("until", one_line(found.get("expires_at") or "")),
        ("by", one_line(found.get("resolved_by") or "")),
        ("comment", bounded(found.get("comment") or "")),
        ("called with", _whole(found.get("given_arguments"))),
    ]
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, words in rows:
        if words:
            table.add_row(label, Text(words))
    console().print(table)


def decide(
    url: str,
    approval_id: str,
    decision: calls.Decision,
    *,
    comment: str | None,
    as_json: bool,
    arguments: str | None = None,
) -> None:
    """Approves or rejects. `arguments` is JSON text."""
    given = None if arguments is None else _parsed(arguments)
    found = ask(url, calls.decide(approval_id, decision, comment, given, None))
    if as_json:
        print_json(found)
        return
    print_line(f"{one_line(found.get('approval_id'))}: {one_line(found.get('status'))}.")


def _parsed(text: str) -> Json:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise CommandError(
            f"--arguments is not a JSON object: {one_line(text, 60)}; write it as "
            "'{\"name\": value}'.",
            USAGE,
        )
    return value


def _whole(arguments: object) -> str:
    if arguments is None:
        return ""
    return bounded(json_text(arguments), lines=1000, characters=100_000)


def _compact(arguments: object) -> str:
    return one_line(json_text(arguments, indent=None), 120)


def _sources(found: Json) -> str:
    """Where what the model had been shown comes from, those without authority marked."""
    told = []
    for one in found.get("sources") or []:
        words = one_line(f"{one.get('source')} {one.get('name') or ''}", 80)
        told.append(words if one.get("trusted") else f"{words} (not trusted)")
    return ", ".join(told)
