"""Submits a goal and follows its task: `opspawn run`, `tasks follow`, and the end of `demo`."""

import asyncio
from dataclasses import dataclass

from rich.console import Console

from opspawn.cli.client import ApiClient, Event
from opspawn.cli.configuration import api_key
from opspawn.cli.exits import INTERNAL, INTERRUPTED, OUTCOMES, USAGE, CommandError, Unreachable
from opspawn.cli.follow import Follower
from opspawn.cli.process import attend
from opspawn.cli.text import print_json, print_line
from opspawn.cli.view import RunView
from opspawn.client import calls
from opspawn.client.call import Json, given


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What to submit. None leaves the choice to the server."""

    text: str
    provider: str | None = None
    model: str | None = None
    agent: str | None = None
    thread: str | None = None
    name: str | None = None
    deadline_s: float | None = None

    def body(self) -> Json:
        chosen = {"llm_provider": self.provider, "llm_model": self.model}
        config = given(chosen)
        more = {
            "agent": self.agent,
            "thread_id": self.thread,
            "name": self.name,
            "deadline_s": self.deadline_s,
        }
        return calls.goal_body(self.text, config or None, more)


def run(url: str, goal: Goal, *, as_json: bool, detach: bool) -> int:
    """Returns the exit code: the task's outcome."""
    check_text(goal.text)

    async def main() -> int:
        async with ApiClient(url, api_key(url)) as api:
            task = await submit(api, goal)
            if not detach:
                task = await watch(api, str(task["task_id"]))
        if as_json:
            print_json(task)
        else:
            print_line(task["task_id"] if detach else answer(task))
        return 0 if detach else outcome(task)

    return attend(main())


def follow(url: str, task_id: str, *, as_json: bool) -> int:
    """Shows a task from its first event to its end; returns the exit code: the task's outcome."""

    async def main() -> int:
        async with ApiClient(url, api_key(url)) as api:
            if as_json:
                return await _print_events(api, task_id)
            task = await watch(api, task_id, through_waiting=True)
        print_line(answer(task))
        return outcome(task)

    return attend(main())


async def submit(api: ApiClient, goal: Goal) -> Json:
    """Stores the task once, however often the answer is lost on its way."""
    return await api.ask(calls.submit(goal.body(), None))


async def watch(api: ApiClient, task_id: str, *, through_waiting: bool = False) -> Json:
    """Shows the run live until it ends; returns the task as it then stands."""
    view = RunView(Console(stderr=True, highlight=False), task_id)
    follower = Follower(api, task_id, through_waiting=through_waiting)
    try:
        async for seen in follower.events():
            view.show(seen)
        view.finish(follower.task)
    except asyncio.CancelledError:
        hint = f"Not watching any more; to go on: opspawn tasks follow {task_id}"
        raise CommandError(hint, INTERRUPTED) from None
    except Unreachable as error:
        raise Unreachable(
            f"{error} The task goes on without us; to see it: opspawn tasks follow {task_id}"
        ) from error
    finally:
        view.close()
    return follower.task


async def _print_events(api: ApiClient, task_id: str) -> int:
    follower = Follower(api, task_id, through_waiting=True)
    async for seen in follower.events():
        if isinstance(seen, Event):
            print_json(seen.raw, indent=None)
    return outcome(follower.task)


def outcome(task: Json) -> int:
    """The exit code that tells how a task stands."""
    return OUTCOMES.get(str(task.get("status")), INTERNAL)


def answer(task: Json) -> object:
    """What the agent answered, or had last said when a budget or a limit ended it; else empty."""
    result = task.get("result")
    output = result.get("output", result) if isinstance(result, dict) else ""
    return "" if output is None else output


def check_text(text: str) -> None:
    if not text.strip():
        raise CommandError("The goal is empty: say what the agent should do.", USAGE)
    if not text.isprintable() and any("\ud800" <= sign <= "\udfff" for sign in text):
        raise CommandError("The goal is not valid UTF-8.", USAGE)
