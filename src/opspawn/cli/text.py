"""Text from models, tools and servers, made safe for a terminal.

Such text may try to move the cursor, recolour the screen, set a title or reverse what is read.
"""

import json
import re
import sys
from typing import Any, Final

_SEQUENCES: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|\Z)"  # titles, links, other strings
    r"|\x1b[ -/]*[0-~]",
    re.DOTALL,
)

#: Control characters but tab and newline, marks that change the direction of text, surrogates.
_CONTROLS: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def plain(value: object) -> str:
    """The text without anything that a terminal would obey; newlines and tabs stay."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return _CONTROLS.sub("", _SEQUENCES.sub("", text.replace("\r\n", "\n")))


def one_line(value: object, width: int = 200) -> str:
    """The text on one line of at most `width` characters."""
    text = " ".join(plain(value).split())
    return text if len(text) <= width else text[: width - 1] + "…"


def bounded(value: object, lines: int = 12, characters: int = 2000) -> str:
    """The beginning of a long text, with a note of what is missing."""
    text = plain(value).strip("\n")
    shown = "\n".join(text[:characters].split("\n")[:lines])
    rest = len(text) - len(shown)
    return shown if rest == 0 else f"{shown}\n… ({rest:,} more characters)"


def json_text(value: object, *, indent: int | None = 2) -> str:
    """JSON that people can read in any language and that no terminal obeys: it stays valid JSON."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return re.sub(
        # Newlines between the parts are ours; within strings `dumps` has escaped them already.
        f"(?!\n){_CONTROLS.pattern}",
        lambda match: f"\\u{ord(match[0]):04x}",
        text,
    )


def print_line(value: object) -> None:
    """A result, on standard output."""
    sys.stdout.write(plain(value) + "\n")
    sys.stdout.flush()


def print_json(value: Any, *, indent: int | None = 2) -> None:
    sys.stdout.write(json_text(value, indent=indent) + "\n")
    sys.stdout.flush()
