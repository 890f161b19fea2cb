"""A step: one effect of a handler, with its place in the program and what running it twice would do."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from ops_core.log import storable

#: Version of the shape of what is kept of a step for replay; replay refuses one it does not know.
JOURNAL_VERSION: Final = 1

Effect: TypeAlias = Literal["pure", "idempotent", "unsafe"]
"""`pure`: may be run again. `idempotent`: again with the same key. `unsafe`: never twice without a person's
word."""


@dataclass(frozen=True, slots=True)
class Step:
    """One effect. `kind` is a word of the handler's own (`tool`, `llm`, `clock`)."""

    path: str
    kind: str
    name: str
    arguments: Any = None
    effect: Effect = "unsafe"

    @property
    def input_hash(self) -> str:
        """SHA-256 over kind, name and canonical arguments (as stored, sorted keys, no spaces)."""
        canonical = json.dumps(
            storable([self.kind, self.name, self.arguments]), sort_keys=True, separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def entry(self) -> dict[str, Any]:
        """What replay keeps of it, before its value."""
        return {"v": JOURNAL_VERSION, "path": self.path, "hash": self.input_hash}

    @property
    def place(self) -> dict[str, Any]:
        """What clients see of its place: the path, and its first number where it begins with one."""
        first = self.path.split("/", 1)[0]
        return {"path": self.path} | ({"step": int(first)} if first.isdecimal() else {})


def idempotency_key(task_id: str, path: str) -> str:
    """The key that a call of this step carries, in every attempt and generation of its task."""
    return hashlib.sha256(f"{task_id}\n{path}".encode()).hexdigest()
