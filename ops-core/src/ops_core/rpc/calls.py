"""What every call of our service goes through: parsing, an id, and errors in one form.

Requests are parsed here and not by the runtime, which would answer a malformed message as a bug of ours.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from secrets import token_hex
from time import perf_counter
from typing import Any, TypeAlias

import grpc
import grpc.aio
import structlog
from google.protobuf.message import DecodeError, Message
from structlog.contextvars import bind_contextvars

from ops_core.errors import CallerError, FieldError, InvalidRequest, Unavailable
from ops_core.identity.gate import Gate
from ops_core.metrics.tally import Tally
from ops_core.rpc.admission import admit, operation_of, principal, record, request_id_of
from ops_core.rpc.convert import refuse_unknown_fields
from ops_core.rpc.status import Refusal, internal, refusal

__all__ = ["Calls", "principal", "request_id_of"]

log = structlog.get_logger(__name__)

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context = grpc.aio.ServicerContext[Any, Any]


class Calls:
    """Wraps each method of our services once, when its service is added to the server.

    An interceptor would be asked at every call, for a wrapper that lasts as long as the call.
    """

    def __init__(self, gate: Gate, tally: Tally) -> None:
        self._gate = gate
        self._tally = tally

    def wrapped(self, path: str, handler: Any) -> "Handler":
        """`path` is as gRPC names a method: `/package.Service/Method`. None of ours takes a stream."""
        # Any: the published types describe handlers of the synchronous server only.
        method = _Method(self._gate, path, operation_of(path), handler)
        name = path.rpartition("/")[2]

        async def call(body: bytes, context: Context) -> bytes:
            with _counted(self._tally, name, context):
                return await _answer(method, body, context)

        async def stream(body: bytes, context: Context) -> AsyncIterator[bytes]:
            with _counted(self._tally, name, context, is_stream=True):
                async with aclosing(_answers(method, body, context)) as answers:
                    async for answer in answers:
                        yield answer

        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(call)


@dataclass(frozen=True, slots=True)
class _Method:
    """A method of ours, and the gate before it."""

    gate: Gate
    path: str
    operation: str
    """As in the table of needs."""

    handler: Any


@contextmanager
def _counted(
    tally: Tally, name: str, context: Context, *, is_stream: bool = False
) -> Iterator[None]:
    """Counts the call that the block answers, under the code that it ends with."""
    began_s, code = perf_counter(), grpc.StatusCode.CANCELLED
    try:
        yield
        code = grpc.StatusCode.OK
    except grpc.aio.AbortError:
        code = grpc.StatusCode(context.code())
        raise
    finally:
        took_s = None if is_stream else perf_counter() - began_s
        tally.note(name, "", code.name, took_s)


async def _answer(method: _Method, body: bytes, context: Context) -> bytes:
    handler = method.handler
    async with _Refusing(method.path, context) as request_id:
        await admit(method.gate, method.operation, context, request_id)
        request = _parsed(handler, body)
        await record(method.gate, request)
        answer: bytes = handler.response_serializer(await handler.unary_unary(request, context))
        return answer


async def _answers(method: _Method, body: bytes, context: Context) -> AsyncGenerator[bytes, None]:
    """The messages of a stream; what goes wrong in the middle of it is told as if it were the beginning.

    A client that cancels, or whose deadline passes, cancels this where it waits.
    """
    handler = method.handler
    async with _Refusing(method.path, context) as request_id:
        await admit(method.gate, method.operation, context, request_id)
        request = _parsed(handler, body)
        await record(method.gate, request)
        async with aclosing(handler.unary_stream(request, context)) as messages:
            async for message in messages:
                yield handler.response_serializer(message)


class _Refusing:
    """Gives a call its id, and aborts it with what the block raises; raises itself then."""

    def __init__(self, path: str, context: Context) -> None:
        self._path = path
        self._context = context
        self._request_id = token_hex(16)

    async def __aenter__(self) -> str:
        # For as long as the call's own task: gRPC gives each call one, and nothing else runs in its context.
        bind_contextvars(request_id=self._request_id)
        return self._request_id

    async def __aexit__(self, _kind: object, error: BaseException | None, _at: object) -> None:
        if not isinstance(error, Exception):
            return
        if isinstance(error, CallerError | Unavailable):
            refused: Refusal = refusal(error, self._request_id)
        else:
            # Protects the client: what a bug says goes to the log, never over the wire.
            log.exception("call_failed", method=self._path)  # noqa: LOG004  # this is a handler
            refused = internal(self._request_id)
        await self._context.abort(refused.code, refused.message, refused.trailing_metadata)


def _parsed(handler: Any, body: bytes) -> Message:
    try:
        request: Message = handler.request_deserializer(body)
    except DecodeError:
        message = "is not a message of this method, holds text that is not UTF-8, or nests too deep"
        raise InvalidRequest([FieldError("", message)]) from None
    refuse_unknown_fields(request)
    return request
