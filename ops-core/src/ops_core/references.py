"""The references of a JSON Schema that a client brings: each must lead to something inside of it."""

from collections.abc import Iterator
from typing import Any, Final

import referencing
import referencing.exceptions
from referencing.jsonschema import DRAFT202012

#: Keywords whose values are data: what looks like a reference there is none.
_DATA: Final = frozenset({"const", "enum", "default", "examples"})

#: How long a reference is quoted. Characters.
_SHOWN: Final = 200


def wrong_reference(schema: Any) -> str | None:
    """What is wrong with the first reference that leads nowhere; None when all can be followed.

    The schema is one already. Nothing is fetched.
    """
    resource = DRAFT202012.create_resource(schema)
    resolver = referencing.Registry().with_resource("", resource).resolver()
    for reference in _references(schema):
        if not reference.startswith("#"):
            return (
                f"refers to {reference[:_SHOWN]}, and nothing is fetched: put it into the schema, under "
                "$defs, and refer to #/$defs/…"
            )
        if not _leads_to_a_schema(resolver, reference):
            return f"refers to {reference[:_SHOWN]}, which is not in it"
    return None


def _references(schema: Any) -> Iterator[str]:
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
    try:
        return isinstance(resolver.lookup(reference).contents, dict | bool)
    # The last two: a pointer may lead through a list or a text.
    except (referencing.exceptions.Unresolvable, ValueError, TypeError):
        return False
