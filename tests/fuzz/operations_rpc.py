"""The operations of gRPC, as the descriptors of the services list them."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import grpc
import grpc.aio
from asgi_call import STREAM_S
from fuzz_draft import Draft
from fuzz_operation import Sent, Told
from fuzz_values import chosen
from google.protobuf import descriptor_pool, json_format, message_factory

from ops_core.rpc.admission import operation_of
from ops_core.rpc.server import SERVICE_NAMES

#: Codes that a client never sees unless the server is at fault, or a part of it is away.
BROKEN: Final = frozenset(
    {
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.DATA_LOSS,
    }
)

#: The status of a stream that had said nothing when it was left: it may have been about to refuse.
LEFT: Final = "left"


@dataclass(frozen=True)
class Rpc:
    """One method."""

    channel: grpc.aio.Channel
    method: Any
    """Its descriptor."""

    is_public: bool = False

    @property
    def path(self) -> str:
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    @property
    def name(self) -> str:
        return operation_of(self.path)

    @property
    def label(self) -> str:
        return f"{self.method.containing_service.name}/{self.method.name}"

    def names(self) -> set[str]:
        """Those of enums apart: their values are in the contract itself."""
        return {field.name for field in self.method.input_type.fields if field.enum_type is None}

    def draft(self, draft: Draft) -> Sent:
        plain = [f.name for f in self.method.input_type.fields if f.enum_type is None]
        # What a method is about is its first field.
        about = {plain[0]} if plain and plain[0].endswith("_id") else set[str]()
        said = chosen(self.name, about, plain, draft) | self._enums(draft)
        message = message_factory.GetMessageClass(self.method.input_type)()
        for name, value in said.items():
            # Nonsense of another type is for the fuzzer of messages: here it is left out.
            with suppress(json_format.ParseError):
                json_format.ParseDict({name: value}, message)
        text = json_format.MessageToJson(message, ensure_ascii=False)
        return Sent("POST", self.path, body=message.SerializeToString(), text=text)

    def _enums(self, draft: Draft) -> dict[str, Any]:
        said: dict[str, Any] = {}
        for field in self.method.input_type.fields:
            if field.enum_type is not None and draft.maybe(0.3 if field.name == "status" else 1):
                one = draft.dice.choice([value.name for value in field.enum_type.values][1:])
                said[field.name] = [one] if field.is_repeated else one
        return said

    async def send(self, sent: Sent, key: str | None) -> Told:
        metadata = (("authorization", f"Bearer {key}"),) if key else ()
        try:
            if self.method.server_streaming:
                answers = await self._stream(sent.body, metadata)
            else:
                unary: Any = self.channel.unary_unary(self.path)
                answers = [await unary(sent.body, metadata=metadata, timeout=20)]
        except grpc.aio.AioRpcError as error:
            return _refused(error)
        factory = message_factory.GetMessageClass(self.method.output_type)
        content = [
            json_format.MessageToDict(factory.FromString(answer), preserving_proto_field_name=True)
            for answer in answers
        ]
        status = "OK" if answers else LEFT
        return Told(status, is_ok=True, data=json.dumps(content).encode(), content=content)

    async def _stream(self, body: bytes, metadata: Any) -> list[bytes]:
        streaming: Any = self.channel.unary_stream(self.path)
        call, told = streaming(body, metadata=metadata, timeout=20), []
        with suppress(TimeoutError):
            async with asyncio.timeout(STREAM_S):
                async for message in call:
                    told.append(message)  # noqa: PERF401  # what was told before the time is up counts
        call.cancel()
        return told


def rpc_operations(channel: grpc.aio.Channel) -> Iterator[Rpc]:
    pool: Any = descriptor_pool.Default()
    for service in sorted(SERVICE_NAMES):
        for method in pool.FindServiceByName(service).methods:
            yield Rpc(channel, method)


def _refused(error: grpc.aio.AioRpcError) -> Told:
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        raise TimeoutError
    said = dict(error.trailing_metadata() or ())
    details: Any = said.get("grpc-status-details-bin", b"")
    return Told(
        status=error.code().name,
        is_ok=False,
        data=(error.details() or "").encode() + b"\n" + details,
        is_broken=error.code() in BROKEN,
    )
