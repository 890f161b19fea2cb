"""A docstring as a manual: what the tool is for, and what each parameter is."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Manual:
    """What a docstring says of a function, and of its parameters by name."""

    description: str
    parameters: dict[str, str] = field(default_factory=dict)


def manual(docstring: str) -> Manual:
    """Take the sections on parameters out of a docstring, in Google's, Sphinx's or NumPy's style.

    What it returns stays for the model to read; what it raises is for programmers. A docstring
    without such a section is the description as it is.
    """
    if "\n" not in docstring:
        return Manual(docstring)
    # Imported here: many tools are described by one sentence, and need no parser.
    from docstring_parser import ParseError, parse

    try:
        parsed = parse(docstring)
    except ParseError:
        return Manual(docstring)
    if not parsed.params:
        return Manual(docstring)
    parameters = {
        parameter.arg_name: " ".join((parameter.description or "").split())
        for parameter in parsed.params
    }
    parts = [parsed.description or ""]
    if parsed.returns is not None and parsed.returns.description:
        parts.append(f"Returns: {parsed.returns.description}")
    return Manual("\n\n".join(part.strip() for part in parts if part.strip()), parameters)
