"""What agents remember beyond one run: the port, and what goes through it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

from agentkit.errors import UsageError
from agentkit.messages import Label

Scalar: TypeAlias = str | int | float | bool

Where: TypeAlias = Mapping[str, Scalar | Sequence[Scalar]]
"""What an entry's metadata must be: for each key this value, or one of these.

1 and 1.0 are the same value; 1, True and "1" are three.
"""


@dataclass(frozen=True, slots=True)
class Namespace:
    """Whose memory it is: a part of every call, given by the program and never by a model.

    What is saved in one is neither found nor forgotten from any other; `Namespace("acme")` does not
    see what is in `Namespace("acme", "support")`.
    """

    tenant: str
    agent: str = ""
    user: str = ""

    def __post_init__(self) -> None:
        if not self.tenant.strip():
            raise UsageError("Namespace: name the tenant; one program alone may call it anything.")

    @property
    def key(self) -> str:
        """What stores tell namespaces apart by: no two share one, however their parts are cut."""
        parts = json.dumps([self.tenant, self.agent, self.user])
        return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class MemoryEntry:
    """Something to remember. `source` says who said it; `saved_at` is the store's now unless given."""

    text: str
    source: str = ""
    metadata: Mapping[str, Scalar] = field(default_factory=dict)
    saved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MemoryMatch:
    """Something remembered. `score` is the cosine similarity: 1 at most, about 0 for what is unlike."""

    id: str
    text: str
    score: float
    source: str
    saved_at: datetime
    metadata: Mapping[str, Scalar]

    @property
    def label(self) -> Label:
        """Untrusted, whoever said it: what was true or harmless then need not be so now."""
        return Label("memory", self.source)


class LongTermMemory(Protocol):
    """Remembers texts and finds them by what they mean, as far as its embedder can tell.

    Raises UsageError for what is over its limits (`agentkit.memory.admission`), and ProviderError
    and its kin when the store or the embedder fails.
    """

    async def add(self, namespace: Namespace, entries: Sequence[MemoryEntry]) -> tuple[str, ...]:
        """Remember them, and return their ids; to add one again changes nothing but its time.

        A text that is there already, but for case, width and blanks, is not added a second time:
        its entry gets the new text, source and time, and the new metadata over the old.
        """
        ...

    async def search(
        self, namespace: Namespace, query: str, k: int = 5, where: Where | None = None
    ) -> tuple[MemoryMatch, ...]:
        """The `k` entries most like the query, best first, of those whose metadata is as asked."""
        ...

    async def forget(self, namespace: Namespace, ids: Sequence[str]) -> int:
        """Forget these entries, and return how many there were."""
        ...

    async def forget_all(self, namespace: Namespace) -> int:
        """Forget everything in the namespace, as a person may demand; how many entries there were."""
        ...

    async def aclose(self) -> None:
        """Let go of files and connections; the memory cannot be used afterwards."""
        ...
