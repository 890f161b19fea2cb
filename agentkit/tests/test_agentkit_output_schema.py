"""A schema of an answer stays where it is: nothing that it refers to is fetched."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from agentkit.errors import UsageError
from agentkit.output import DoesNotFit, OutputSpec, output_spec

TREE = {
    "title": "tree",
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "required": ["name"],
            "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
        }
    },
}


def test_references_inside_are_followed() -> None:
    """Down to the node that does not fit."""
    spec = output_spec(TREE)
    assert {"name": "a", "children": []} == spec.parse('{"name": "a", "children": []}')
    with pytest.raises(DoesNotFit, match=r"children\[0\]: 'name' is a required property"):
        spec.parse('{"name": "a", "children": [{}]}')


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"properties": {"a": {"allOf": [{"$ref": "file:///etc/hostname"}]}}},
        {"anyOf": [{"$dynamicRef": "other.json#node"}]},
    ],
)
def test_references_elsewhere_are_refused(schema: dict[str, Any]) -> None:
    """Whoever writes a schema must not make the process read from somewhere."""
    with pytest.raises(UsageError, match="nothing is fetched"):
        output_spec(schema)


@pytest.mark.parametrize(
    "reference", ["#/$defs/no", "#nowhere", "#/title", "#/title/0", "#/required/a", "#/required/7"]
)
def test_references_to_nothing_are_refused(reference: str) -> None:
    """When the agent is made, not when its model has been paid for an answer."""
    schema = {"title": "a", "required": ["a"], "properties": {"a": {"$ref": reference}}}
    with pytest.raises(UsageError, match=f"refers to {re.escape(reference)}, which is not in it"):
        output_spec(schema)


def test_what_only_looks_like_a_reference_is_none() -> None:
    """Data may be of any shape, and a property may have any name."""
    schema = {
        "const": {"$ref": "http://127.0.0.1:9/"},
        "properties": {
            "$ref": {"type": "string"},
            "b": {"$ref": "#b"},
            "c": {"$ref": "#/$defs/c~1d"},
        },
        "$defs": {"b": {"$anchor": "b"}, "c/d": True},
    }
    assert schema == output_spec(schema).schema


def test_nothing_is_fetched_for_a_spec_that_was_not_checked() -> None:
    """One that is made by hand fails where it is used, without a word to the network."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        spec = OutputSpec("remote", {"$ref": f"http://127.0.0.1:{port}/schema.json"})
        with pytest.raises(UsageError, match="does not hold"):
            spec.parse("{}")
        with pytest.raises(BlockingIOError):  # nobody has called
            server.accept()


class Product(BaseModel):
    """A field that is called otherwise in the schema, as `class` must be."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(alias="class")


def test_an_answer_fits_its_own_schema() -> None:
    """Under the names that are in it, so that the model can be made of the answer again."""
    answer = output_spec(Product).parse('{"class": "tool"}')
    assert {"class": "tool"} == answer
    assert Product(**{"class": "tool"}) == Product.model_validate(answer)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("answer", ["a" * 40 + "!", "b"])
def test_a_pattern_is_matched_in_linear_time(answer: str) -> None:
    """Python's own regular expressions would take until the end of days for the first."""
    spec = output_spec({"type": "string", "pattern": "^(a+)+$"})
    with pytest.raises(DoesNotFit, match=r"does not match '\^\(a\+\)\+\$'"):
        spec.parse(json.dumps(answer))
    assert "aaa" == spec.parse('"aaa"')


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}]},
        {
            "$ref": "#/$defs/d0",
            "$defs": {
                f"d{level}": {"allOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 2}
                for level in range(25)
            }
            | {"d25": {"type": "string"}},
        },
    ],
    ids=["itself", "all of itself", "a million times"],
)
def test_a_schema_that_refers_to_itself_too_often_is_given_up(schema: dict[str, Any]) -> None:
    """It is said, and does not hold up the program or fall through as a RecursionError."""
    with pytest.raises(UsageError, match="too intricate"):
        output_spec(schema).parse('"text"')
