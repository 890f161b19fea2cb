"""A model that wants one multiplication after another, then answers: OpenAI's dialect, in its own process.

`python -m benchmarks.loops.model_server DELAY_S [CALLS]` prints its port. It looks at nothing but how many
results the request has, so that it costs less than those who ask.
"""

import asyncio
import json
import sys

from benchmarks.loops.driver import ANSWER

CALLS = 4
RESULT = b'"role":"tool"'


def _body(message: dict[str, object], reason: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    usage = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
    body = {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "usage": usage}
    return json.dumps({**body, "choices": [choice]}).encode()


def _replies() -> list[bytes]:
    bodies = []
    for order in range(CALLS):
        function = {"name": "multiply", "arguments": json.dumps({"a": 17 + order, "b": 23})}
        call = {"id": f"call_{order}", "type": "function", "function": function}
        bodies.append(_body({"content": None, "tool_calls": [call]}, "tool_calls"))
    bodies.append(_body({"content": ANSWER}, "stop"))
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return [head % len(body) + body for body in bodies]


class _Connection(asyncio.Protocol):
    def __init__(self, replies: list[bytes], delay_s: float) -> None:
        self._replies, self._delay_s = replies, delay_s
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if not end or len(body) < int(length):
            return
        self._received = b""
        results = body.replace(b": ", b":").count(RESULT)
        reply = self._replies[min(results, len(self._replies) - 1)]
        asyncio.get_running_loop().call_later(self._delay_s, self._transport.write, reply)


async def _serve(delay_s: float, calls: int) -> None:
    loop, replies = asyncio.get_running_loop(), _replies()[CALLS - calls :]
    server = await loop.create_server(
        lambda: _Connection(replies, delay_s), "127.0.0.1", 0, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else CALLS))
