"""A tool call as the model sees it: a result or an error, or the doubt whether it took effect."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from agentkit.context import RunContext
from agentkit.errors import FailedBeforeEffect, ToolFailed
from agentkit.messages import Label, ToolCall, ToolMessage, clean
from agentkit.quote import quote
from agentkit.tools.isolation import RaisedElsewhere
from agentkit.tools.text import bounded
from agentkit.tools.tool import TimedOut, Tool


class InDoubt(Exception):
    """An unsafe call has ended without a result, and may have taken effect."""


async def observe(
    tool: Tool, call: ToolCall, keywords: dict[str, Any], context: RunContext
) -> ToolMessage:
    """Call the tool and say what came of it. Raises InDoubt; of an unsafe tool only."""
    try:
        done = observation(call, await tool.call(keywords, context))
        return done if tool.label is None else replace(done, label=tool.label)
    except FailedBeforeEffect as error:
        return failed(call, f"{call.tool} failed and had no effect: {_quoted(error)}.")
    except ToolFailed as error:
        return failed(call, bounded(str(error), tool.max_output))
    except TimedOut as error:
        problem = str(error)
    except asyncio.CancelledError:
        if _being_cancelled():
            raise
        problem = f"{call.tool} was cancelled"
    # Protects the run: a tool is foreign code, and its failure is information for the model. The
    # process is not a tool's to end, so sys.exit() is such a failure, too.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        problem = f"{call.tool} failed: {_named(error)}"
    if tool.effect == "unsafe":
        raise InDoubt(problem)
    return failed(call, f"{problem}.")


def observation(call: ToolCall, text: str, *, is_error: bool = False) -> ToolMessage:
    """What the model is shown of a call, labelled with the tool it comes from.

    Cleaned here, whoever wrote it: half a sign would make the next request one that cannot be sent.
    """
    return ToolMessage(call.id, call.tool, clean(text), is_error, Label("tool", call.tool))


def failed(call: ToolCall, text: str) -> ToolMessage:
    """The observation of a call that did not succeed."""
    return observation(call, text, is_error=True)


def _being_cancelled() -> bool:
    # A tool may raise CancelledError of its own, when something that it awaited was cancelled.
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _named(error: BaseException) -> str:
    """Its words after its name, which what was raised elsewhere has in its words."""
    name = "" if isinstance(error, RaisedElsewhere) else f"{type(error).__name__}: "
    return name + _quoted(error)


def _quoted(error: BaseException) -> str:
    return quote(error).rstrip(".") or "no detail"
