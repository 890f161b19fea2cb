"""An operation of a door as the state machine sees it: drafted, sent, and sent again with another id."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

from fuzz_draft import Draft
from fuzz_tenant import unguessable


@dataclass(frozen=True, slots=True)
class Sent:
    """A request, as its door takes it."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    text: str = ""
    """What a body that is no text says: in its own form, the tag after an id may look like a part of it."""

    def swapped(self, old: str, new: str) -> Self:
        """The same request about something else. Both are of one length, so that lengths stay true."""
        assert len(old) == len(new), "an id that does not exist has the shape of one that does"
        return replace(
            self,
            path=self.path.replace(old, new),
            query=self.query.replace(old, new),
            headers={name: value.replace(old, new) for name, value in self.headers.items()},
            body=self.body.replace(old.encode(), new.encode()),
            text=self.text.replace(old, new),
        )

    def unguessable(self) -> set[bytes]:
        """What it says that nobody guesses."""
        heads = " ".join([self.path, self.query, *self.headers.values()])
        body = self.text.encode() or self.body
        return unguessable(heads.encode("utf-8", "replace")) | unguessable(body)


@dataclass(frozen=True, slots=True)
class Told:
    """What was answered."""

    status: str
    is_ok: bool
    data: bytes
    """Everything that reached the client: what no other tenant's words may be in."""

    content: Any = None
    """What was told, as JSON."""

    is_broken: bool = False
    """5xx, INTERNAL or UNKNOWN: the server's fault."""


class Operation(Protocol):
    """One way through a door."""

    @property
    def label(self) -> str: ...

    @property
    def is_public(self) -> bool:
        """Whether it asks nobody who he is."""

    def draft(self, draft: Draft) -> Sent:
        """A request for it."""

    async def send(self, sent: Sent, key: str | None) -> Told:
        """Raises `TimeoutError`."""
