"""Arguments checked against a JSON Schema: for a tool of which nothing else is known.

The schema may be written by a stranger. It is never allowed to hold up the program that checks
against it: nothing is fetched for a `$ref`, regular expressions are left to whoever wrote them (they
can take exponential time), and a schema that refers to itself too often is given up. An operator's
own schema of an answer is checked in full, patterns included, by `agentkit.output`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from agentkit.tools.tool import InvalidArguments

_LONGEST_QUOTE = 500

_MOST_REFERENCES = 2_000
"""Followed in one check. Twenty levels of `anyOf` with two references each would be a million."""


@dataclass(frozen=True)
class SchemaArguments:
    """What a model gives, handed on as one value named `arguments`.

    Raises InvalidArguments for what is no JSON Schema of an object.
    """

    schema: dict[str, Any]

    def __post_init__(self) -> None:
        import jsonschema

        if self.schema.get("type") != "object":
            raise InvalidArguments("it does not describe an object")
        try:
            jsonschema.validators.validator_for(self.schema).check_schema(self.schema)
        except (jsonschema.SchemaError, RecursionError) as error:
            raise InvalidArguments(str(error)[:_LONGEST_QUOTE]) from None

    def parse(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """See `Tool.parse`. Raises InvalidArguments, naming each place that is wrong."""
        import referencing.exceptions

        followed = _Followed()
        validator = _validator(self.schema, followed) if self._refers else self._plain
        try:
            problems = [
                f"{error.json_path}: {error.message}" for error in validator.iter_errors(arguments)
            ]
        except referencing.exceptions.Unresolvable:
            raise InvalidArguments("the schema refers to something that it does not hold") from None
        except RecursionError:
            raise InvalidArguments("the schema is too intricate to be checked") from None
        if problems:
            raise InvalidArguments("; ".join(problems)[:_LONGEST_QUOTE])
        return {"arguments": arguments}

    def named(self, keywords: dict[str, Any]) -> dict[str, Any]:
        """See `Arguments`."""
        arguments: dict[str, Any] = keywords["arguments"]
        return arguments

    @cached_property
    def _refers(self) -> bool:
        text = json.dumps(self.schema)
        return '"$ref"' in text or '"$dynamicRef"' in text

    @cached_property
    def _plain(self) -> Any:
        return _validator(self.schema, _Followed())


class _Followed:
    """Counts the references that a check has followed."""

    def __init__(self) -> None:
        self.count = 0

    def one_more(self) -> None:
        self.count += 1
        if self.count > _MOST_REFERENCES:
            raise RecursionError


def _validator(schema: dict[str, Any], followed: _Followed) -> Any:
    import jsonschema
    import referencing

    newest = jsonschema.Draft202012Validator
    written: Any = jsonschema.validators.validator_for(schema, default=newest)
    keywords: dict[str, Any] = dict(written.VALIDATORS)
    for keyword in ("pattern", "patternProperties", "unevaluatedProperties"):
        keywords.pop(keyword, None)
    for keyword in ("$ref", "$dynamicRef"):
        if keyword in keywords:
            keywords[keyword] = _counted(keywords[keyword], followed)
    keywords["additionalProperties"] = _additional(keywords["additionalProperties"])
    kind = jsonschema.validators.create(
        meta_schema=written.META_SCHEMA,
        validators=keywords,
        type_checker=written.TYPE_CHECKER,
        id_of=written.ID_OF,
    )
    # An empty registry: what the schema refers to is inside it, or nowhere.
    return kind(_without_dialects(schema), registry=referencing.Registry())


def _without_dialects(schema: Any) -> Any:
    """A copy that names no dialect: inside a schema, that would bring back the keywords left out."""
    if isinstance(schema, list):
        return [_without_dialects(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _without_dialects(part)
        for key, part in schema.items()
        if key != "$schema" or not isinstance(part, str)
    }


def _counted(follow: Any, followed: _Followed) -> Any:
    def counted(validator: Any, ref: Any, instance: Any, schema: Any) -> Iterator[Any]:
        followed.one_more()
        yield from follow(validator, ref, instance, schema) or ()

    return counted


def _additional(check: Any) -> Any:
    def additional(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[Any]:
        # Which properties are additional depends on regular expressions, then.
        if "patternProperties" not in schema:
            yield from check(validator, allowed, instance, schema) or ()

    return additional
