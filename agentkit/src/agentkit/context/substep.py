"""An effect inside a tool: how it is run once, and what is recorded of it.

What is recorded is one of `{"value": …}`, `{"failed": text}` and `{"no_effect": text}`: a replay
must fail as the first run did, so failures are recorded like values.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, cast

from agentkit.errors import FailedBeforeEffect
from agentkit.journal import UnknownOutcome
from agentkit.messages import Effect
from agentkit.wire import to_json

if TYPE_CHECKING:
    from pydantic import JsonValue

inside_step: ContextVar[bool] = ContextVar("agentkit_inside_step", default=False)
"""Set while an effect runs: what it would ask of the run could not be found again by a replay."""


class StepFailed(Exception):
    """An effect has failed, or nobody knows: raised the first time and on each replay."""


class Attempt:
    """Runs an effect; what it came to is the value to record.

    `cut_off` tells whether a cancellation is the timeout of the tool, and not the end of the run.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[], Awaitable[object]],
        effect: Effect,
        cut_off: Callable[[], bool],
    ) -> None:
        self._name = name
        self._run = run
        self._unsafe = effect == "unsafe"
        self._cut_off = cut_off

    async def __call__(self) -> JsonValue:
        """Raises UnknownOutcome when the effect is unsafe and may have happened."""
        entered = inside_step.set(True)
        try:
            return {"value": to_json(await self._run())}
        except FailedBeforeEffect as error:
            return {"no_effect": str(error)}
        except asyncio.CancelledError:
            if self._unsafe and self._cut_off():
                raise _unknown(f"{self._name} was cut off by the timeout of its tool") from None
            raise
        # Protects the run: an effect is foreign code, and its failure is recorded for the tool.
        except (Exception, SystemExit) as error:
            detail = f"{self._name} failed: {type(error).__name__}: {error}"
            if self._unsafe:
                raise _unknown(detail) from error
            return {"failed": detail}
        finally:
            inside_step.reset(entered)


def reported(text: str, failed: bool) -> JsonValue:
    """What to record when a person says what came of an effect."""
    return {"failed": text} if failed else {"value": text}


def value_of(recorded: JsonValue) -> JsonValue:
    """The value of an effect; raises StepFailed or FailedBeforeEffect when it had none."""
    match cast("dict[str, JsonValue]", recorded):
        case {"value": value}:
            return value
        case {"no_effect": text}:
            raise FailedBeforeEffect(text)
        case {"failed": text}:
            raise StepFailed(text)
    raise AssertionError(f"not what a step records: {recorded!r}")


def _unknown(detail: str) -> UnknownOutcome:
    # The doubt first: what is long is cut at its end before a model reads it.
    doubt = f"it may have taken effect, so do not repeat it without checking: {detail}"
    return UnknownOutcome(detail, {"failed": doubt})
