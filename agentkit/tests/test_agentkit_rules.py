"""Rules: what is allowed, denied and asked about, however they are put together."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.decisions import Allow, Decision, Deny, NeedApproval
from agentkit.errors import UsageError
from agentkit.messages import Label, ToolCall
from agentkit.security import (
    CallContext,
    Constraint,
    Rule,
    Rules,
    above,
    allow,
    ask,
    between,
    deny,
    equals,
    every,
    matching,
    one_of,
    some,
    untrusted,
)

WEB = frozenset({Label("operator"), Label("user"), Label("tool", "http_fetch")})


async def decided(
    rules: list[Any],
    tool: str = "pay",
    *,
    effect: Any = "unsafe",
    labels: frozenset[Label] = frozenset(),
    **arguments: Any,
) -> Decision:
    # What the model wrote differs from what the tool gets, which is what counts.
    context = CallContext("agent", "goal", "1/tool/1", effect, arguments, labels)
    return await Rules(rules).check(ToolCall("1", tool, {"as": "written"}), context)


async def test_what_no_rule_allows_is_denied() -> None:
    """Without rules, and with one for another tool."""
    expected = Deny("default", "no rule allows pay with these arguments")
    assert expected == await decided([])
    assert expected == await decided([allow("reads", "read_*")])


async def test_a_rule_names_tools_by_patterns() -> None:
    """The decision carries the id of the rule that made it."""
    assert Allow("reads") == await decided([allow("reads", "look", "read_*")], "read_file")
    assert Allow("reads") == await decided([allow("reads", "look", "read_*")], "look")
    assert isinstance(await decided([allow("reads", "look")], "looked"), Deny)


async def test_a_rule_may_be_for_certain_effects() -> None:
    """Pure calls of any tool, and no others."""
    harmless = [allow("harmless", "*", effects=["pure"])]
    assert Allow("harmless") == await decided(harmless, effect="pure")
    assert isinstance(await decided(harmless, effect="unsafe"), Deny)
    lone = [allow("harmless", "*", effects="pure")]  # type: ignore[arg-type]
    assert isinstance(await decided(lone, effect="unsafe"), Deny)


async def test_what_is_denied_stays_denied() -> None:
    """Whatever else allows it, before or after; the model reads why."""
    rules = [allow("all", "*"), deny("prod", "pay", reason="not in production")]
    assert Deny("prod", "not in production") == await decided(rules)
    assert Deny("prod", "not in production") == await decided(rules[::-1])


async def test_asking_does_not_widen_what_is_allowed() -> None:
    """A person is asked only about what a rule allows."""
    asking = ask("money", "pay", question="Pay?")
    assert isinstance(await decided([asking]), Deny)
    assert NeedApproval("money", "Pay?") == await decided([allow("all", "*"), asking])


@pytest.mark.parametrize(
    ("constraint", "yes", "no", "unclear"),
    [
        (equals("a"), ["a"], ["b", 1, None, ["a"]], []),
        (equals(1), [1, 1.0], [True, 2, "1"], []),
        (equals([1, [2]]), [[1.0, [2]]], [[True, [2]], [1, 2], [1], [1, [2], 3]], []),
        (one_of({"a": 1}), [{"a": 1}], [{"a": True}, {"b": 1}, {"a": 1, "b": 1}, {}], []),
        (one_of("a", "b"), ["a", "b"], ["c", ""], []),
        (matching(r"[a-z]+"), ["abc"], ["", "a1", "abc\n", "a b"], [7, None, "a" * 10_001]),
        (between(1, 5), [1, 5, 2.5], [0, 5.1, -math.inf], ["3", True, None, math.nan]),
        (above(100), [101, math.inf], [100, -1], ["101", False, math.nan]),
        (every(one_of(1, 2)), [[], [1, 2]], [[1, 3]], [1, None]),
        (every(above(1)), [[2]], [[2, 1, "x"]], [[2, "x"]]),
        (some(equals(1)), [[2, 1]], [[], [2]], [1]),
        (some(above(1)), [["x", 2]], [[1]], [["x", 1]]),
    ],
)
def test_what_a_constraint_answers(
    constraint: Constraint, yes: list[Any], no: list[Any], unclear: list[Any]
) -> None:
    """Yes, no, or that it cannot tell."""
    assert [True] * len(yes) == [constraint(value) for value in yes]
    assert [False] * len(no) == [constraint(value) for value in no]
    assert [None] * len(unclear) == [constraint(value) for value in unclear]


async def test_an_allowed_call_has_arguments_as_pinned() -> None:
    """All of them; what is missing, other or unclear is not allowed."""
    rules = [allow("small", "pay", where={"amount": between(0, 100), "to.name": equals("Ada")})]
    ada = {"name": "Ada"}
    assert Allow("small") == await decided(rules, amount=100, to=ada)
    for arguments in (
        {"amount": 101, "to": ada},
        {"amount": "100", "to": ada},
        {"amount": 100, "to": {"name": "Eve"}},
        {"amount": 100, "to": ["Ada"]},
        {"amount": 100},
        {},
    ):
        assert isinstance(await decided(rules, **arguments), Deny)


@pytest.mark.parametrize("make", [deny, ask])
async def test_what_cannot_be_judged_counts_against_the_call(make: Any) -> None:
    """A number in the shape of a text does not slip under a bound; what is not there is no reason."""
    rules = [allow("all", "*"), make("much", "pay", where={"amount": above(100)})]
    for amount in (101, "101", math.nan, None, [5]):
        assert "much" == (await decided(rules, amount=amount)).rule
    assert Allow("all") == await decided(rules, amount=100)
    assert Allow("all") == await decided(rules, other=7)


async def test_untrusted_words_take_trust_away() -> None:
    """Once the model has read a page, an unsafe call needs a person; a pure one does not."""
    rules = [
        allow("all", "*"),
        ask("read", "*", effects=["unsafe"], after=untrusted(but=["calculator"])),
    ]
    assert Allow("all") == await decided(rules)
    assert Allow("all") == await decided(rules, labels=frozenset({Label("tool", "calculator")}))
    assert "read" == (await decided(rules, labels=WEB)).rule
    assert "read" == (await decided(rules, labels=frozenset({Label("memory", "m")}))).rule
    assert Allow("all") == await decided(rules, labels=WEB, effect="pure")


def test_ids_are_unique() -> None:
    """Which rule decided is known by its id; the default's is taken."""
    with pytest.raises(UsageError, match="Two rules have the id 'a'"):
        Rules([allow("a", "x"), deny("a", "y")])
    with pytest.raises(UsageError, match="Two rules have the id 'default'"):
        Rules([allow("default", "x")])


