"""Commands for what tasks did and wait for; each hands over to the module that does the work."""

from typing import Annotated, Literal

import typer

from opspawn.cli.configuration import server_url
from opspawn.cli.groups import group
from opspawn.cli.options import AsJson, TaskId, Url

tasks_app = typer.Typer()
dead_letters_app = group("Looks after tasks that failed as poison or ran out of attempts.")

Outcome = Literal["happened", "run_again", "fail"]
Step = Annotated[str, typer.Argument(metavar="STEP", help="As `tasks show` names it.")]
Comment = Annotated[str | None, typer.Option(help="Why.")]
Limit = Annotated[int, typer.Option(min=1, max=200)]


@tasks_app.command()
def steps(task_id: TaskId, as_json: AsJson = False, url: Url = None) -> None:
    """Show what a task did, step by step."""
    from opspawn.cli import steps as ledger

    ledger.show(server_url(url), task_id, as_json=as_json)


@tasks_app.command()
def answer(
    task_id: TaskId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The answer.")],
    step: Annotated[str | None, typer.Option(help="Which question, if several are open.")] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Answer a question that a task asked."""
    from opspawn.cli import answering

    answering.answer(server_url(url), task_id, text, step=step, as_json=as_json)


@tasks_app.command()
def resolve(
    task_id: TaskId,
    step: Step,
    outcome: Annotated[Outcome, typer.Argument(help="What came of the call, or what to do.")],
    result: Annotated[
        str | None, typer.Option(metavar="JSON", help="With happened: what the call came to.")
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Say of a call whose outcome nobody knows what came of it."""
    from opspawn.cli import answering

    answering.resolve(server_url(url), task_id, step, outcome, result=result, as_json=as_json)


@tasks_app.command()
def approve(
    task_id: TaskId, step: Step, comment: Comment = None, as_json: AsJson = False, url: Url = None
) -> None:
    """Let a call be made that needs a person's leave."""
    from opspawn.cli import answering

    answering.decide(server_url(url), task_id, step, "approve", comment=comment, as_json=as_json)


@tasks_app.command()
def reject(
    task_id: TaskId, step: Step, comment: Comment = None, as_json: AsJson = False, url: Url = None
) -> None:
    """Refuse a call that needs a person's leave."""
    from opspawn.cli import answering

    answering.decide(server_url(url), task_id, step, "reject", comment=comment, as_json=as_json)


@tasks_app.command()
def children(task_id: TaskId, limit: Limit = 20, as_json: AsJson = False, url: Url = None) -> None:
    """List the tasks that a task started."""
    from opspawn.cli import answering

    answering.children(server_url(url), task_id, limit=limit, as_json=as_json)


@dead_letters_app.command("list")
def list_dead_letters(limit: Limit = 20, as_json: AsJson = False, url: Url = None) -> None:
    """List dead letters, newest first."""
    from opspawn.cli import answering

    answering.dead_letters(server_url(url), limit=limit, as_json=as_json)


@dead_letters_app.command("retry")
def retry_dead_letter(task_id: TaskId, as_json: AsJson = False, url: Url = None) -> None:
    """Run one again, from its log."""
    from opspawn.cli import answering

    answering.dead_letter(server_url(url), task_id, "retry", as_json=as_json)


@dead_letters_app.command("discard")
def discard_dead_letter(task_id: TaskId, as_json: AsJson = False, url: Url = None) -> None:
    """Take one off the list; it stays failed."""
    from opspawn.cli import answering

    answering.dead_letter(server_url(url), task_id, "discard", as_json=as_json)
