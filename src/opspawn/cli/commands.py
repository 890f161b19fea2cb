"""The commands, their arguments and their help; each hands over to the module that does the work.

Those modules are imported when their command runs: `opspawn --help` must answer at once, and a
command that talks to a server has no use for the server's own libraries.
"""

from pathlib import Path
from typing import Annotated

import typer

from opspawn.cli import (
    agent_commands,
    approval_commands,
    key_commands,
    memory_commands,
    schedule_commands,
    task_commands,
    waiting_commands,
    worker_commands,
)
from opspawn.cli.configuration import api_key, server_url, settings
from opspawn.cli.exits import USAGE, CommandError
from opspawn.cli.groups import help_alone
from opspawn.cli.options import (
    OUTCOME_HELP,
    Agent,
    AsJson,
    Deadline,
    GoalText,
    Model,
    NoAuth,
    Provider,
    Url,
)

app = typer.Typer(
    help="Runs LLM agents as durable tasks. Start with `opspawn demo`, then `opspawn up`.",
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(task_commands.tasks_app, name="tasks")
app.add_typer(agent_commands.agents_app, name="agents")
app.add_typer(key_commands.app, name="keys")
app.add_typer(waiting_commands.dead_letters_app, name="dead-letters")
app.add_typer(approval_commands.approvals_app, name="approvals")
app.add_typer(schedule_commands.schedules_app, name="schedules")
app.add_typer(memory_commands.memories_app, name="memories")
app.add_typer(worker_commands.workers_app, name="workers")


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    debug: Annotated[  # noqa: ARG001  # read by `opspawn.cli.run`, which also sees early errors
        bool, typer.Option("--debug", help="Show where an error came from.")
    ] = False,
) -> None:
    help_alone(context)


def _auth(no_auth: bool) -> dict[str, object]:
    return {"auth": "none"} if no_auth else {}


@app.command()
def up(no_auth: NoAuth = False) -> None:
    """Serve everything until Ctrl-C.

    One process with its own PostgreSQL and broker, unless DATABASE_URL or RABBITMQ_URL is set.
    """
    from opspawn.cli import serving

    serving.up(settings(**_auth(no_auth)))


@app.command(epilog=OUTCOME_HELP)
def demo(
    goal: GoalText = "What is 17 * 23?",
    provider: Provider = None,
    model: Model = None,
    deadline: Deadline = 300.0,
    no_auth: NoAuth = False,
) -> int:
    """Start everything and run one goal.

    Shows the run live and prints the final task as JSON.
    """
    from opspawn.cli import demo as demonstration
    from opspawn.cli.running import Goal

    chosen = Goal(text=goal, provider=provider, model=model, name="demo", deadline_s=deadline)
    return demonstration.demo(settings(**_auth(no_auth)), chosen)


@app.command(epilog=OUTCOME_HELP)
def run(  # noqa: PLR0913, PLR0917  # each is an option of the command
    goal: GoalText,
    provider: Provider = None,
    model: Model = None,
    agent: Agent = None,
    thread: Annotated[
        str | None, typer.Option(metavar="ID", help="The conversation that it goes on with.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="A name to find the task by.")] = None,
    deadline: Deadline = None,
    detach: Annotated[bool, typer.Option("--detach", help="Print the id, do not follow.")] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> int:
    """Submit a goal and follow it.

    Shows the run live and prints the answer on standard output.
    """
    from opspawn.cli import running

    chosen = running.Goal(
        text=goal,
        provider=provider,
        model=model,
        agent=agent,
        thread=thread,
        name=name,
        deadline_s=deadline,
    )
    return running.run(server_url(url), chosen, as_json=as_json, detach=detach)


@app.command(
    epilog="Exit code: 0 no difference, 1 a difference, 5 no such task, 64 wrong use or file, "
    "69 no database."
)
def replay(
    source: Annotated[str, typer.Argument(metavar="TASK_OR_FILE", help="An id, or a saved run.")],
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep the run, to replay it anywhere.")
    ] = None,
) -> int:
    """Run a recorded task again, offline.

    Calls no model and no tool; shows where this version would do something else than was recorded.
    """
    from opspawn.cli import replaying

    return replaying.replayed(settings(), source, save)


@app.command()
def api() -> None:
    """Serve REST alone.

    Needs DATABASE_URL and RABBITMQ_URL, as do grpc, worker and dispatcher.
    """
    from opspawn.cli import serving

    serving.one("api", settings())


@app.command()
def grpc() -> None:
    """Serve gRPC alone."""
    from opspawn.cli import serving

    serving.one("grpc", settings())


@app.command()
def worker(
    alone: Annotated[
        bool,
        typer.Option(
            "--alone",
            help="One at a time, only tasks under which workers have died, until none is left. "
            "Workers start such a process by themselves.",
        ),
    ] = False,
) -> None:
    """Run tasks."""
    from opspawn.cli import serving

    serving.one("worker --alone" if alone else "worker", settings())


@app.command()
def dispatcher() -> None:
    """Ring for due tasks, recover lost ones."""
    from opspawn.cli import serving

    serving.one("dispatcher", settings())


@app.command()
def mcp(url: Url = None) -> None:
    """Serve MCP over standard input and output.

    For programs that start their MCP servers themselves: passes the tools of a running server on.
    """
    try:
        from opspawn.cli import mcp_bridge
    except ModuleNotFoundError as error:
        raise CommandError(
            f"{error.name} is not installed: install opspawn[all].", USAGE
        ) from error

    server = server_url(url)
    mcp_bridge.serve(server, api_key(server))


@app.command()
def migrate() -> None:
    """Bring DATABASE_URL to this version's schema."""
    from opspawn.cli import serving

    serving.migrated(settings())


@app.command()
def doctor() -> int:
    """Check what Opspawn needs here.

    One line for each thing, with the remedy. Exit code 1: something is wrong.
    """
    from opspawn.cli import checkup

    return checkup.checkup()


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    typer.echo(f"opspawn {installed('opspawn')}")
