"""Names under which a model calls the tools of a server: `server__tool`, never longer than allowed.

A tool may have any name on its server. What no provider accepts is replaced and what is too long is
cut; both then end with a hash of the real name, so that two tools never share one.
"""

from __future__ import annotations

import hashlib
import re

SEPARATOR = "__"

LONGEST = 64
"""Characters that every provider accepts in the name of a function."""

_HASH = 8


def namespaced(server: str, tool: str) -> str:
    """The name of a server's tool for a model."""
    plain = f"{server}{SEPARATOR}{tool}"
    fitting = re.sub(r"[^a-zA-Z0-9_-]", "_", plain)
    if fitting == plain and tool and len(plain) <= LONGEST:
        return plain
    digest = hashlib.sha256(tool.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
    return f"{fitting[: LONGEST - _HASH - 1]}_{digest}"


def server_of(name: str) -> str:
    """The server that a namespaced name belongs to; the whole name when it is none."""
    return name.partition(SEPARATOR)[0]
