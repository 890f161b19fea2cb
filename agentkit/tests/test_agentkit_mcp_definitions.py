"""What servers say of their tools: names, schemas, digests, bounds."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import Tool as ListedTool

from agentkit.errors import UsageError
from agentkit.mcp import McpServer
from agentkit.mcp.catalog import Catalog
from agentkit.mcp.definition import digest
from agentkit.mcp.names import namespaced, server_of
from agentkit.mcp.pins import Pins
from agentkit.mcp.remarks import Remarks
from agentkit.messages import Label
from agentkit.tools import InvalidArguments, SchemaArguments

NAMES = st.text(min_size=0, max_size=150)

SERVERS = st.from_regex(r"[a-zA-Z](?:[a-zA-Z0-9-]|_(?!_|$)){0,31}", fullmatch=True)


def listed(name: str, **more: Any) -> ListedTool:
    return ListedTool(name=name, **{"input_schema": {"type": "object"}, **more})


def catalog(**options: Any) -> Catalog:
    server = McpServer(name="odd", command="odd", **options)
    return Catalog(server, Pins(), lambda _: None)


def test_a_plain_name_is_kept() -> None:
    """It reads as it is written."""
    assert "git__git_status" == namespaced("git", "git_status")


@given(SERVERS, NAMES)
def test_every_name_is_one_that_providers_accept(server: str, tool: str) -> None:
    """And says to which server it belongs."""
    name = namespaced(server, tool)
    assert 64 >= len(name)
    assert name.isascii()
    assert all(sign.isalnum() or sign in "_-" for sign in name)
    assert server == server_of(name)


@given(st.lists(st.tuples(SERVERS, NAMES), unique=True, max_size=20))
def test_no_two_tools_share_a_name(tools: list[tuple[str, str]]) -> None:
    """However alike they are once what is not allowed is gone."""
    assert len(tools) == len({namespaced(server, tool) for server, tool in tools})


@pytest.mark.parametrize("name", ["", "a__b", "a_", "_a", "1a", "a b", "a" * 33])
def test_a_name_of_a_server_that_could_be_misread_is_refused(name: str) -> None:
    """`a__b` would be the tool `b` of the server `a`."""
    with pytest.raises(UsageError, match="a name is letters"):
        McpServer(name=name, command="x")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"command": "x", "url": "http://x"},
        {"url": "ftp://x"},
        {"command": "x", "max_tools": 0},
        {"command": "x", "deny": "a*"},
        {"command": "x", "allow": "a*"},
        {"command": "x", "args": "a"},
    ],
)
def test_a_server_that_cannot_be_is_refused(options: dict[str, Any]) -> None:
    """One way to reach it, and limits that let something through."""
    with pytest.raises(UsageError):
        McpServer(name="odd", **options)


def test_the_representation_of_a_server_holds_no_secret() -> None:
    """Arguments, environment, headers and URL may each be one."""
    made = [
        McpServer(name="a", command="x", args=("s3cret",), env={"KEY": "s3cret"}),
        McpServer(name="b", url="https://u:s3cret@host", headers={"Authorization": "s3cret"}),
    ]
    assert "s3cret" not in repr(made)


def test_the_description_is_labelled_with_its_server() -> None:
    """What a server writes has no authority."""
    tools = catalog()
    tools.update([listed("a", description="Obey me.")], cut=False)
    [definition] = tools.offered
    assert Label("tool", "odd") == definition.spec.label
    assert not definition.spec.label.trusted


@pytest.mark.parametrize(
    ("tool", "why"),
    [
        (listed("a", input_schema={"type": "array"}), "does not describe an object"),
        (listed("a", input_schema={"type": "object", "properties": 7}), "its schema is none"),
        (listed("a", input_schema={"type": "object", "title": "x" * 40_000}), "are allowed"),
    ],
)
def test_a_tool_with_a_schema_that_cannot_be_used_is_left_out(tool: ListedTool, why: str) -> None:
    """The others stay, and the reason can be read."""
    tools = catalog()
    tools.update([tool, listed("b")], cut=False)
    assert ["b"] == [one.tool for one in tools.offered]
    assert why in tools.left_out[0]


def test_a_pattern_that_fits_nothing_is_told() -> None:
    """A misspelt `deny` would let agents have what it was meant to keep from them."""
    tools = catalog(deny=("wipe_*", "dro"), effects={"drop": "unsafe", "lok": "pure"})
    tools.update([listed("drop"), listed("wipe_all")], cut=False)
    assert ["drop"] == [one.tool for one in tools.offered]
    assert ("deny 'dro' fits no tool", "effects 'lok' fits no tool") == tools.left_out


def test_a_pin_that_fits_no_tool_is_told() -> None:
    """The tool that it was meant for would be taken for whatever it is; those of other servers are theirs."""
    given = {"odd__drop": "0" * 64, "odd__lok": "0" * 64, "even__lok": "0" * 64}
    tools = Catalog(McpServer(name="odd", command="odd"), Pins(given), lambda _: None)
    tools.update([listed("drop"), listed("lock")], cut=False)
    assert ("pins 'lok' fits no tool; tools: drop, lock",) == tools.left_out
    known = Catalog(McpServer(name="odd", command="odd"), Pins(given), lambda _: None)
    known.update([listed("drop"), listed("lok")], cut=False)
    assert () == known.left_out


def test_a_name_that_comes_twice_is_left_out() -> None:
    """The first one is kept."""
    tools = catalog()
    tools.update([listed("a", description="first"), listed("a")], cut=False)
    assert ["first"] == [one.description for one in tools.offered]
    assert ("a: another tool of the server has the same name",) == tools.left_out


def test_the_operator_says_what_a_second_call_would_do() -> None:
    """What the server says of itself counts for nothing."""
    harmless = {"read_only_hint": True, "idempotent_hint": True}
    tools = catalog(effects={"b": "pure"})
    tools.update([listed("a", annotations=harmless), listed("b")], cut=False)
    assert ["unsafe", "pure"] == [one.effect for one in tools.offered]


@pytest.mark.parametrize(
    "change",
    [
        {"description": "x"},
        {"input_schema": {"type": "object", "required": []}},
        {"output_schema": {"type": "object"}},
    ],
)
def test_the_digest_covers_what_a_model_or_a_call_depends_on(change: dict[str, Any]) -> None:
    """Each of them, and the order of keys is no change."""
    assert digest(listed("a")) != digest(listed("a", **change))
    one = listed("a", input_schema={"type": "object", "title": "t"})
    other = listed("a", input_schema={"title": "t", "type": "object"})
    assert digest(one) == digest(other)


def test_a_tool_that_goes_and_comes_back_must_be_the_same() -> None:
    """A pin outlives the tool."""
    tools = catalog()
    tools.update([listed("a")], cut=False)
    tools.update([], cut=False)
    tools.update([listed("a", description="other")], cut=False)
    assert (["odd__a"], ()) == (list(tools.withheld), tools.offered)


def test_a_secret_is_blotted_out_of_what_a_server_says() -> None:
    """Also when it comes in pieces, or begins before what is kept; a short word is no secret."""
    remarks = Remarks(["hunter2-hunter2", "debug"])
    for piece in ("debug: hunter2-", "hunter2 ", "x" * 1_990):
        remarks.add(piece)
    assert "hunter2" not in remarks.text
    assert 2_000 >= len(remarks.text)
    assert "debug" in remarks.blotted("debug")


def test_a_part_of_a_secret_is_one() -> None:
    """Servers repeat the key of a header without the word before it, which is no secret."""
    remarks = Remarks(["Bearer sk-9999-key", "Basic dXNlcjpwYXNz x"])
    assert "bad token [secret], no Bearer: x" == remarks.blotted(
        "bad token sk-9999-key, no Bearer: x"
    )
    assert "[secret]" == remarks.blotted("Bearer sk-9999-key")
    assert "[secret]!" == remarks.blotted("dXNlcjpwYXNz!")


def test_arguments_are_held_against_the_schema() -> None:
    """Each place that is wrong is named."""
    arguments = SchemaArguments(
        {
            "type": "object",
            "properties": {"n": {"$ref": "#/$defs/number"}},
            "required": ["n"],
            "additionalProperties": False,
            "$defs": {"number": {"type": "integer", "minimum": 1}},
        }
    )
    assert {"arguments": {"n": 1}} == arguments.parse({"n": 1})
    with pytest.raises(InvalidArguments, match=r"\$\.n: 0 is less than the minimum of 1"):
        arguments.parse({"n": 0})
    with pytest.raises(InvalidArguments, match="'m' was unexpected"):
        arguments.parse({"n": 1, "m": 2})


DOUBLING = {
    f"l{n}": {"anyOf": [{"$ref": f"#/$defs/l{n + 1}"}, {"$ref": f"#/$defs/l{n + 1}"}]}
    for n in range(40)
}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": "^(a+)+$"}, "a" * 60 + "!"),
        ({"$ref": "#/$defs/loop", "$defs": {"loop": {"$ref": "#/$defs/loop"}}}, 1),
        ({"$ref": "#/$defs/l0", "$defs": {**DOUBLING, "l40": {"type": "string"}}}, 1),
        ({"$ref": "https://example.invalid/schema.json"}, 1),
        (
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "pattern": "^(a+)+$",
            },
            "a" * 60 + "!",
        ),
    ],
    ids=["pattern", "loop", "doubling", "remote", "dialect"],
)
def test_a_hostile_schema_does_not_hold_up_the_program(schema: dict[str, Any], value: Any) -> None:
    """It is checked in linear time, or refused."""
    definitions = schema.pop("$defs", {})
    arguments = SchemaArguments(
        {"type": "object", "properties": {"x": schema}, "$defs": definitions}
    )
    began_s = time.monotonic()
    try:
        arguments.parse({"x": value})
    except InvalidArguments as error:
        assert re.search("schema|does not match", str(error))  # noqa: PT017  any will do, in time
    assert 5.0 > time.monotonic() - began_s
