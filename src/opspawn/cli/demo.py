"""`opspawn demo`: everything in this process, one goal, shown live, then the final task as JSON."""

import asyncio
import errno
import socket
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from opspawn.cli.client import ApiClient
from opspawn.cli.configuration import api_key
from opspawn.cli.exits import INTERRUPTED, CommandError
from opspawn.cli.process import say
from opspawn.cli.running import Goal, check_text, outcome, submit, watch
from opspawn.cli.serving import checked, database, describe, refuse_strangers, run
from opspawn.cli.text import print_json
from opspawn.client.call import Json
from opspawn.settings import Settings

if TYPE_CHECKING:
    from opspawn.bootstrap import Endpoints


def demo(settings: Settings, goal: Goal) -> int:
    """Returns the exit code: the task's outcome."""
    check_text(goal.text)
    # It talks to itself, by an address that is in nobody's certificate.
    changed = free_ports(settings) | {"api_tls_cert": None, "api_tls_key": None}
    if settings.log_level == "info":
        changed["log_level"] = "warning"  # the run itself is shown
    settings = settings.model_copy(update=changed)
    checked(settings)
    refuse_strangers(settings)
    with database(settings) as url:
        task = run(lambda stop: _serve_and_run(settings, goal, url, stop))
    print_json(task)
    return outcome(task)


def free_ports(settings: Settings) -> dict[str, object]:
    """Zero (any free port) for each port that is taken: a demo does not need a certain one."""
    changed: dict[str, object] = {}
    for key in ("api_port", "grpc_port"):
        port = getattr(settings, key)
        if port and _is_taken(settings.host, port):
            say(f"Port {port} is taken; the demo uses a free one.")
            changed[key] = 0
    return changed


def _is_taken(host: str, port: int) -> bool:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family):
            return False
    except OSError as error:
        return error.errno == errno.EADDRINUSE


async def _serve_and_run(
    settings: Settings, goal: Goal, url: str | None, stop: asyncio.Event
) -> Json:
    from opspawn import bootstrap  # imported while the database started

    ready: asyncio.Future[bootstrap.Endpoints] = asyncio.get_running_loop().create_future()
    server = asyncio.ensure_future(
        bootstrap.serve_all(settings, stop, ready.set_result, database_url=url)
    )
    try:
        await _first_of(server, ready)
        if not ready.done():
            await server  # raises why it did not start
            raise CommandError("Stopped before the server was ready.", INTERRUPTED)
        return await _until_stopped(_run(ready.result(), goal), server, stop)
    finally:
        stop.set()
        await server


async def _until_stopped(
    run_goal: Coroutine[None, None, Json], server: asyncio.Future[None], stop: asyncio.Event
) -> Json:
    """The finished task, unless a signal or the end of the server comes first."""
    running = asyncio.ensure_future(run_goal)
    stopped = asyncio.ensure_future(stop.wait())
    await _first_of(running, server, stopped)
    stopped.cancel()
    if running.done():
        return running.result()
    running.cancel()
    await asyncio.wait({running})
    if server.done():
        server.result()  # raises why it ended
    raise CommandError("Stopped; the task goes on at the next `opspawn up`.", INTERRUPTED)


async def _first_of(*awaited: asyncio.Future[Any]) -> None:
    await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)


async def _run(endpoints: "Endpoints", goal: Goal) -> Json:
    for line in describe(endpoints):
        say(line)
    say(f"Goal: {goal.text}")
    async with ApiClient(endpoints.api_url, api_key(endpoints.api_url)) as api:
        task = await submit(api, goal)
        return await watch(api, str(task["task_id"]))
