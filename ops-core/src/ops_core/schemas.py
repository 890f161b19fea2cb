"""What does not fit a JSON Schema, in the words that every door uses."""

from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from ops_core.errors import FieldError


def schema_errors(validator: Draft202012Validator, value: Any, root: str) -> list[FieldError]:
    """The wrong fields of the value, whose place in the request is `root`."""
    return [_field_error(error, root) for error in validator.iter_errors(value)]


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
