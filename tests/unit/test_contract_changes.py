"""What counts as a change that breaks a client, rule by rule, for both doors."""

from pathlib import Path
from typing import Any

import pytest
from tools import contract_changes, contract_openapi, contract_proto

Json = dict[str, Any]

BODY: Json = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 10},
        "kind": {"enum": ["a", "b"], "type": "string"},
        "parts": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["name"],
}


def document(body: Json = BODY, answer: Json = BODY, query: Json | None = None) -> Json:
    """One route that takes and answers something."""
    return {
        "paths": {
            "/things": {
                "post": {
                    "parameters": [] if query is None else [query],
                    "requestBody": {"content": {"application/json": {"schema": body}}},
                    "responses": {"201": {"content": {"application/json": {"schema": answer}}}},
                }
            }
        }
    }


def body(**properties: Json | None) -> Json:
    """The body with other properties; None takes one out."""
    merged = {**BODY["properties"], **properties}
    return {**BODY, "properties": {k: v for k, v in merged.items() if v is not None}}


def breaks(old: Json, new: Json) -> list[str]:
    return list(contract_openapi.changes(old, new))


QUERY = {"in": "query", "name": "q", "schema": {"type": "string"}}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (document(), {"paths": {}}, "POST /things: removed"),
        (document(query=QUERY), document(), "query parameter q removed"),
        (document(), document(query={**QUERY, "required": True}), "q is required now"),
        (document(), document(body=body(name=None)), "body.name: removed"),
        (document(), document(body={**BODY, "required": ["name", "kind"]}), "kind: is required"),
        (document(), document(body=body(name={"type": "integer"})), "type was string, is integer"),
        (document(), document(body=body(kind={"enum": ["a"], "type": "string"})), "value 'b'"),
        (document(), document(body=body(name={"type": "string", "maxLength": 5})), "was 10, is 5"),
        (document(), document(body=body(parts={"type": "array", "items": {"type": "string"}})),
         "parts[]: type was integer"),
        (document(), document(answer=body(name=None)), "201.name: removed"),
        (document(), document(answer={**BODY, "required": []}), "name: is not always there"),
        (document(), document(answer=body(name={"anyOf": [{"type": "string"}, {"type": "null"}]})),
         "type was string, is null or string"),
    ],
)  # fmt: skip
def test_a_change_of_the_rest_door_breaks_a_client(old: Json, new: Json, expected: str) -> None:
    """A request may not become narrower, an answer not less."""
    [found] = breaks(old, new)
    assert expected in found


@pytest.mark.parametrize(
    "new",
    [
        document(),
        document(query=QUERY),
        document(body=body(more={"type": "string", "maxLength": 1})),
        document(
            body=body(name={"anyOf": [{"type": "string", "maxLength": 20}, {"type": "null"}]})
        ),
        document(body=body(kind={"enum": ["a", "b", "c"], "type": "string"})),
        document(answer=body(more={"type": "string"})),
        document(answer={**BODY, "required": ["name", "kind"]}),
    ],
)
def test_more_breaks_nobody(new: Json) -> None:
    """What is optional in a request, what is new in an answer."""
    assert [] == breaks(document(), new)


def test_schemas_that_refer_to_themselves_are_compared() -> None:
    """Once, to the first place where they repeat."""

    def tree(kind: str) -> Json:
        node = {"properties": {"v": {"type": kind}, "next": {"$ref": "#/components/node"}}}
        return {**document(answer={"$ref": "#/components/node"}), "components": {"node": node}}

    [found] = breaks(tree("string"), tree("integer"))
    assert "201.v: type was string" in found


PROTO = """syntax = "proto3"; package p;
enum Kind { KIND_UNSPECIFIED = 0; KIND_A = 1; }
message Thing { reserved 9; string name = 1; Kind kind = 2; optional int32 size = 3; }
service Things { rpc Get(Thing) returns (Thing); }
"""


def proto_breaks(folder: Path, *changed: tuple[str, str]) -> list[str]:
    """What breaks when the text is changed."""
    new = PROTO
    for before, after in changed:
        assert before in new
        new = new.replace(before, after)
    for name, text in (("old", PROTO), ("new", new)):
        (folder / name).mkdir()
        (folder / name / "thing.proto").write_text(text, encoding="utf-8")
    return list(
        contract_proto.changes(
            contract_proto.described(folder / "old"), contract_proto.described(folder / "new")
        )
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("string name = 1;", "", "p.Thing.name: field 1 removed"),
        ("string name = 1;", "string title = 1;", "p.Thing.name: field 1 is title now"),
        ("string name = 1;", "bytes name = 1;", "p.Thing.name: type changed"),
        ("string name = 1;", "repeated string name = 1;", "p.Thing.name: type changed"),
        ("reserved 9;", "string old = 9;", "p.Thing.old: field 9 was in use once"),
        ("string name = 1;", "oneof it { string name = 1; }", "moved to another oneof"),
        ("KIND_A = 1;", "", "p.Kind.KIND_A: removed"),
        ("KIND_A = 1;", "KIND_B = 1;", "p.Kind.KIND_A: is KIND_B now"),
        ("rpc Get(Thing)", "rpc Fetch(Thing)", "p.Things.Get: removed"),
        ("returns (Thing)", "returns (stream Thing)", "p.Things.Get: streams in another way"),
    ],
)
def test_a_change_of_the_grpc_door_breaks_a_client(
    tmp_path: Path, before: str, after: str, expected: str
) -> None:
    """On the wire, or when the client is generated anew."""
    [found] = proto_breaks(tmp_path, (before, after))
    assert expected in found


def test_more_messages_fields_and_methods_break_nobody(tmp_path: Path) -> None:
    """Old clients do not know them."""
    assert [] == proto_breaks(
        tmp_path,
        ("string name = 1;", "string name = 1; string more = 4;"),
        ("KIND_A = 1;", "KIND_A = 1; KIND_B = 2;"),
        ("service Things {", "message New {} service Things { rpc Add(New) returns (New);"),
    )


def test_a_change_is_declared_with_its_reason_and_only_while_it_is_one() -> None:
    """A declaration that has come true or was misspelt must not stay."""
    text = b'[[change]]\nwhat = "x: removed"\nreason = "nobody used it"\n'
    meant = contract_changes.declared(text)
    assert [] == list(contract_changes.undeclared(["x: removed"], meant))
    assert ["y: removed", "declared, and not so: x: removed"] == list(
        contract_changes.undeclared(["y: removed"], meant)
    )
    with pytest.raises(SystemExit, match="has no reason"):
        contract_changes.declared(b'[[change]]\nwhat = "x"\n')


def test_the_contract_breaks_no_client_of_the_released_one() -> None:
    """Or each change is declared."""
    meant = contract_changes.declared((contract_changes.RELEASED / "declared.toml").read_bytes())
    assert [] == list(contract_changes.undeclared(contract_changes.breaking(), meant))
