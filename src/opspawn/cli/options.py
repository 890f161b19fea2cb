"""Arguments and options that several commands share, with their help."""

from typing import Annotated, Literal

import typer

OUTCOME_HELP = (
    "Exit code: 0 completed, 1 failed, 2 cancelled, 3 waiting for something from outside, "
    "4 no server answers, 5 the server refused, 64 wrong use or setting, 69 cannot start, "
    "130 Ctrl-C."
)

Status = Literal["pending", "running", "waiting", "completed", "failed", "cancelled"]
GoalText = Annotated[str, typer.Argument(metavar="GOAL", help="What the agent should do.")]
TaskId = Annotated[str, typer.Argument(metavar="TASK_ID")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
Url = Annotated[str | None, typer.Option(help="The server, instead of OPSPAWN_URL.")]
Provider = Annotated[str | None, typer.Option(help="openai, openrouter, local, …")]
Model = Annotated[str | None, typer.Option(help="The model, as its provider names it.")]
Agent = Annotated[str | None, typer.Option(metavar="NAME", help="A named agent, or NAME@3.")]
NoAuth = Annotated[
    bool, typer.Option("--no-auth", help="Let everybody on this machine do everything.")
]
Deadline = Annotated[float | None, typer.Option(metavar="SECONDS", help="Fail after this long.")]
