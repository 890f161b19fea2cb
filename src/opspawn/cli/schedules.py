"""`opspawn schedules …`: schedules of a running server."""

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from opspawn.cli.client import ApiClient
from opspawn.cli.tasks import ask, console, talk
from opspawn.cli.text import one_line, print_json, print_line
from opspawn.client import schedules
from opspawn.client.call import Json, given

#: Firings to come, and firings that were, that `show` has.
SHOWN = 5


def task_of(goal: str, *, provider: str | None, model: str | None) -> Json:
    """The request that each firing submits."""
    chosen = {"llm_provider": provider, "llm_model": model}
    config = {key: value for key, value in chosen.items() if value is not None}
    asked: Json = {"goal": goal} | ({"agent_config": config} if config else {})
    return {"task_type": "agent_run", "input_data": asked}


def list_schedules(url: str, *, limit: int, as_json: bool) -> None:
    """One line a schedule, newest first."""
    page = ask(url, schedules.schedules({"limit": limit}))
    if as_json:
        print_json(page)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("SCHEDULE", "NAME", "WHEN"):
        table.add_column(title, no_wrap=True)
    table.add_column("NEXT")
    for schedule in page.get("schedules") or []:
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in _cells(schedule)))
    console().print(table)


def show(url: str, schedule_id: str, *, as_json: bool) -> None:
    """One schedule, the firings to come and those that were."""
    found = talk(url, lambda api: _whole(api, schedule_id))
    if as_json:
        print_json(found)
        return
    schedule = found["schedule"]
    print_line("  ".join(_cells(schedule)))
    if schedule.get("paused_at"):
        print_line(f"paused: {one_line(schedule.get('paused_reason') or 'no reason was given')}")
    for at in found["next"]:
        print_line(f"next    {_short(at)}")
    for firing in found["firings"]:
        told = firing.get("task_id") or firing.get("reason") or ""
        print_line(
            f"{one_line(firing.get('outcome')):7} {_short(firing['fire_at'])}  {one_line(told)}"
        )


def create(url: str, body: Mapping[str, object], *, as_json: bool) -> None:
    """Prints the id of the new schedule."""
    made = ask(url, schedules.create(given(dict(body))))
    _print(made, one_line(made.get("schedule_id")), as_json=as_json)


def pause(url: str, schedule_id: str, *, reason: str | None, as_json: bool) -> None:
    paused = ask(url, schedules.pause(schedule_id, reason))
    _print(paused, f"{one_line(schedule_id)}: paused.", as_json=as_json)


def resume(url: str, schedule_id: str, *, as_json: bool) -> None:
    resumed = ask(url, schedules.resume(schedule_id))
    line = f"{one_line(schedule_id)}: next {_short(resumed.get('next_fire_at'))}."
    _print(resumed, line, as_json=as_json)


def trigger(url: str, schedule_id: str, *, as_json: bool) -> None:
    """Prints the id of the task."""
    task = ask(url, schedules.trigger(schedule_id, None))
    _print(task, one_line(task.get("task_id")), as_json=as_json)


def delete(url: str, schedule_id: str) -> None:
    ask(url, schedules.remove(schedule_id))
    print_line(f"{one_line(schedule_id)}: deleted.")


async def _whole(api: ApiClient, schedule_id: str) -> Json:
    schedule = await api.ask(schedules.schedule(schedule_id))
    upcoming = await api.ask(schedules.upcoming(schedule_id, SHOWN))
    past = await api.ask(schedules.firings(schedule_id, limit=SHOWN))
    return {"schedule": schedule, "next": upcoming["times"], "firings": past["firings"]}


def _cells(schedule: Json) -> list[str]:
    rhythm = f"{schedule.get('cron')} {schedule.get('time_zone')}"
    if schedule.get("every_s"):
        rhythm = f"every {schedule['every_s']} s"
    following = "paused" if schedule.get("paused_at") else _short(schedule.get("next_fire_at"))
    cells = [schedule.get("schedule_id"), schedule.get("name"), rhythm, following]
    return [one_line(cell) for cell in cells]


def _print(answer: Json, line: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        print_line(line)


def _short(at: object) -> str:
    return one_line(at)[:19].replace("T", " ") + "Z" if at else "never"
