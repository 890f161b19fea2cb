"""A result as the text a model reads."""

from __future__ import annotations

from pydantic_core import to_json


def bounded(text: str, max_characters: int) -> str:
    """The text, or its beginning with a note that says how much was cut."""
    if len(text) <= max_characters:
        return text
    return f"{text[:max_characters]}\n[cut: {max_characters} of {len(text)} characters shown]"


def text_of(result: object) -> str:
    """Text as it is, everything else as JSON."""
    if isinstance(result, str):
        return result
    if result is None:
        return "(done, no output)"
    return to_json(result, fallback=str).decode()
