"""Reads server-sent events, as far as our server uses them."""

import json
from collections.abc import AsyncIterator
from typing import Any

Json = dict[str, Any]


async def frames(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, Json]]:
    """The name and the JSON of each event that is whole; comments and hints are passed over."""
    name, data = "message", list[str]()
    async for line in lines:
        field, _, value = line.partition(":")
        if not line:
            body = _json_object("\n".join(data))
            if body is not None:
                yield name, body
            name, data = "message", []
        elif field == "event":
            name = value.removeprefix(" ")
        elif field == "data":
            data.append(value.removeprefix(" "))


def _json_object(text: str) -> Json | None:
    try:
        body = json.loads(text)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
