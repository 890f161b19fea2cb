"""Commands for memories; each hands over to the module that does the work."""

from typing import Annotated

import typer

from opspawn.cli.configuration import server_url
from opspawn.cli.groups import group
from opspawn.cli.options import AsJson, Url

memories_app = group("Looks at what agents remember, and forgets it.")

OfAgent = Annotated[str | None, typer.Option("--agent", metavar="NAME", help="Of this agent.")]
OfUser = Annotated[str | None, typer.Option("--user", metavar="NAME", help="Of this user.")]


@memories_app.command("list")
def list_memories(
    agent: OfAgent = None,
    user: OfUser = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List what agents remember, newest first."""
    from opspawn.cli import memories as shelf

    shelf.list_memories(server_url(url), agent=agent, user=user, limit=limit, as_json=as_json)


@memories_app.command()
def search(
    query: Annotated[str, typer.Argument(metavar="TEXT", help="What you look for.")],
    agent: OfAgent = None,
    user: OfUser = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 10,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Search what agents remember, the best match first."""
    from opspawn.cli import memories as shelf

    shelf.search(server_url(url), query, agent=agent, user=user, limit=limit, as_json=as_json)


@memories_app.command()
def forget(
    memory_id: Annotated[str | None, typer.Argument(metavar="MEMORY_ID")] = None,
    agent: OfAgent = None,
    user: OfUser = None,
    url: Url = None,
) -> None:
    """Forget one memory, or everything of a user, of an agent, or of both."""
    from opspawn.cli import memories as shelf

    shelf.forget(server_url(url), memory_id, agent=agent, user=user)
