"""The words sent to models, as files: read, reviewed and changed as text.

A prompt that opens a conversation has a version in its name, because a run keeps the one it started
with: a change is a new file (`react.v2.md`), and the old one stays for as long as runs may need it.
What a client renders around one call has none; a recorded reply is never asked for again.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from agentkit.errors import UsageError


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
