"""The words sent to models, as files: read, reviewed and changed as text.

A prompt that opens a conversation has a version in its name, because a run keeps the one it started
with: a change is a new file (`react.v2.md`), and the old one stays for as long as runs may need it.
What a client renders around one call has none; a recorded reply is never asked for again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from agentkit.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Prompt:
    """Words of your own in place of a file's, under a name with a version, as in `support@3`.

    A run is tied to that name: give other words another version, and keep the old ones for as long
    as there are runs that began with them.
    """

    name: str
    text: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"Prompt {self.name!r}: give a name and a version, as in support@3.")
        if not self.text.strip():
            raise UsageError(f"Prompt {self.name}: the text is empty.")


def chosen(name: str, prompt: Prompt | None, version: int | None) -> Prompt:
    """The prompt given, or that version of the file; the newest when neither is.

    Raises UsageError for both, and for a version that there is not.
    """
    if prompt is None:
        version = newest(name) if version is None else version
        return Prompt(f"{name}@{version}", read_prompt(name, version))
    if version is not None:
        raise UsageError(f"Give a prompt of your own or a version of {name!r}, not both.")
    return prompt


@cache
def read_file(name: str) -> str:
    """The text of one file of this package, without the newline at its end."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8").rstrip("\n")


def read_prompt(name: str, version: int) -> str:
    """The text of one version of a prompt. Raises UsageError, naming the versions there are."""
    known = versions(name)
    if version not in known:
        there_are = ", ".join(map(str, known)) or "none"
        raise UsageError(f"There is no version {version} of prompt {name!r}; known: {there_are}.")
    return read_file(f"{name}.v{version}.md")


def newest(name: str) -> int:
    """The version to start new runs with. Raises UsageError for a prompt that there is not."""
    known = versions(name)
    if not known:
        raise UsageError(f"There is no prompt {name!r}.")
    return known[-1]


@cache
def versions(name: str) -> tuple[int, ...]:
    """The versions of a prompt that this build can use, oldest first."""
    pattern = re.compile(rf"{re.escape(name)}\.v(\d+)\.md")
    matches = (pattern.fullmatch(file.name) for file in files(__name__).iterdir())
    return tuple(sorted(int(match[1]) for match in matches if match))
