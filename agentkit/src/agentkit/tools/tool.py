"""A tool: what the model is told of it, how its arguments are checked, and how it is called."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MethodType
from typing import Any, Protocol, Self, TypeAlias

from pydantic import BaseModel, JsonValue, ValidationError

from agentkit.context import RunContext
from agentkit.errors import UsageError
from agentkit.journal import InMemoryJournal
from agentkit.messages import Effect, Label, ToolSpec
from agentkit.timeout import PausableTimeout
from agentkit.tools.given import as_given, in_json
from agentkit.tools.isolation import InProcess, Isolation
from agentkit.tools.text import bounded

DEFAULT_MAX_OUTPUT = 10_000
"""Characters of a result that the model is shown: about 2,500 tokens."""


_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}")
"""What every provider accepts as the name of a function."""

NeedsApproval: TypeAlias = bool | Callable[[Mapping[str, Any]], bool]
"""Whether a person must agree to a call: to each, or as a pure function of its arguments says."""


class InvalidArguments(ValueError):
    """What the model gave does not fit the tool's parameters; the text is written for the model."""


class TimedOut(Exception):
    """A call took longer than its tool's `timeout_s`, and was cancelled."""


class Arguments(Protocol):
    """Checks what a model gave for a tool that is not described by a pydantic model."""

    def parse(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The function's keyword arguments. Raises InvalidArguments."""
        ...

    def named(self, keywords: dict[str, Any]) -> dict[str, Any]:
        """The same arguments under the names that the model knows."""
        ...


@dataclass(frozen=True, slots=True)
class Tool:
    """A function with what surrounds it. Made by `@tool`.

    A sync function runs in a thread, so it never blocks the event loop; on a timeout that thread
    cannot be stopped and goes on by itself, unless `isolation` is a process that can. `retries`
    repeats a call that raised. `context_parameter` is the parameter that gets the `RunContext`,
    `key_parameter` the one that gets the idempotency key of the call alone (None outside of a run);
    the model sees neither. A tool made of a method (`is_method`) becomes one that can be called by
    looking it up on an instance. `label` says where its results come from: the tool itself, unless
    given. `approve_within_s` is how long a person has to agree to a call, where one must.
    """

    function: Callable[..., Any]
    spec: ToolSpec
    arguments: type[BaseModel] | Arguments
    effect: Effect = "unsafe"
    timeout_s: float = 30.0
    max_output: int = DEFAULT_MAX_OUTPUT
    retries: int = 0
    context_parameter: str | None = None
    key_parameter: str | None = None
    needs_approval: NeedsApproval = False
    isolation: Isolation = field(default_factory=InProcess)
    is_method: bool = False
    label: Label | None = None
    approve_within_s: float | None = None

    def __post_init__(self) -> None:
        self.isolation.check(self)
        if self.approve_within_s is not None and not self.approve_within_s > 0:
            raise UsageError(
                f"Tool {self.name}: approve_within_s={self.approve_within_s} leaves nobody any time."
            )
        if self.retries and self.effect == "unsafe":
            raise UsageError(
                f"Tool {self.name}: retries={self.retries} on an unsafe tool could repeat its "
                "effect. Declare effect='pure' or 'idempotent' if that is true, or drop retries."
            )
        if self.context_parameter is not None:
            self._check_replayable()

    def _check_replayable(self) -> None:
        if self.effect == "unsafe":
            raise UsageError(
                f"Tool {self.name} takes a RunContext, so its body is run again on every replay, "
                "which an unsafe one must not be. Put its effects into ctx.step(…) and declare "
                "effect='pure' or 'idempotent'."
            )
        if self.retries:
            raise UsageError(
                f"Tool {self.name} takes a RunContext, and retries={self.retries} would be counted "
                "anew on a replay. Repeat inside ctx.step(…), where the outcome is recorded."
            )

    @property
    def name(self) -> str:
        """The name the model calls it by."""
        return self.spec.name

    def __get__(self, instance: object, owner: type | None = None) -> Self:
        """The tool of one instance, for a tool made of a method."""
        if instance is None or not self.is_method:
            return self
        return replace(self, function=MethodType(self.function, instance), is_method=False)

    def given(self, keywords: dict[str, Any]) -> dict[str, JsonValue]:
        """Parsed arguments as JSON, under the names that the model knows: what rules are about."""
        if isinstance(self.arguments, type):
            return as_given(self.arguments, keywords)
        given: dict[str, JsonValue] = in_json(self.arguments.named(keywords))
        return given

    def asks(self, keywords: Mapping[str, Any]) -> bool:
        """Whether a person must agree to a call with these parsed arguments.

        What cannot say no says yes: a predicate that raises.
        """
        if isinstance(self.needs_approval, bool):
            return self.needs_approval
        try:
            return bool(self.needs_approval(keywords))
        # Protects the effect: a predicate that fails has not said that nobody need be asked.
        except Exception:  # noqa: BLE001
            return True

    def parse(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The function's keyword arguments. Raises InvalidArguments, naming each wrong one."""
        if not isinstance(self.arguments, type):
            return self.arguments.parse(arguments)
        try:
            parsed = self.arguments.model_validate(arguments)
        except ValidationError as error:
            problems = "; ".join(_problem(detail) for detail in error.errors())
            raise InvalidArguments(problems) from None
        return {name: getattr(parsed, name) for name in self.arguments.model_fields}

    async def call(self, keywords: dict[str, Any], context: RunContext | None = None) -> str:
        """Run the function with parsed arguments and return its bounded text.

        A tool that takes a RunContext and is given none gets one of a run of its own. Raises
        TimedOut after `timeout_s`, not counting waits, and whatever the function raises.
        """
        if self.context_parameter is not None:
            if context is None:
                async with RunContext(InMemoryJournal(), "1/tool/1") as alone:
                    return await self.call(keywords, alone)
            keywords = {**keywords, self.context_parameter: context}
        if self.key_parameter is not None:
            key = None if context is None else context.idempotency_key
            keywords = {**keywords, self.key_parameter: key}
        deadline = PausableTimeout(self.timeout_s)
        if context is not None:
            context.timed_by(deadline)
        try:
            async with deadline:
                return await self._with_retries(keywords)
        except TimeoutError:
            # The function may raise a TimeoutError of its own, which is not ours.
            if deadline.expired():
                raise TimedOut(f"{self.name} took longer than {self.timeout_s:g} s") from None
            raise

    async def _with_retries(self, keywords: dict[str, Any]) -> str:
        if not self.retries:
            return await self._once(keywords)
        # Imported here: hardly any tool retries, and tenacity costs 40 ms.
        import tenacity

        attempts = tenacity.stop_after_attempt(self.retries + 1)
        retrying = tenacity.AsyncRetrying(stop=attempts, reraise=True)
        return await retrying(self._once, keywords)

    async def _once(self, keywords: dict[str, Any]) -> str:
        return await self.isolation.run(self, keywords)


def checked_name(name: str) -> str:
    """The name. Raises UsageError for one that providers refuse."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"Tool {name!r}: a name is letters, digits, _ and -, at most 64.")
    return name


def _problem(detail: Any) -> str:
    where = ".".join(str(part) for part in detail["loc"]) or "arguments"
    given = "" if detail["type"] == "missing" else f" (given: {_short(detail['input'])})"
    return f"{where}: {detail['msg']}{given}"


def _short(value: object) -> str:
    return bounded(json.dumps(value, default=str, ensure_ascii=False), 100)
