"""The tool's function in its own process: found by name, called, and what came of it sent as JSON."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
from functools import reduce
from importlib import import_module
from typing import Any

from agentkit.errors import FailedBeforeEffect, ToolFailed
from agentkit.tools.decorator import tool
from agentkit.tools.text import bounded, text_of
from agentkit.tools.tool import Tool

_LONGEST_ERROR = 500


def serve(request: dict[str, Any], results: int) -> None:
    """Answer one request with one line on the descriptor `results`."""
    line = json.dumps(_reply(request)).encode() + b"\n"
    while line:
        line = line[os.write(results, line) :]


def _reply(request: dict[str, Any]) -> dict[str, str]:
    try:
        _bound_memory(request["max_memory_bytes"])
        result = _called(request["module"], request["qualname"], request["keywords"])
        return {"text": bounded(text_of(result), request["max_output"])}
    except FailedBeforeEffect as error:
        return {"no_effect": str(error)[:_LONGEST_ERROR]}
    except ToolFailed as error:
        return {"failed": bounded(str(error), request["max_output"])}
    # Whatever the function raises, SystemExit too, is told to who called it.
    except BaseException as error:  # noqa: BLE001
        return {"raised": f"{type(error).__name__}: {str(error)[:_LONGEST_ERROR] or 'no detail'}"}


def _called(module: str, qualname: str, arguments: dict[str, Any]) -> object:
    found: Any = reduce(getattr, qualname.split("."), import_module(module))
    # The name holds the tool where it was decorated, else the function that was made one elsewhere.
    called = found if isinstance(found, Tool) else tool(name="called")(found)
    result = called.function(**called.parse(arguments))
    return asyncio.run(result) if inspect.iscoroutine(result) else result


def _bound_memory(max_bytes: int | None) -> None:
    if max_bytes is not None:
        # Imported here: only POSIX has it.
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (max_bytes, max_bytes))
