"""Commands for named agents; each hands over to the module that does the work."""

from pathlib import Path
from typing import Annotated

import typer

from opspawn.cli.configuration import server_url
from opspawn.cli.groups import group
from opspawn.cli.options import AsJson, Url

agents_app = group("Defines agents, and looks at them.")


@agents_app.command("list")
def list_agents(
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List agents, newest first."""
    from opspawn.cli import agents as listing

    listing.list_agents(server_url(url), limit=limit, as_json=as_json)


@agents_app.command()
def show(
    agent: Annotated[str, typer.Argument(metavar="NAME", help="NAME, or NAME@3 for a version.")],
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Show an agent's definition."""
    from opspawn.cli import agents as listing

    listing.show(server_url(url), agent, as_json=as_json)


@agents_app.command()
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A YAML file, or a folder of them.")],
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Define the agents of a file.

    What is unchanged stays the version that it is.
    """
    from opspawn.cli import agents as listing

    listing.apply(server_url(url), file, as_json=as_json)
