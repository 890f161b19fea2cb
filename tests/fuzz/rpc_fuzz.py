"""Calls any method with any bytes, in any haste, and judges how it ended."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf import descriptor_pool, message_factory
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import strategies as st
from operations_rpc import BROKEN
from rpc_messages import Messages, malformed

#: An answer that takes longer is none.
PATIENCE_S: Final = 20.0

#: Seconds. None: as long as it takes.
_DEADLINES: Final = (None, None, None, None, None, None, None, 0.0, 0.0005, 0.005)

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Call:
    """One call: `deadline_s` and `cancelled_s` say after how long the client has enough."""

    path: str
    streams: bool
    body: bytes
    key: str | None
    deadline_s: float | None
    cancelled_s: float | None


def calls(
    methods: Sequence[Any], ids: Mapping[str, Sequence[str]], key: str
) -> st.SearchStrategy[Call]:
    """Any call of any of the methods."""
    messages = Messages(ids)
    keys = st.sampled_from([*[key] * 18, None, "osk_nonsense"])
    cancelled = st.sampled_from([None] * 8 + [0.0, 0.001])

    def of(method: Any) -> st.SearchStrategy[Call]:
        body = messages.of(method.input_type).map(lambda message: message.SerializeToString())
        return st.builds(
            Call,
            path=st.just(f"/{method.containing_service.full_name}/{method.name}"),
            streams=st.just(method.server_streaming),
            body=st.one_of(body, body, malformed(body)),
            key=keys,
            deadline_s=st.sampled_from(_DEADLINES),
            cancelled_s=cancelled,
        )

    return st.sampled_from([of(method) for method in methods]).flatmap(lambda chosen: chosen)


async def methods_of(channel: grpc.aio.Channel) -> list[Any]:
    """Every method that takes one message, of every service that the server itself says it has."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub
    ask = stub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="*")
    [answer] = [each async for each in ask.ServerReflectionInfo(iter([request]))]
    pool: Any = descriptor_pool.Default()
    names = sorted(each.name for each in answer.list_services_response.service)
    return [
        method
        for name in names
        for method in pool.FindServiceByName(name).methods
        if not method.client_streaming
    ]


async def wrong(channel: grpc.aio.Channel, call: Call) -> str | None:
    """What is wrong with how the call ended, if anything is."""
    metadata = (("authorization", f"Bearer {call.key}"),) if call.key else ()
    timeout_s = PATIENCE_S if call.deadline_s is None else call.deadline_s
    kind: Any = channel.unary_stream if call.streams else channel.unary_unary
    under_way = kind(call.path)(call.body, metadata=metadata, timeout=timeout_s)
    if call.cancelled_s is not None:
        asyncio.get_running_loop().call_later(call.cancelled_s, under_way.cancel)
    try:
        answers = await _heard(under_way, streams=call.streams)
    except grpc.aio.AioRpcError as error:
        return _wrong_refusal(call, error)
    except asyncio.CancelledError:
        return None if call.cancelled_s is not None else "cancelled by nobody"
    return next(_wrong_answers(call, answers), None)


async def _heard(under_way: Any, *, streams: bool) -> list[bytes]:
    """The answers; a stream is left soon, as streams of tasks that nobody runs go on for ever."""
    if not streams:
        return [await under_way]
    asyncio.get_running_loop().call_later(0.03, under_way.cancel)
    heard: list[bytes] = []
    try:
        async for message in under_way:
            heard.append(message)  # noqa: PERF401  # what was heard before counts
    except asyncio.CancelledError:
        return heard
    return heard


def _wrong_refusal(call: Call, error: grpc.aio.AioRpcError) -> str | None:
    code = error.code()
    said = f"{code.name}: {error.details()}"
    if code in BROKEN:
        return said
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return None if call.deadline_s is not None else f"no answer within {PATIENCE_S} s"
    if code is grpc.StatusCode.CANCELLED:
        return None if call.cancelled_s is not None or call.streams else said
    details: Any = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    if not details:
        by_runtime = code is grpc.StatusCode.RESOURCE_EXHAUSTED  # the message was too large
        return None if by_runtime or _is_others(call) else f"{said}, without details"
    status = status_pb2.Status.FromString(details)
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.RequestInfo()
    unpacked = [each.Unpack(info) or each.Unpack(request) for each in status.details]
    whole = _CODES[status.code] is code and info.reason and request.request_id and any(unpacked)
    return None if whole else f"{said}, with details {status}"


def _wrong_answers(call: Call, answers: Sequence[bytes]) -> Iterator[str]:
    """An answer is a message of the contract, without fields that it does not have."""
    service, _, name = call.path.lstrip("/").partition("/")
    pool: Any = descriptor_pool.Default()
    kind = pool.FindServiceByName(service).methods_by_name[name].output_type
    for answer in answers:
        try:
            message_factory.GetMessageClass(kind).FromString(answer)
        except ValueError as error:
            yield f"no {kind.full_name}: {error}"


def _is_others(call: Call) -> bool:
    """Health is not of our package, and its errors have no details of ours."""
    return call.path.startswith(f"/{health_pb2.DESCRIPTOR.package}.")
