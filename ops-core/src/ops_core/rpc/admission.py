"""Lets a call in, before its message is parsed, and keeps who makes it for as long as it lasts."""

import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import grpc.aio
from google.protobuf.message import Message

from ops_core.identity.gate import Attempt, Gate
from ops_core.principal import Principal

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class _Admitted:
    gate: Gate
    attempt: Attempt
    principal: Principal


#: gRPC runs each call in a task of its own, and a context holds nothing of ours.
_ADMITTED: Final[ContextVar[_Admitted]] = ContextVar("ops_core.rpc.admitted")


async def admit(gate: Gate, operation: str, context: Context, request_id: str) -> None:
    """`operation` is as `operation_of` names it. Raises as `Gate.admit`."""
    attempt = Attempt(
        operation=operation,
        authorization=_authorization(context),
        request_id=request_id,
    )
    _ADMITTED.set(_Admitted(gate, attempt, await gate.admit(attempt)))


async def record(gate: Gate, request: Message) -> None:
    """Tells the audit log of the call under way, if it is one to be told of. Raises as `Gate.record`."""
    admitted = _ADMITTED.get()
    named = [
        f"{field.name}={value}" if field.name in ("agent", "user") else str(value)
        for field, value in request.ListFields()
        if field.name.endswith("_id") or field.name in ("step", "key", "agent", "user")
    ]
    await gate.record(admitted.attempt, admitted.principal, "/".join(named))


def principal(_context: Context) -> Principal:
    """Who makes the call under way."""
    return _ADMITTED.get().principal


async def identify(_context: Context) -> Principal:
    """Who makes the call under way, asked once more. Raises as `Gate.identify`."""
    admitted = _ADMITTED.get()
    return await admitted.gate.identify(admitted.attempt)


def request_id_of(_context: Context) -> str:
    """The id of the call under way, which its log lines carry."""
    return _ADMITTED.get().attempt.request_id


def operation_of(method: str) -> str:
    """The name in the table of needs: `/ops_core.rpc.v1.TaskService/GetTask` is `get_task`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", method.rpartition("/")[2]).lower()


def _authorization(context: Context) -> str | None:
    """Keys of metadata are in small letters; the value of one that does not end in -bin is text."""
    for key, value in context.invocation_metadata() or ():
        if key == "authorization":
            return str(value)
    return None
