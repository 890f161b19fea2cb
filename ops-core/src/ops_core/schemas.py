"""What does not fit a JSON Schema, in the words that every door uses."""

from itertools import islice
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from ops_core.errors import FieldError

#: What a client may have checked has so many values at most, at any depth: a schema that it brings is held
#: against the schema of schemas, which takes half a millisecond a value, and everybody else waits.
MAX_VALUES: Final = 2_000

#: So many wrong fields are told of.
MAX_ERRORS: Final = 100


def schema_errors(validator: Draft202012Validator, value: Any, root: str) -> list[FieldError]:
    """The first wrong fields of the value, whose place in the request is `root`."""
    found = islice(validator.iter_errors(value), MAX_ERRORS)
    return [_field_error(error, root) for error in found]


def too_many_values(value: Any, place: str) -> list[FieldError]:
    """That it has more than `MAX_VALUES`, if it has: to be asked before its schema is."""
    count, left = 0, [value]
    while left and count <= MAX_VALUES:
        inside = left.pop()
        if isinstance(inside, dict | list):
            count += len(inside)
            left += inside.values() if isinstance(inside, dict) else inside
    if count <= MAX_VALUES:
        return []
    return [FieldError(place, f"has more than {MAX_VALUES} values; make it smaller")]


def _field_error(error: ValidationError, root: str) -> FieldError:
    path = [root, *(str(part) for part in error.absolute_path)]
    rule: Any = error.schema
    given: Any = error.instance
    if error.validator == "required":
        missing = [key for key in rule["required"] if key not in given]
        return FieldError(".".join([*path, missing[0]]), "is required")
    if error.validator == "additionalProperties":
        extra = sorted(key for key in given if key not in rule.get("properties", {}))
        return FieldError(".".join([*path, extra[0]])[:200], "is not a known field")
    # A rule between fields says in words of its own what it is about.
    message = rule.get("$comment", error.message) if isinstance(rule, dict) else error.message
    return FieldError(".".join(path)[:200], message[:300])
