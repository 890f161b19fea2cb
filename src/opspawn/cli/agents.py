"""`opspawn agents list|show|apply`: named agents of a running server."""

from pathlib import Path

from rich.table import Table
from rich.text import Text

from opspawn.agents.definitions import DefinitionsError, load
from opspawn.cli.client import ApiClient
from opspawn.cli.exits import USAGE, CommandError, Refused
from opspawn.cli.tasks import ask, console, talk
from opspawn.cli.text import json_text, one_line, print_json, print_line
from opspawn.client import agents
from opspawn.client.call import Json


def list_agents(url: str, *, limit: int, as_json: bool) -> None:
    """One line an agent, newest first."""
    page = ask(url, agents.agents({"limit": limit}))
    if as_json:
        print_json(page)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("AGENT", "VERSION", "CREATED"):
        table.add_column(title, no_wrap=True)
    table.add_column("DESCRIPTION")
    for agent in page.get("agents") or []:
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in _cells(agent)))
    console().print(table)


def show(url: str, named: str, *, as_json: bool) -> None:
    """One version of an agent, the newest one unless it is named."""
    name, at, version = named.partition("@")
    if at and not version.isdecimal():
        raise CommandError(f"{named} is no NAME or NAME@3.", USAGE)
    agent = ask(url, agents.agent(name, int(version) if version else None))
    if as_json:
        print_json(agent)
        return
    print_line(f"{_ref(agent)}, defined {_when(agent)} by {one_line(agent.get('created_by'))}")
    print_line(json_text(agent.get("definition")))


def apply(url: str, path: Path, *, as_json: bool) -> None:
    """Defines the agents of the path, those that work is handed over to first."""
    try:
        written = load(path, lambda _name, _definition: None)  # the server knows what is right
    except DefinitionsError as error:
        raise CommandError(str(error), USAGE) from None

    async def put(api: ApiClient) -> Json:
        return {"agents": [await _put(api, agent.name, agent.definition) for agent in written]}

    stored = talk(url, put)
    if as_json:
        print_json(stored)
        return
    for agent in stored["agents"]:
        print_line(f"{_ref(agent)}, defined {_when(agent)}")


async def _put(api: ApiClient, name: str, definition: Json) -> Json:
    try:
        return await api.ask(agents.put_agent(name, definition))
    except Refused as error:
        raise Refused(f"{one_line(name)}: {error}") from None


def _cells(agent: Json) -> list[str]:
    definition = agent.get("definition") or {}
    said = definition.get("description") or definition.get("instructions") or ""
    return [
        one_line(agent.get("name")),
        one_line(agent.get("version")),
        _when(agent),
        one_line(said),
    ]


def _ref(agent: Json) -> str:
    return f"{one_line(agent.get('name'))}@{one_line(agent.get('version'))}"


def _when(agent: Json) -> str:
    return one_line(agent.get("created_at"))[:19].replace("T", " ")
