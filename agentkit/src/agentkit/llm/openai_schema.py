"""A JSON Schema as OpenAI's strict mode wants it, where that changes nothing of what it means.

In strict mode the model cannot write what does not fit, but the schema must name every field as
required, allow no other, and stay within a part of JSON Schema. The strict copy only ever allows
less than the original, so what fits it fits both.
"""

from __future__ import annotations

import re
from typing import Any

_LONGEST_NAME = 64

_ANNOTATIONS = frozenset({"$schema", "$id", "default", "examples", "title", "deprecated"})
"""Keywords that constrain nothing; strict mode refuses some of them."""

_KEPT = frozenset(
    {
        *("type", "enum", "const", "description", "pattern", "format", "minItems", "maxItems"),
        *("multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    }
)
"""Keywords that strict mode takes as they are."""

_REMADE = frozenset(
    {"$defs", "definitions", "items", "anyOf", "properties", "required", "additionalProperties"}
)
"""Keywords that hold schemas, or that strict mode wants otherwise."""


class _NotStrict(Exception):
    """The schema says something that strict mode has no words for."""


def response_format(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The request's `response_format`: strict when the schema can be, as it is when not."""
    inside: dict[str, Any] = {"name": _safe(name), "schema": schema}
    strict = strict_schema(schema)
    if strict is not None:
        inside |= {"schema": strict, "strict": True}
    return {"type": "json_schema", "json_schema": inside}


def strict_schema(schema: dict[str, Any]) -> dict[str, Any] | None:
    """A copy for strict mode, or None when there is none that means the same.

    There is none for a map with free keys, and none for an optional field without a default: made
    required, the model would have to invent a value for it.
    """
    root = _with_a_root(schema)
    if root.get("type") != "object":
        return None
    try:
        return _strict(root)
    except _NotStrict:
        return None


def _with_a_root(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema itself, where it only refers to one of its parts, as that of a recursive model."""
    match schema:
        case {"$ref": str(reference), "$defs": dict(parts)}:
            name = reference.removeprefix("#/$defs/")
            return {**parts[name], "$defs": parts} if name in parts else schema
        case _:
            return schema


def _strict(node: Any) -> dict[str, Any]:
    if not isinstance(node, dict):
        raise _NotStrict  # `true`, or something that is no schema
    if "$ref" in node:
        return _reference(node)
    if set(node) - _KEPT - _ANNOTATIONS - _REMADE:
        raise _NotStrict
    strict = {keyword: value for keyword, value in node.items() if keyword in _KEPT}
    strict |= _parts(node)
    if "properties" in node or node.get("type") == "object":
        strict |= _closed_object(node)
    return strict


def _parts(node: dict[str, Any]) -> dict[str, Any]:
    parts: dict[str, Any] = {
        keyword: {name: _strict(inner) for name, inner in node[keyword].items()}
        for keyword in ("$defs", "definitions")
        if keyword in node
    }
    if "items" in node:
        parts["items"] = _strict(node["items"])
    if "anyOf" in node:
        parts["anyOf"] = [_strict(inner) for inner in node["anyOf"]]
    return parts


def _closed_object(node: dict[str, Any]) -> dict[str, Any]:
    properties = node.get("properties")
    # A schema of other fields, or none at all, is a map: closed, it would be an empty object.
    if not properties or node.get("additionalProperties") not in (None, True, False):
        raise _NotStrict
    required = node.get("required", ())
    if any(name not in required and "default" not in field for name, field in properties.items()):
        raise _NotStrict
    return {
        "properties": {name: _strict(field) for name, field in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }


def _reference(node: dict[str, Any]) -> dict[str, Any]:
    """A reference stands alone in strict mode; what describes it stands around it."""
    reference = {"$ref": node["$ref"]}
    if set(node) - {"$ref", "description"} - _ANNOTATIONS:
        raise _NotStrict
    if "description" not in node:
        return reference
    return {"anyOf": [reference], "description": node["description"]}


def _safe(name: str) -> str:
    # As in `Page[Item]`, the name that pydantic gives a generic model.
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:_LONGEST_NAME] or "answer"
