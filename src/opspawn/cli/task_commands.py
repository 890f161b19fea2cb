"""Commands for tasks; each hands over to the module that does the work."""

from typing import Annotated

import typer

from opspawn.cli import waiting_commands
from opspawn.cli.configuration import server_url
from opspawn.cli.groups import group
from opspawn.cli.options import OUTCOME_HELP, AsJson, Model, Provider, Status, TaskId, Url

tasks_app = group("Looks at the tasks of a running server.")
tasks_app.add_typer(waiting_commands.tasks_app)


@tasks_app.command("list")
def list_tasks(
    status: Annotated[Status | None, typer.Option(help="Only tasks in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List tasks, newest first."""
    from opspawn.cli import tasks as listing

    listing.list_tasks(server_url(url), status=status, limit=limit, as_json=as_json)


@tasks_app.command()
def show(task_id: TaskId, as_json: AsJson = False, url: Url = None) -> None:
    """Show one task."""
    from opspawn.cli import tasks as listing

    listing.show(server_url(url), task_id, as_json=as_json)


@tasks_app.command()
def cancel(task_id: TaskId, as_json: AsJson = False, url: Url = None) -> None:
    """Cancel a task."""
    from opspawn.cli import tasks as listing

    listing.cancel(server_url(url), task_id, as_json=as_json)


@tasks_app.command()
def retry(task_id: TaskId, as_json: AsJson = False, url: Url = None) -> None:
    """Run a failed or cancelled task again, from its log."""
    from opspawn.cli import tasks as listing

    listing.retry(server_url(url), task_id, as_json=as_json)


@tasks_app.command()
def fork(
    task_id: TaskId,
    after_seq: Annotated[int, typer.Option(metavar="N", help="The last event that is shared.")],
    goal: Annotated[str | None, typer.Option(help="Another goal.")] = None,
    provider: Provider = None,
    model: Model = None,
    set_result: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH=JSON", help="What a call is to have returned."),
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Start a new task from an event of this one's log.

    Prints its id. It shares the steps up to that event and pays for what follows.
    """
    from opspawn.cli import fork as forking

    asked = forking.Fork(
        after_seq=after_seq,
        goal=goal,
        provider=provider,
        model=model,
        results=set_result or [],
    )
    forking.fork(server_url(url), task_id, asked, as_json=as_json)


@tasks_app.command(epilog=OUTCOME_HELP)
def follow(task_id: TaskId, as_json: AsJson = False, url: Url = None) -> int:
    """Show a task's run, live.

    From its first event to its end; with --json one event a line.
    """
    from opspawn.cli import running

    return running.follow(server_url(url), task_id, as_json=as_json)
