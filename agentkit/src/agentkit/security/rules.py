"""Rules that are put together: what is allowed, what is denied, and what a person is asked about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, assert_never, cast

from agentkit.decisions import Allow, Decision, Deny, NeedApproval
from agentkit.errors import UsageError
from agentkit.messages import Effect, Label, ToolCall
from agentkit.security.constraints import Constraint
from agentkit.security.port import CallContext

if TYPE_CHECKING:
    from pydantic import JsonValue

Shown: TypeAlias = Callable[[frozenset[Label]], bool]
"""A condition on where what the model was shown comes from."""

DEFAULT_RULE = "default"
"""The id of the decision about what no rule allows."""


class Rule(Protocol):
    """One rule; `id` is what decisions, events and logs call it."""

    @property
    def id(self) -> str: ...

    def judge(self, call: ToolCall, context: CallContext) -> Decision | None:
        """What it says of the call; None when it says nothing."""
        ...


class Rules:
    """A `SecurityManager` that asks every rule. Their order does not matter, but for the id told.

    What any rule denies is denied. What no rule allows is denied, even when a rule would ask about
    it: asking never widens what is allowed. Of what is left, a person is asked where any rule asks.
    Of several that say the same, the first is named.
    """

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules = tuple(rules)
        ids = [DEFAULT_RULE, *(rule.id for rule in self._rules)]
        twice = next((rule_id for rule_id in ids if ids.count(rule_id) > 1), None)
        if twice is not None:
            raise UsageError(
                f"Two rules have the id {twice!r}: which one decided could not be said."
            )

    async def check(self, call: ToolCall, context: CallContext) -> Decision:
        """See `SecurityManager`."""
        said = [rule.judge(call, context) for rule in self._rules]
        denied = next((one for one in said if isinstance(one, Deny)), None)
        asked = next((one for one in said if isinstance(one, NeedApproval)), None)
        allowed = next((one for one in said if isinstance(one, Allow)), None)
        if denied is not None:
            return denied
        if allowed is None:
            return Deny(DEFAULT_RULE, f"no rule allows {call.tool} with these arguments")
        return allowed if asked is None else asked


@dataclass(frozen=True, slots=True)
class ToolRule:
    """Applies to calls of certain tools. Made by `allow`, `deny` and `ask`."""

    id: str
    verdict: Literal["allow", "deny", "ask"]
    tools: tuple[str, ...]
    effects: frozenset[Effect] | None = None
    where: Mapping[str, Constraint] = field(default_factory=dict)
    after: Shown | None = None
    says: str = ""

    def __post_init__(self) -> None:
        if not self.id or not self.tools:
            raise UsageError(f"Rule {self.id!r}: give it an id, and tools; '*' is all of them.")

    def judge(self, call: ToolCall, context: CallContext) -> Decision | None:
        """See `Rule`."""
        if not self._concerns(call, context) or not self._fits(context.arguments):
            return None
        match self.verdict:
            case "allow":
                return Allow(self.id)
            case "deny":
                return Deny(self.id, self.says or f"{call.tool} is denied by the rule {self.id}")
            case "ask":
                question = f"May {call.tool} be called with these arguments?"
                return NeedApproval(self.id, self.says or question)
            case _:
                assert_never(self.verdict)

    def _concerns(self, call: ToolCall, context: CallContext) -> bool:
        return (
            any(fnmatchcase(call.tool, pattern) for pattern in self.tools)
            and (self.effects is None or context.effect in self.effects)
            and (self.after is None or self.after(context.labels))
        )

    def _fits(self, arguments: Mapping[str, JsonValue]) -> bool:
        """Whether all constraints hold; what cannot be judged counts against the call."""
        answers = [_answer(arguments, path, held) for path, held in self.where.items()]
        return all(answers) if self.verdict == "allow" else False not in answers


def allow(
    rule_id: str,
    *tools: str,
    effects: Iterable[Effect] | None = None,
    where: Mapping[str, Constraint] | None = None,
) -> ToolRule:
    """Allow calls of these tools (names, or patterns with `*`).

    Only those with one of the `effects`, and whose arguments are all as `where` says: its keys are
    names of arguments, with dots into nested ones. An argument that is not there is not as it says.
    """
    return ToolRule(rule_id, "allow", tools, _effects(effects), where or {})


def deny(
    rule_id: str,
    *tools: str,
    effects: Iterable[Effect] | None = None,
    where: Mapping[str, Constraint] | None = None,
    after: Shown | None = None,
    reason: str = "",
) -> ToolRule:
    """Deny such calls, telling the model why.

    `where` as in `allow`, but the other way about: only a constraint that does not hold, or an
    argument that is not there, takes a call out of it. `after`: once such words were shown.
    """
    return ToolRule(rule_id, "deny", tools, _effects(effects), where or {}, after, reason)


def ask(
    rule_id: str,
    *tools: str,
    effects: Iterable[Effect] | None = None,
    where: Mapping[str, Constraint] | None = None,
    after: Shown | None = None,
    question: str = "",
) -> ToolRule:
    """Have a person agree to such calls first, where another rule allows them. See `deny`."""
    return ToolRule(rule_id, "ask", tools, _effects(effects), where or {}, after, question)


def untrusted(*, but: Iterable[str] = ()) -> Shown:
    """Once the model was shown words without authority: of a tool, a memory, another agent.

    `but`: names of tools whose words carry none of anybody else's, such as a calculator's.
    """
    harmless = frozenset(Label("tool", name) for name in but)

    def shown(labels: frozenset[Label]) -> bool:
        return any(not label.trusted and label not in harmless for label in labels)

    return shown


def _answer(arguments: Mapping[str, JsonValue], path: str, held: Constraint) -> bool | None:
    """What the constraint says of the argument at the path; no, when there is none."""
    found: JsonValue = cast("dict[str, JsonValue]", arguments)
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None  # a list, say: what is inside cannot be named so
        if name not in found:
            return False
        found = found[name]
    return held(found)


def _effects(given: Iterable[Effect] | None) -> frozenset[Effect] | None:
    if given is None:
        return None
    # A lone string would silently become a set of its letters.
    return frozenset([cast("Effect", given)] if isinstance(given, str) else given)
