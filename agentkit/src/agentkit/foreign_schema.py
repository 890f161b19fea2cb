"""A JSON Schema that a stranger may have written, and values held against it.

It is never allowed to hold up the program that checks: nothing is fetched for a `$ref`, a schema that
refers to itself too often is given up, and `pattern` is matched in linear time, as long as that is not
too long either. What depends on other regular expressions (`patternProperties`, and
`additionalProperties` beside it) is not checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from agentkit.pattern_effort import Effort
from agentkit.quote import quote

if TYPE_CHECKING:
    import pydantic_core

_MOST_REFERENCES = 2_000
"""Followed in one check. Twenty levels of `anyOf` with two references each would be a million."""

_MOST_EXPRESSIONS = 1_000
"""Of a schema's regular expressions so much is looked at for mistakes. Characters."""


class SchemaRefused(ValueError):
    """It is no JSON Schema, refers to something outside of it, or is too intricate to check with."""


class ForeignSchema:
    """A schema to hold values against. Raises SchemaRefused for what is no JSON Schema."""

    def __init__(self, schema: dict[str, Any]) -> None:
        import jsonschema

        self._schema = schema
        try:
            checked: Any = jsonschema.validators.validator_for(schema)
            checked.check_schema(schema, format_checker=_some_expressions())
        except (jsonschema.SchemaError, RecursionError) as error:
            raise SchemaRefused(quote(error)) from None

    def problems(self, value: Any) -> list[str]:
        """What does not fit, each with its place. Raises SchemaRefused."""
        import referencing.exceptions

        validator = _validator(self._schema) if self._costs else self._plain
        try:
            return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
        except referencing.exceptions.Unresolvable:
            raise SchemaRefused("the schema refers to something that it does not hold") from None
        except RecursionError:
            raise SchemaRefused("the schema is too intricate to be checked") from None

    @cached_property
    def _costs(self) -> bool:
        """Whether a check has to count what it does: then it is made for that one."""
        text = json.dumps(self._schema)
        return any(word in text for word in ('"$ref"', '"$dynamicRef"', '"pattern"'))

    @cached_property
    def _plain(self) -> Any:
        return _validator(self._schema)


class _Followed:
    """Counts the references that a check has followed."""

    def __init__(self) -> None:
        self.count = 0

    def one_more(self) -> None:
        self.count += 1
        if self.count > _MOST_REFERENCES:
            raise RecursionError


def _some_expressions() -> Any:
    """Says what is no regular expression, of the first ones: making one may take milliseconds a sign."""
    import jsonschema

    left = _MOST_EXPRESSIONS
    checker = jsonschema.FormatChecker(formats=())

    @checker.checks("regex", raises=re.error)
    def _(value: object) -> bool:
        nonlocal left
        if isinstance(value, str):
            left -= len(value)
            if left >= 0:
                re.compile(value)
        return True

    return checker


def _validator(schema: dict[str, Any]) -> Any:
    import jsonschema
    import referencing

    followed, effort = _Followed(), Effort()
    newest = jsonschema.Draft202012Validator
    written: Any = jsonschema.validators.validator_for(schema, default=newest)
    keywords: dict[str, Any] = dict(written.VALIDATORS)
    for keyword in ("patternProperties", "unevaluatedProperties"):
        keywords.pop(keyword, None)
    keywords["pattern"] = _pattern(effort)
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


def _pattern(effort: Effort) -> Any:
    import jsonschema

    def check(_: Any, pattern: Any, instance: Any, __: Any) -> Iterator[Any]:
        if not (isinstance(instance, str) and isinstance(pattern, str)):
            return
        if effort.allows(pattern, instance) and not _matches(pattern, instance):
            yield jsonschema.ValidationError(
                f"{quote(instance)!r} does not match {quote(pattern)!r}"
            )

    return check


def _matches(pattern: str, text: str) -> bool:
    """By the regular expressions of pydantic's core, which take linear time; Python's may take for ever.

    What they do not know (looking around, references back) holds.
    """
    import pydantic_core

    validator = _expression(pattern)
    if validator is None:
        return True
    try:
        validator.validate_python(text)
    except pydantic_core.ValidationError:
        return False
    return True


@lru_cache(maxsize=256)
def _expression(pattern: str) -> pydantic_core.SchemaValidator | None:
    import pydantic_core

    try:
        return pydantic_core.SchemaValidator(pydantic_core.core_schema.str_schema(pattern=pattern))
    except pydantic_core.SchemaError:
        return None


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
