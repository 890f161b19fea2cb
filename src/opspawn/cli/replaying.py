"""`opspawn replay`: runs a recorded task again without calling anything."""

import asyncio
from pathlib import Path

from agentkit.tools import Tool
from ops_core.errors import TaskNotFound
from opspawn.agents import toolbox
from opspawn.agents.mcp_servers import McpConfigError
from opspawn.agents.mcp_tools import McpTools
from opspawn.cli.exits import COMPLETED, FAILED, REFUSED, UNAVAILABLE, USAGE, CommandError
from opspawn.cli.process import say
from opspawn.cli.text import plain, print_line
from opspawn.own_database import NoDatabase
from opspawn.replay import Difference, Recording, RecordingError, Replayed, load, replay
from opspawn.replay import save as write
from opspawn.replay.database import recorded
from opspawn.settings import Settings


def replayed(settings: Settings, source: str, save: Path | None) -> int:
    """Prints the first difference, if there is one; returns the exit code: 0 without, 1 with."""
    recording = _recording(settings, source)
    if save is not None:
        _save(recording, save)
    try:
        done = asyncio.run(_replay(settings, recording))
    except Difference as difference:
        print_line(f"{recording.task_id}: {difference.where} differs")
        print_line(f"  expected: {plain(difference.expected)}")
        print_line(f"  got:      {plain(difference.got)}")
        return FAILED
    print_line(f"{recording.task_id}: no difference in {done.steps} steps, up to {done.end}.")
    return COMPLETED


async def _replay(settings: Settings, recording: Recording) -> Replayed:
    tools = _tools(settings)
    try:
        mcp = McpTools(settings)
    except McpConfigError as error:
        raise CommandError(f"OPSPAWN_MCP_SERVERS: {error}", USAGE) from None
    async with mcp:
        return await replay(recording, tools, mcp)


def _recording(settings: Settings, source: str) -> Recording:
    path = Path(source)
    try:
        if path.suffix or path.is_file():  # no id has a dot
            return load(path)
        return asyncio.run(recorded(settings, source))
    except RecordingError as error:
        raise CommandError(str(error), USAGE) from None
    except TaskNotFound as error:
        raise CommandError(str(error), REFUSED) from None
    except NoDatabase as error:
        raise CommandError(str(error), UNAVAILABLE) from None


def _save(recording: Recording, path: Path) -> None:
    try:
        write(recording, path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}", USAGE) from None
    say(
        f"Saved {len(recording.log)} events to {path}; it holds everything that was said in the run."
    )


def _tools(settings: Settings) -> dict[str, Tool]:
    try:
        return dict(toolbox.load(settings.tool_names, settings))
    except toolbox.ToolError as error:
        raise CommandError(f"OPSPAWN_TOOLS: {error}", USAGE) from None
