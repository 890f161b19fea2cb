"""Parses the requests of services that are not ours: what is no message is the client's fault there, too.

The runtime would answer it with UNKNOWN, as a bug of the server, and write it into the log as one.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context = grpc.aio.ServicerContext[Any, Any]


def parsing(handler: Any) -> Handler:
    """The handler, of a method that takes one message; only how that is parsed is another."""

    async def answer(body: bytes, context: Context) -> Message:
        message: Message = await handler.unary_unary(await parsed(body, context), context)
        return message

    async def answers(body: bytes, context: Context) -> AsyncIterator[Message]:
        async with aclosing(handler.unary_stream(await parsed(body, context), context)) as messages:
            async for message in messages:
                yield message

    async def parsed(body: bytes, context: Context) -> Any:
        try:
            return handler.request_deserializer(body)
        except DecodeError:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, "The request is not a message of this method."
            )

    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(
            answers, response_serializer=handler.response_serializer
        )
    return grpc.unary_unary_rpc_method_handler(
        answer, response_serializer=handler.response_serializer
    )
