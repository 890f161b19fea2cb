"""What an agent may call: its tools, those of the agents below it, and the rules of its definition."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from agentkit import AllowList
from agentkit.security import (
    Constraint,
    Rule,
    Rules,
    SecurityManager,
    allow,
    ask,
    between,
    deny,
    one_of,
    untrusted,
)
from ops_core.task import JsonObject


def manager(names: Iterable[str], approve: Sequence[str], policy: JsonObject) -> SecurityManager:
    """Allows the tools named; a person is asked about those in `approve`; `policy` narrows it further."""
    if not policy:
        return _allow_list(tuple(names), tuple(approve))
    rules: list[Rule] = [allow("tools", *names)]
    if approve:
        rules.append(ask("approve", *approve))
    rules += [_deny(rule) for rule in policy.get("deny", ())]
    rules += [_ask(rule) for rule in policy.get("ask", ())]
    return Rules(rules)


@lru_cache(maxsize=256)
def _allow_list(names: tuple[str, ...], approve: tuple[str, ...]) -> AllowList:
    """One for all agents that may call the same: thousands of them wait at once."""
    return AllowList(names, approve=approve)


def _deny(rule: JsonObject) -> Rule:
    return deny(rule["id"], *rule["tools"], reason=rule.get("says", ""), **_when(rule))


def _ask(rule: JsonObject) -> Rule:
    return ask(rule["id"], *rule["tools"], question=rule.get("says", ""), **_when(rule))


def _when(rule: JsonObject) -> dict[str, Any]:
    return {
        "effects": rule.get("effects"),
        "where": {name: _constraint(held) for name, held in rule.get("where", {}).items()},
        "after": untrusted if rule.get("after_untrusted") else None,
    }


def _constraint(held: JsonObject) -> Constraint:
    if "between" in held:
        return between(*held["between"])
    return one_of(*held["one_of"]) if "one_of" in held else one_of(held["equals"])