def test_a_rule_says_what_it_is_about() -> None:
    """No tools would be a rule about nothing, or about everything: neither is guessed."""
    with pytest.raises(UsageError, match="'\\*' is all of them"):
        deny("all")
    with pytest.raises(UsageError, match="give it an id"):
        allow("", "x")
    with pytest.raises(UsageError, match="between"):
        between(2, 1)
    with pytest.raises(UsageError, match="matching"):
        matching("(")


TOOLS = ["read", "write", "pay"]

ARGUMENTS = st.dictionaries(
    st.sampled_from(["a", "b"]),
    st.one_of(st.integers(-2, 2), st.floats(), st.text(max_size=2), st.booleans(), st.none()),
    max_size=2,
)

WHERE = st.dictionaries(
    st.sampled_from(["a", "b", "a.b"]),
    st.sampled_from([equals(1), above(0), between(0, 1), matching("a*"), some(equals(1))]),
    max_size=2,
)

NAMES = st.lists(st.sampled_from([*TOOLS, "*", "r*"]), min_size=1, max_size=2)

EFFECTS = st.sampled_from([None, ["pure"], ["unsafe", "idempotent"]])


@st.composite
def some_rules(draw: st.DrawFn) -> list[Any]:
    """Up to five rules of all kinds."""
    rules: list[Any] = []
    for number in range(draw(st.integers(0, 5))):
        make = draw(st.sampled_from([allow, deny, ask]))
        options: dict[str, Any] = {"effects": draw(EFFECTS), "where": draw(WHERE)}
        if make is not allow:
            options["after"] = draw(st.sampled_from([None, untrusted()]))
        rules.append(make(f"rule-{number}", *draw(NAMES), **options))
    return rules


CONTEXTS = st.tuples(
    st.sampled_from(["pure", "idempotent", "unsafe"]), ARGUMENTS, st.sampled_from([set(), WEB])
).map(
    lambda given: CallContext(
        "a", "g", "1/tool/1", cast("Any", given[0]), given[1], frozenset(given[2])
    )
)


@given(some_rules(), st.sampled_from(TOOLS), CONTEXTS)
async def test_no_combination_allows_what_no_rule_allows(
    rules: list[Rule], tool: str, context: CallContext
) -> None:
    """Each rule asked alone says what it says; together they are never more lenient than that."""
    call = ToolCall("1", tool, {})
    decision = await Rules(rules).check(call, context)
    alone = [rule.judge(call, context) for rule in rules]
    allowing = [one for one in alone if isinstance(one, Allow)]
    strict = [one for one in alone if isinstance(one, Deny | NeedApproval)]
    match decision:
        case Allow():
            assert decision in allowing
            assert [] == strict
        case NeedApproval():
            assert allowing != []
            assert decision in strict
            assert not any(isinstance(one, Deny) for one in strict)
        case Deny(rule):
            assert decision in strict or (rule == "default" and allowing == [])


@given(some_rules().filter(lambda rules: len(rules) <= 4), st.sampled_from(TOOLS), CONTEXTS)
async def test_the_order_of_rules_decides_nothing(
    rules: list[Rule], tool: str, context: CallContext
) -> None:
    """Every order comes to the same kind of decision."""
    call = ToolCall("1", tool, {})
    kinds = {(await Rules(order).check(call, context)).kind for order in permutations(rules)}
    assert 1 == len(kinds)


@given(some_rules(), some_rules(), st.sampled_from(TOOLS), CONTEXTS)
async def test_what_is_added_to_deny_and_ask_never_loosens(
    rules: list[Rule], more: list[Any], tool: str, context: CallContext
) -> None:
    """Only an `allow` can turn a denial into something else."""
    call = ToolCall("1", tool, {})
    kinds: list[Any] = [deny, ask]
    strictness = {"allow": 0, "need_approval": 1, "deny": 2}
    before = await Rules(rules).check(call, context)
    stricter = [
        make(f"more-{rule.id}", *rule.tools, where=rule.where, effects=rule.effects)
        for rule, make in zip(more, kinds * len(more), strict=False)
    ]
    after = await Rules([*rules, *stricter]).check(call, context)
    assert strictness[before.kind] <= strictness[after.kind]
