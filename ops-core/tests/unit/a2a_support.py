"""Requests of A2A, as a client writes them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agent_door_support import Open

AGENT = "/a2a/default"
VERSION = {"A2A-Version": "1.0"}


def message(text: str = "What is 17 * 23?", id_: str = "m-1", **more: Any) -> dict[str, Any]:
    return {"messageId": id_, "role": "ROLE_USER", "parts": [{"text": text}], **more}


def request(method: str, params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}


async def ask(door: Open, method: str, **params: Any) -> Any:
    """The result of a request that must succeed."""
    answer = await door.http.post(AGENT, json=request(method, params), headers=VERSION)
    assert "result" in answer.json(), answer.json()
    return answer.json()["result"]


async def send(door: Open, sent: dict[str, Any], **configuration: Any) -> Any:
    result = await ask(door, "SendMessage", message=sent, configuration=configuration)
    return result["task"]


async def error(door: Open, method: str, **params: Any) -> Any:
    """The error of a request that must be refused."""
    answer = await door.http.post(AGENT, json=request(method, params), headers=VERSION)
    assert (200, 7) == (answer.status_code, answer.json()["id"])
    return answer.json()["error"]


@asynccontextmanager
async def stream(door: Open, method: str, **params: Any) -> AsyncIterator[AsyncIterator[Any]]:
    """The results of a stream, as they come."""
    sent = request(method, params)
    async with door.http.stream("POST", AGENT, json=sent, headers=VERSION) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")

        async def results() -> AsyncIterator[Any]:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    yield json.loads(line[6:])["result"]

        yield results()
