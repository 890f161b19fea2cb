"""A request before it is sent, and what it becomes: no input or output here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import quote
from uuid import uuid4

Json: TypeAlias = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request of the contract; `read` makes a value of the JSON that answers it."""

    method: str
    path: str
    read: Callable[[Json], T]
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool
    """Whether sending it twice does no more than sending it once, wherever the first one was lost."""

    held_s: float = 0.0
    """For how long the server was asked to hold its answer."""


def get(path: str, read: Callable[[Json], T], **params: Any) -> Call[T]:
    """Parameters that are None are left out."""
    given = {name: value for name, value in params.items() if value is not None}
    return Call(method="GET", path=path, read=read, params=given, repeatable=True)


def post(
    path: str,
    read: Callable[[Json], T],
    body: Json | None = None,
    *,
    key: str | None = None,
    repeatable: bool = True,
) -> Call[T]:
    """Every one has a key, so that the server knows a repetition by it.

    `repeatable=False`: the server does not look at the key there, and a second time might do more.
    """
    headers = {"Idempotency-Key": key or str(uuid4())}
    return Call(
        method="POST", path=path, read=read, body=body, headers=headers, repeatable=repeatable
    )


def segment(name: str) -> str:
    """An id or a step as one segment of a path: `../x` must not become another address."""
    return quote(name, safe="")
