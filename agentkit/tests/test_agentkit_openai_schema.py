"""Schemas for OpenAI's strict mode: a copy that allows less, or none."""

from __future__ import annotations

from typing import Any, Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from agentkit.llm.openai_schema import response_format, strict_schema


class Step(BaseModel):
    """One step."""

    text: str
    after: list[int] = Field(default=[], description="the steps before it")
    kind: Literal["do", "check"] = "do"


class Plan(BaseModel):
    """Steps, the first of which is said apart."""

    title: str | None = None
    first: Step = Field(description="where to begin")
    steps: list[Step]


class Tree(BaseModel):
    """A schema that refers to itself."""

    name: str
    branches: list[Tree]


def test_a_nested_model_becomes_strict() -> None:
    """Every object is closed, every field required, and nothing is left of what strict refuses."""
    strict = strict_schema(Plan.model_json_schema())
    assert strict is not None
    assert ["title", "first", "steps"] == strict["required"]
    step = strict["$defs"]["Step"]
    assert (False, ["text", "after", "kind"]) == (step["additionalProperties"], step["required"])
    assert {"type": "string", "enum": ["do", "check"]} == step["properties"]["kind"]
    described = {"anyOf": [{"$ref": "#/$defs/Step"}], "description": "where to begin"}
    assert described == strict["properties"]["first"]


def test_a_recursive_model_becomes_strict() -> None:
    """References stay references, so it ends."""
    strict = strict_schema(Tree.model_json_schema())
    assert strict is not None
    assert {"$ref": "#/$defs/Tree"} == strict["$defs"]["Tree"]["properties"]["branches"]["items"]


TEXT = {"type": "string"}
REQUIRED = {"type": "object", "properties": {"a": TEXT}, "required": ["a"]}


@pytest.mark.parametrize(
    "schema",
    [
        TEXT,
        {"type": "object"},
        {"type": "object", "additionalProperties": TEXT},
        {"type": "object", "properties": {"a": TEXT}},
        {**REQUIRED, "additionalProperties": {"type": "integer"}},
        {"type": "object", "properties": {"a": {"minLength": 1, **TEXT}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"oneOf": [TEXT]}}, "required": ["a"]},
        {"type": "object", "properties": {"a": True}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"items": {"type": "object"}}}, "required": ["a"]},
    ],
)
def test_what_strict_mode_cannot_say_is_not_strict(schema: dict[str, Any]) -> None:
    """A map, a field that may be missing, a keyword it does not know: the schema goes as it is."""
    assert strict_schema(schema) is None
    sent = response_format("answer", schema)["json_schema"]
    assert {"name": "answer", "schema": schema} == sent


def test_the_original_is_left_alone() -> None:
    """The caller's schema still validates the answer."""
    schema = Plan.model_json_schema()
    strict_schema(schema)
    assert Plan.model_json_schema() == schema


def test_a_name_is_made_of_what_is_allowed() -> None:
    """As pydantic calls a generic model."""
    assert "Page_Item_" == response_format("Page[Item]", {})["json_schema"]["name"]


FIELDS = st.dictionaries(st.sampled_from("abc"), st.deferred(lambda: SCHEMAS), max_size=3)
SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.sampled_from([{"type": "string"}, {"type": "integer", "default": 1}, {"type": "null"}]),
    st.builds(
        lambda fields, required, more: {
            "type": "object",
            "properties": fields,
            "required": sorted(required & set(fields)),
            **more,
        },
        FIELDS,
        st.sets(st.sampled_from("abc")),
        st.sampled_from([{}, {"additionalProperties": False}, {"additionalProperties": True}]),
    ),
    st.builds(lambda items: {"type": "array", "items": items}, st.deferred(lambda: SCHEMAS)),
    st.builds(lambda two: {"anyOf": two}, st.lists(st.deferred(lambda: SCHEMAS), min_size=1)),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.integers(-1, 1), st.sampled_from(["", "x"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("abcd"), inner, max_size=4)
    ),
    max_leaves=6,
)


@given(SCHEMAS, VALUES)
def test_what_fits_the_strict_copy_fits_the_original(schema: dict[str, Any], value: Any) -> None:
    """The copy only takes away, so a model that keeps to it never needs a repair."""
    strict = strict_schema(schema)
    if strict is not None and jsonschema.Draft202012Validator(strict).is_valid(value):
        assert jsonschema.Draft202012Validator(schema).is_valid(value)
