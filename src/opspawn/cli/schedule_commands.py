"""Commands for schedules; each hands over to the module that does the work."""

from typing import Annotated, Literal

import typer

from opspawn.cli.configuration import server_url
from opspawn.cli.groups import group
from opspawn.cli.options import AsJson, GoalText, Model, Provider, Url

schedules_app = group("Runs tasks on a schedule.")

ScheduleId = Annotated[str, typer.Argument(metavar="SCHEDULE_ID")]


@schedules_app.command("list")
def list_schedules(
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List schedules, newest first."""
    from opspawn.cli import schedules as calendar

    calendar.list_schedules(server_url(url), limit=limit, as_json=as_json)


@schedules_app.command()
def show(schedule_id: ScheduleId, as_json: AsJson = False, url: Url = None) -> None:
    """Show a schedule, when it fires next and what became of its latest firings."""
    from opspawn.cli import schedules as calendar

    calendar.show(server_url(url), schedule_id, as_json=as_json)


@schedules_app.command()
def create(  # noqa: PLR0913, PLR0917  # each is an option of the command
    name: Annotated[str, typer.Argument(metavar="NAME", help="Unique among schedules.")],
    goal: GoalText,
    cron: Annotated[
        str | None, typer.Option(metavar="FIELDS", help='As in "30 7 * * mon-fri".')
    ] = None,
    every: Annotated[int | None, typer.Option(metavar="SECONDS", help="Instead of --cron.")] = None,
    time_zone: Annotated[str, typer.Option(help="Of --cron, as in Europe/Berlin.")] = "UTC",
    overlap: Annotated[
        Literal["skip", "queue", "allow"],
        typer.Option(help="While the task before has not ended."),
    ] = "skip",
    missed: Annotated[
        Literal["skip", "run_once", "run_all"],
        typer.Option(help="Of firings while nobody was there."),
    ] = "run_once",
    provider: Provider = None,
    model: Model = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Run a goal on a schedule; prints its id."""
    from opspawn.cli import schedules as calendar

    body = {
        "name": name,
        "cron": cron,
        "every_s": every,
        "time_zone": time_zone,
        "task": calendar.task_of(goal, provider=provider, model=model),
        "overlap": overlap,
        "missed": missed,
    }
    calendar.create(server_url(url), body, as_json=as_json)


@schedules_app.command()
def pause(
    schedule_id: ScheduleId,
    reason: Annotated[str | None, typer.Option(help="Why.")] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Let it not fire until it is resumed."""
    from opspawn.cli import schedules as calendar

    calendar.pause(server_url(url), schedule_id, reason=reason, as_json=as_json)


@schedules_app.command()
def resume(schedule_id: ScheduleId, as_json: AsJson = False, url: Url = None) -> None:
    """Go on with the next firing from now."""
    from opspawn.cli import schedules as calendar

    calendar.resume(server_url(url), schedule_id, as_json=as_json)


@schedules_app.command()
def trigger(schedule_id: ScheduleId, as_json: AsJson = False, url: Url = None) -> None:
    """Submit a task now; prints its id."""
    from opspawn.cli import schedules as calendar

    calendar.trigger(server_url(url), schedule_id, as_json=as_json)


@schedules_app.command()
def delete(schedule_id: ScheduleId, url: Url = None) -> None:
    """Forget a schedule; its tasks stay."""
    from opspawn.cli import schedules as calendar

    calendar.delete(server_url(url), schedule_id)
