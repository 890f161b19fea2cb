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

    gone_is_done: bool = False
    """Whether a repeated request that finds nothing has been carried out by the one before it."""


def get(path: str, read: Callable[[Json], T], **params: Any) -> Call[T]:
    """Parameters that are None are left out."""
    return Call(method="GET", path=path, read=read, params=given(params), repeatable=True)


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


def put(path: str, read: Callable[[Json], T], body: Json) -> Call[T]:
    return Call(method="PUT", path=path, read=read, body=body, repeatable=True)


def patch(path: str, read: Callable[[Json], T], body: Json) -> Call[T]:
    """Names what is to be, not by how much it changes: a second time changes nothing."""
    return Call(method="PATCH", path=path, read=read, body=body, repeatable=True)


def delete(path: str, read: Callable[[Json], T]) -> Call[T]:
    return Call(method="DELETE", path=path, read=read, repeatable=True)


def forget(path: str) -> Call[None]:
    """Deletes what is not there any more afterwards."""
    return Call(method="DELETE", path=path, read=_nothing, repeatable=True, gone_is_done=True)


def given(fields: Json) -> Json:
    """Without what was left out."""
    return {name: value for name, value in fields.items() if value is not None}


def segment(name: str) -> str:
    """An id or a step as one segment of a path: `../x` must not become another address."""
    return quote(name, safe="")


def _nothing(_body: Json) -> None:
    """Of an answer that only says that it was done."""
