"""The words sent to models, as files: read, reviewed and changed as text."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def read_prompt(name: str) -> str:
    """The text of one prompt file of this package, without the newline at its end."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8").rstrip("\n")
