"""Commands for the approvals of all tasks; each hands over to the module that does the work."""

from typing import Annotated, Literal

import typer

from opspawn.cli.configuration import server_url
from opspawn.cli.groups import group
from opspawn.cli.options import AsJson, Url

approvals_app = group("Lists calls that need a person's leave, and decides on them.")

Status = Literal["pending", "approved", "rejected", "expired", "cancelled"]
ApprovalId = Annotated[str, typer.Argument(metavar="APPROVAL_ID")]
Comment = Annotated[str | None, typer.Option(help="Why.")]


@approvals_app.command("list")
def list_approvals(
    status: Annotated[Status | None, typer.Option(help="Only those.")] = None,
    task: Annotated[str | None, typer.Option(metavar="TASK_ID", help="Of one task.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List approvals of all tasks, newest first."""
    from opspawn.cli import approvals as desk

    desk.list_approvals(server_url(url), status=status, task_id=task, limit=limit, as_json=as_json)


@approvals_app.command()
def show(approval_id: ApprovalId, as_json: AsJson = False, url: Url = None) -> None:
    """Show one, with everything that the tool would be called with."""
    from opspawn.cli import approvals as desk

    desk.show(server_url(url), approval_id, as_json=as_json)


@approvals_app.command()
def approve(
    approval_id: ApprovalId,
    arguments: Annotated[
        str | None, typer.Option(metavar="JSON", help="Call the tool with these instead.")
    ] = None,
    comment: Comment = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Let the call be made."""
    from opspawn.cli import approvals as desk

    desk.decide(
        server_url(url),
        approval_id,
        "approve",
        comment=comment,
        arguments=arguments,
        as_json=as_json,
    )


@approvals_app.command()
def reject(
    approval_id: ApprovalId, comment: Comment = None, as_json: AsJson = False, url: Url = None
) -> None:
    """Refuse the call; an agent reads the comment."""
    from opspawn.cli import approvals as desk

    desk.decide(server_url(url), approval_id, "reject", comment=comment, as_json=as_json)
