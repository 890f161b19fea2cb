"""A plan: what can be carried out, in which order, and what its references stand for."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from agentkit.events import PlannedStep
from agentkit.planning.plan import InvalidPlan, plan_output, read_plan, ready
from agentkit.planning.references import NotThere, filled_in, referred

TEXT = {"properties": {"text": {"type": "string"}}}
MAYBE = {"properties": {"text": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}
LISTS = {
    "properties": {"text": {"anyOf": [{"$ref": "#/$defs/Deep"}, {"type": "null"}]}},
    "$defs": {
        "Deep": {
            "type": "object",
            "properties": {
                "names": {"type": "array", "items": {"type": ["string", "null"]}},
                "pair": {"prefixItems": [{"type": "integer"}, {"type": "string"}]},
                "again": {"$ref": "#/$defs/Deep"},
            },
            "additionalProperties": {"type": "string"},
        },
        "Loop": {"$ref": "#/$defs/Loop"},
    },
}
NUMBER = {"properties": {"text": {"type": "integer"}}}

RETURNED = {
    "page": "two pages",
    "list": '{"items": [{"id": 7, "name": "Ada"}], "total": 1.50}',
    "sum": "391",
    "trap": "${page} $${page}",
    "long": "[1, 2\n[cut: 5 of 900 characters shown]",
}


def step(name: str, tool: str = "look", after: tuple[str, ...] = (), **arguments: Any) -> Any:
    return PlannedStep(name, tool, arguments, after)


def plan(*steps: PlannedStep) -> str:
    return json.dumps(
        {
            "steps": [
                {"id": s.id, "tool": s.tool, "arguments": s.arguments, "after": list(s.after)}
                for s in steps
            ]
        }
    )


@pytest.mark.parametrize(
    ("expected", "written", "schema"),
    [
        ("two pages", "${page}", TEXT),
        ("Read two pages.", "Read ${page}.", TEXT),
        (7, "${list/items/0/id}", NUMBER),
        ("7", "${list/items/0/id}", TEXT),
        ("Ada", "${list/items/0/name}", {}),
        ("for Ada: 7", "for ${list/items/0/name}: ${list/items/0/id}", TEXT),
        (391, "${sum}", NUMBER),
        ("391", "${sum}", TEXT),
        ("391", "${sum}", MAYBE),
        ("(391) * 2", "(${sum}) * 2", TEXT),
        (RETURNED["list"], "${list}", TEXT),
        ({"items": [{"id": 7, "name": "Ada"}], "total": 1.5}, "${list}", {}),
        ({"deep": ["two pages", 1]}, {"deep": ["${page}", 1]}, {}),
        ({"names": ["391"]}, {"names": ["${sum}"]}, LISTS),
        ({"again": {"more": "391"}}, {"again": {"more": "${sum}"}}, LISTS),
        ({"pair": [391, "391"]}, {"pair": ["${sum}", "${sum}"]}, LISTS),
        (391, "${sum}", {**LISTS, "properties": {"text": {"$ref": "#/$defs/Loop"}}}),
        (391, "${sum}", {"properties": {"text": True}}),
        ("costs ${page}", "costs $${page}", TEXT),
        ("$5 {page}", "$5 {page}", TEXT),
    ],
)
def test_what_a_reference_stands_for(expected: Any, written: Any, schema: dict[str, Any]) -> None:
    """The value where it stands alone, its text inside a text or where a text is wanted."""
    assert {"text": expected} == filled_in({"text": written}, RETURNED, schema)


@pytest.mark.parametrize("written", ["${trap}", "see ${trap}"])
def test_what_was_filled_in_is_never_read_again(written: str) -> None:
    """A result that looks like a reference is text, like any other."""
    filled = filled_in({"text": written}, RETURNED, TEXT)["text"]
    assert filled.endswith("${page} $${page}")


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("${page/items}", "page did not return JSON"),
        ("${long}", "what long returned was too long, and is cut"),
        ("${long/0}", "what long returned was too long, and is cut"),
        ("${list/items/1}", "list returned nothing at '1'"),
        ("${list/item}", "list returned nothing at 'item'"),
        ("${list/total/0}", "list returned nothing at '0'"),
        ("${list/items/first}", "list returned nothing at 'first'"),
    ],
)
def test_a_reference_that_leads_to_nothing(written: str, problem: str) -> None:
    """The model is told which step returned nothing there."""
    with pytest.raises(NotThere, match=problem):
        filled_in({"text": f"see {written}"}, RETURNED, TEXT)


def test_the_steps_referred_to() -> None:
    """Wherever they are in the arguments; an escaped one is none."""
    arguments = {"a": "${s1/x} ${s2}", "b": [{"c": "${s3}"}], "d": "$${s4}", "e": 5}
    assert ["s1", "s2", "s3"] == list(referred(arguments))


def test_a_plan_is_read() -> None:
    """As it was written, `after` being nothing unless given."""
    written = '{"steps": [{"id": "s1", "tool": "look", "arguments": {"text": "x"}}]}'
    assert (step("s1", text="x"),) == read_plan(written, ["look"], (), 5)


def test_arguments_may_be_json_in_a_text() -> None:
    """As providers are told, because they close every object of a schema."""
    written = {"id": "s1", "tool": "look", "arguments": '{"text": "${done}"}', "after": []}
    text = json.dumps({"steps": [written]})
    jsonschema.validate(json.loads(text), plan_output().schema)
    assert (step("s1", text="${done}"),) == read_plan(text, ["look"], ["done"], 5)


def test_the_schema_is_one_that_strict_providers_take() -> None:
    """Every object is closed, and everything in it is required."""
    schema = plan_output().schema
    for closed in (schema, schema["properties"]["steps"]["items"]):
        assert False is closed["additionalProperties"]
        assert list(closed["properties"]) == closed["required"]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("I would look.", "it is no plan: it is not JSON"),
        ('{"steps": [{"id": "s1"}]}', "steps.0.tool: Field required"),
        (
            '{"steps": [{"id": "s1", "tool": "look", "arguments": "x"}]}',
            "s1: its arguments are no JSON: ",
        ),
        (
            '{"steps": [{"id": "s1", "tool": "look", "arguments": "[]"}]}',
            "s1: its arguments are no JSON object",
        ),
        (plan(step("s1", "leap")), "step s1: there is no tool 'leap'"),
        (plan(step("s1"), step("s1")), "two of its steps have the same id"),
        (plan(step("s 1")), "'s 1' is no id"),
        (plan(step("done")), "a step done was carried out already"),
        (plan(step("s1", text="${s9}")), "step s1 refers to 's9', which is no step"),
        (plan(step("s1", after=("s9",))), "step s1 refers to 's9', which is no step"),
        (plan(step("s1", text="${s1}")), "steps wait for each other: s1 → s1"),
        (plan(step("a", text="${b}"), step("b", after=("a",))), "steps wait for each other"),
        (plan(*(step(f"s{n}") for n in range(6))), "it has 6 steps, and 5 are the most"),
    ],
)
def test_a_plan_that_cannot_be_carried_out(written: str, problem: str) -> None:
    """The model is told what to mend."""
    with pytest.raises(InvalidPlan, match=problem.replace("'", ".")):
        read_plan(written, ["look"], ["done"], 5)


def test_a_plan_may_use_what_an_earlier_one_found() -> None:
    """Steps that succeeded are there to be referred to."""
    assert read_plan(plan(step("s1", text="${done}")), ["look"], ["done"], 5)


def test_steps_are_ready_when_nothing_is_missing() -> None:
    """First those that need nothing, then those whose needs are met; none twice."""
    steps = (step("a"), step("b", text="${a}"), step("c"), step("d", after=("b", "c")))
    waves = [ready(steps, done) for done in ([], ["a", "c"], ["a", "b", "c"], ["a", "b", "c", "d"])]
    assert [["a", "c"], ["b"], ["d"], []] == [[one.id for one in wave] for wave in waves]
