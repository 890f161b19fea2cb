"""References in a plan: `${s1}` is what step s1 returned, `${s1/items/0}` the value at that place.

A reference that is a whole string stands for the value, inside a longer one for its text; `$${`
writes `${`. What is filled in is never read again: a result that looks like a reference is text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentkit.planning.wanted import Wanted
from agentkit.wire import foreign_json

if TYPE_CHECKING:
    from pydantic import JsonValue

_REFERENCE = re.compile(r"\$?\$\{([^{}]*)\}")

_ESCAPE = "$$"

_CUT = re.compile(r"\n\[cut: \d+ of \d+ characters shown\]\Z")
"""How a result ends that was longer than its tool's `max_output`: half a value is not the value."""


class NotThere(ValueError):
    """A reference leads to nothing; the text is written for the model."""


def referred(value: object) -> Iterator[str]:
    """The ids of the steps that the arguments refer to."""
    match value:
        case str():
            for found in _REFERENCE.finditer(value):
                if not found[0].startswith(_ESCAPE):
                    yield found[1].partition("/")[0]
        case dict() | list():
            for inner in value.values() if isinstance(value, dict) else value:
                yield from referred(inner)


def filled_in(
    arguments: dict[str, Any], results: Mapping[str, str], parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments with what the steps returned, by id. Raises NotThere.

    `parameters` is the tool's schema: where it wants a text, at any depth, a value is given as text.
    """
    wanted = Wanted.by(parameters)
    return {name: _filled(value, results, wanted.field(name)) for name, value in arguments.items()}


@dataclass(frozen=True, slots=True)
class _Found:
    """What a reference leads to, in both forms that may be needed."""

    value: JsonValue
    text: str


def _filled(value: Any, results: Mapping[str, str], wanted: Wanted) -> Any:
    match value:
        case str():
            return _filled_text(value, results, wanted.only_text)
        case dict():
            return {
                name: _filled(inner, results, wanted.field(name)) for name, inner in value.items()
            }
        case list():
            return [_filled(inner, results, wanted.item(at)) for at, inner in enumerate(value)]
    return value


def _filled_text(text: str, results: Mapping[str, str], as_text: bool) -> JsonValue:
    def in_text(reference: re.Match[str]) -> str:
        if reference[0].startswith(_ESCAPE):
            return reference[0][1:]
        return _found(reference[1], results).text

    whole = _REFERENCE.fullmatch(text)
    if whole is None or text.startswith(_ESCAPE) or as_text:
        return _REFERENCE.sub(in_text, text)
    return _found(whole[1], results).value


def _found(reference: str, results: Mapping[str, str]) -> _Found:
    """What a step returned, or the value at a place in it; a text that is no JSON is itself."""
    step, *places = reference.split("/")
    text = results[step]
    if _CUT.search(text):
        raise NotThere(f"${{{reference}}}: what {step} returned was too long, and is cut")
    try:
        value: Any = foreign_json(text)
    except ValueError:
        if places:
            raise NotThere(f"${{{reference}}}: {step} did not return JSON") from None
        return _Found(text, text)
    for place in places:
        try:
            value = value[int(place)] if isinstance(value, list) else value[place]
        except (LookupError, TypeError, ValueError):
            raise NotThere(f"${{{reference}}}: {step} returned nothing at {place!r}") from None
    if places:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _Found(value, text)
