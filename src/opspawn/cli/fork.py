"""`opspawn tasks fork`: a new task that goes on from an event of another one's log."""

import json
from dataclasses import dataclass, field
from typing import Any

from opspawn.cli.exits import USAGE, CommandError
from opspawn.cli.tasks import ask
from opspawn.cli.text import one_line, print_json, print_line
from opspawn.client import calls
from opspawn.client.call import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """What to fork, and what is to be different. None leaves it as it was."""

    after_seq: int
    goal: str | None = None
    provider: str | None = None
    model: str | None = None
    results: list[str] = field(default_factory=list)
    """Each `PATH=JSON`."""

    def overrides(self) -> Json:
        named = {"goal": self.goal, "provider": self.provider, "model": self.model}
        overrides: Json = {name: value for name, value in named.items() if value is not None}
        if self.results:
            overrides["tool_results"] = dict(_result(given) for given in self.results)
        return overrides


def fork(url: str, task_id: str, asked: Fork, *, as_json: bool) -> None:
    """Stores the fork; it runs as any other task."""
    overrides = asked.overrides()
    task = ask(url, calls.fork(task_id, asked.after_seq, overrides, None))
    if as_json:
        print_json(task)
    else:
        print_line(one_line(task.get("task_id")))


def _result(given: str) -> tuple[str, Any]:
    path, _, text = given.partition("=")
    try:
        return path, json.loads(text)  # without a sign there is no text, which is no JSON
    except ValueError:
        raise CommandError(
            f"--set-result {given!r} is not PATH=JSON; a text is written as 1/tool/1='\"text\"'.",
            USAGE,
        ) from None
