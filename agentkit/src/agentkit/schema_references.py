"""The references of a JSON Schema: each must lead to something inside of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agentkit.quote import quote

_DATA = frozenset({"const", "enum", "default", "examples"})
"""Keywords whose values are data: what looks like a reference there is none."""


def wrong_reference(schema: dict[str, Any]) -> str | None:
    """What is wrong with the first reference that leads nowhere; None when all can be followed.

    The schema is one already. Nothing is fetched.
    """
    # Imported here: most agents have no schema.
    import referencing
    from referencing.jsonschema import DRAFT202012

    resource = DRAFT202012.create_resource(schema)
    resolver = referencing.Registry().with_resource("", resource).resolver()
    for reference in _references(schema):
        shown = quote(reference)
        if not reference.startswith("#"):
            return (
                f"refers to {shown}, and nothing is fetched: put it into the schema, under $defs, "
                "and refer to #/$defs/…"
            )
        if not _leads_to_a_schema(resolver, reference):
            return f"refers to {shown}, which is not in it"
    return None


def _references(schema: object) -> Iterator[str]:
    match schema:
        case dict():
            for name, value in schema.items():
                if name in ("$ref", "$dynamicRef") and isinstance(value, str):
                    yield value
                elif name not in _DATA:
                    yield from _references(value)
        case list():
            for value in schema:
                yield from _references(value)


def _leads_to_a_schema(resolver: Any, reference: str) -> bool:
    from referencing.exceptions import Unresolvable

    try:
        return isinstance(resolver.lookup(reference).contents, dict | bool)
    # The last two: a pointer may lead through a list or a text.
    except (Unresolvable, ValueError, TypeError):
        return False
