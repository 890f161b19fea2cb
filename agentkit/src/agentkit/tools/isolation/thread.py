"""A sync function in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from threading import Thread
from typing import Any

from agentkit.errors import FailedBeforeEffect


async def in_thread(function: Callable[..., Any], keywords: Mapping[str, Any]) -> Any:
    """What the function returns. Raises what it raises, FailedBeforeEffect if it could not start.

    Not in a pool: calls that a timeout has left behind would keep the next ones waiting, and keep
    `asyncio.run` from ending. The thread ends with its function, or with the process.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Any] = loop.create_future()
    context = copy_context()

    def settle(settled: Callable[[Any], None], value: object) -> None:
        if not outcome.done():  # nobody waits any more
            settled(value)

    def work() -> None:
        settled: Callable[[Any], None] = outcome.set_result
        try:
            value: object = context.run(function, **keywords)
        except StopIteration as error:
            # It cannot travel through a future: it would leave the caller waiting for ever.
            settled, value = outcome.set_exception, _raised("StopIteration", error)
        # Whatever it raises is raised where it was called.
        except BaseException as error:  # noqa: BLE001
            settled, value = outcome.set_exception, error
        with suppress(RuntimeError):  # the loop is closed, and nobody is left to be told
            loop.call_soon_threadsafe(settle, settled, value)

    try:
        Thread(target=work, name=f"tool {function!r}"[:60], daemon=True).start()
    except RuntimeError as error:
        raise FailedBeforeEffect(f"no thread for it: {error}") from error
    return await outcome


def _raised(name: str, cause: BaseException) -> RuntimeError:
    error = RuntimeError(name)
    error.__cause__ = cause
    return error
