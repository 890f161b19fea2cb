"""`opspawn memories list|search|forget`: what the agents of a running server remember."""

from typing import Any

from rich.table import Table
from rich.text import Text

from opspawn.cli.exits import USAGE, CommandError
from opspawn.cli.tasks import ask, console
from opspawn.cli.text import one_line, print_json, print_line
from opspawn.client import memories
from opspawn.client.call import Call, Json, given


def list_memories(
    url: str, *, agent: str | None, user: str | None, limit: int, as_json: bool
) -> None:
    """One line a memory, newest first."""
    where = {"agent": agent, "user": user, "limit": limit}
    _show(url, memories.memories(given(where)), as_json=as_json)


def search(
    url: str, query: str, *, agent: str | None, user: str | None, limit: int, as_json: bool
) -> None:
    """One line a memory, the best match first."""
    where = {"agent": agent, "user": user, "limit": limit}
    _show(url, memories.search(query, given(where)), as_json=as_json)


def forget(url: str, memory_id: str | None, *, agent: str | None, user: str | None) -> None:
    """One memory, or all of an agent, of a user, or of both."""
    is_one = memory_id is not None
    if is_one == (agent is not None or user is not None):
        raise CommandError("Say what to forget: a MEMORY_ID, or --agent, --user or both.", USAGE)
    if memory_id is not None:
        ask(url, memories.remove(memory_id))
        print_line(f"Forgotten: {one_line(memory_id)}")
        return
    gone = ask(url, memories.forget_all(agent, user))
    print_line(f"Forgotten: {one_line(gone.get('forgotten'))}")


def _show(url: str, call: Call[Any], *, as_json: bool) -> None:
    page = ask(url, call)
    if as_json:
        print_json(page)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("MEMORY", "AGENT", "USER", "SAVED"):
        table.add_column(title, no_wrap=True)
    table.add_column("TEXT")
    for memory in page.get("memories") or []:
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in _cells(memory)))
    console().print(table)


def _cells(memory: Json) -> list[str]:
    return [
        one_line(memory.get("memory_id")),
        one_line(memory.get("agent")),
        one_line(memory.get("user") or "-"),
        one_line(memory.get("saved_at"))[:19].replace("T", " "),
        one_line(memory.get("text")),
    ]
