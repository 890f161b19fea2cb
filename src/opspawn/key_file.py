"""The first key of a machine's own server, kept in the data folder for commands on the same machine."""

import os
from pathlib import Path

from ops_core.identity.keys import read_key_text


def read(path: Path) -> str | None:
    """None when there is none, or we may not read it."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if read_key_text(text) is not None else None


def write(path: Path, text: str) -> None:
    """Readable by nobody else from its first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{text}\n")
