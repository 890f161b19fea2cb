"""Commands for workers; each hands over to the module that does the work."""

from typing import Annotated

import typer

from opspawn.cli.configuration import server_url
from opspawn.cli.groups import group
from opspawn.cli.options import AsJson, Url

workers_app = group("Looks at the workers of a running server.")

WorkerId = Annotated[str, typer.Argument(metavar="WORKER_ID")]


@workers_app.command("list")
def list_workers(
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List workers, newest first."""
    from opspawn.cli import workers as fleet

    fleet.list_workers(server_url(url), limit=limit, as_json=as_json)


@workers_app.command()
def show(worker_id: WorkerId, as_json: AsJson = False, url: Url = None) -> None:
    """Show one worker."""
    from opspawn.cli import workers as fleet

    fleet.show(server_url(url), worker_id, as_json=as_json)


@workers_app.command()
def drain(worker_id: WorkerId, as_json: AsJson = False, url: Url = None) -> None:
    """Let a worker hand over what it runs and take nothing more, until it is started again."""
    from opspawn.cli import workers as fleet

    fleet.drain(server_url(url), worker_id, as_json=as_json)
