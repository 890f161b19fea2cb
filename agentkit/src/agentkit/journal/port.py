"""The port through which every effect of a run goes: model calls, tool calls, waits, children.

A journal that stores what it is asked to record makes a run durable: started again, it gives back
what is stored instead of calling `run`, and the run continues at the first step that is not. A
step's identity is its path in the program (`3/llm`, `3/tool/1`, `3/tool/1/timer/2`), given in
program order when it is scheduled. Its input hash covers kind, name and canonical arguments, never
the rendered prompt, so that a better prompt does not break a running task.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from agentkit.messages import Effect, Usage

if TYPE_CHECKING:
    from pydantic import JsonValue

StepKind: TypeAlias = Literal[
    "llm",
    "tool",
    "clock",
    "random",
    "value",
    "memory",
    "timer",
    "input",
    "approval",
    "child",
    "children",
]
"""`value` is an effect inside a tool; `child` starts a task of its own, `children` waits for such."""


IN_DOUBT = "It may have taken effect all the same: do not repeat it without checking."
"""How what is recorded of an unsafe step ends when nobody knows whether it took effect."""


_NOTHING: Mapping[str, JsonValue] = MappingProxyType({})
"""One for all: nearly every step has nothing to show, and ten thousand agents wait in one each."""


@dataclass(frozen=True, slots=True)
class Step:
    """One effect or wait of a run. `effect` says what running it a second time would do.

    `reported` makes the step's value of what somebody says came of it (their words, and whether it
    failed): a person who is asked after an unsafe step was lost, or who starts the run again from
    there with another result. It is None where words cannot stand for the value.

    Of a wait for a person, `about` is what they should see besides, and `expires_in_s` how long
    they have. Both may change without making it another step.

    `may_use` says what a model call may use at most, for who pays for it.
    """

    path: str
    kind: StepKind
    name: str
    arguments: JsonValue
    effect: Effect
    reported: Callable[[str, bool], JsonValue] | None = field(
        default=None, compare=False, repr=False
    )
    about: Mapping[str, JsonValue] = field(
        default_factory=lambda: _NOTHING, compare=False, repr=False
    )
    expires_in_s: float | None = field(default=None, compare=False)
    may_use: Callable[[], Usage] | None = field(default=None, compare=False, repr=False)

    @property
    def input_hash(self) -> str:
        """SHA-256 over kind, name and canonical arguments (sorted keys, no spaces)."""
        canonical = json.dumps(
            [self.kind, self.name, self.arguments], sort_keys=True, separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


class UnknownOutcome(Exception):
    """The `run` of an unsafe step ended, and nobody knows whether it took effect.

    `detail` says what happened, for a person. `value` is what to record where nobody can be asked:
    it tells the model, or the tool, that the effect is in doubt.
    """

    def __init__(self, detail: str, value: JsonValue) -> None:
        super().__init__(detail)
        self.detail = detail
        self.value = value


def failure_first(raised: Sequence[BaseException]) -> BaseException:
    """Of what a journal raised in branches that ran side by side: the one that ends the run.

    The first failure (`Exception`), else the first of the others: who waits would not hear of it.
    """
    return next((error for error in raised if isinstance(error, Exception)), raised[0])


class Journal(Protocol):
    """One journal serves one run.

    Any method may raise an exception of the journal's own to stop the run: an `Exception` when it
    has failed or is no longer ours, another `BaseException` when it must wait. No tool can catch
    it, and it leaves the agent once the other calls of the same step have settled.
    """

    def idempotency_key(self, path: str) -> str:
        """The key under which the step at `path` may be repeated: the same in every replay."""
        ...

    async def record(self, step: Step, run: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        """Return what is recorded for `step`, or call `run`, record its value and return it.

        A tool that fails does not raise: its value is an observation. Of an unsafe step, `run`
        raises UnknownOutcome when it may have taken effect, and CancelledError leaves that open;
        whatever else it raises says that nothing happened. What `run` raises, UnknownOutcome
        apart, passes through and is not recorded.
        """
        ...

    async def wait(self, step: Step) -> JsonValue:
        """Wait for something from outside, and return what it came to, once and for ever.

        `timer` (`{"seconds"}`) gives null; `input` (`{"question"}`) the answer's text; `approval`
        (`{"question", "tool", "arguments"}`) gives `{"decision", "comment"}`, where anything but
        `approve` is a refusal and the comment may be null, and with `approve` also `arguments` where
        the person gave others to call the tool with; `children` (`{"tasks": [ids], "need": n}`) the
        `ChildResult`s of those that have ended, at least `need` of them, in the order of the ids.
        """
        ...

    async def start_child(self, step: Step) -> str:
        """Start a task for `{"goal", …options}`, once for each path, and return its id."""
        ...
