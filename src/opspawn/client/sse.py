"""Reads server-sent events, as far as our server uses them."""

import json
from typing import Any


class Frames:
    """Fed with lines, it tells of each event that is whole; comments and hints are passed over."""

    def __init__(self) -> None:
        self._name = "message"
        self._data: list[str] = []

    def fed(self, line: str) -> tuple[str, dict[str, Any]] | None:
        """The name and the JSON of the event that this line ends, if it ends one."""
        field, _, value = line.partition(":")
        if not line:
            return self._whole()
        if field == "event":
            self._name = value.removeprefix(" ")
        elif field == "data":
            self._data.append(value.removeprefix(" "))
        return None

    def _whole(self) -> tuple[str, dict[str, Any]] | None:
        name, text = self._name, "\n".join(self._data)
        self._name, self._data = "message", []
        try:
            body = json.loads(text)
        except ValueError:
            return None
        return (name, body) if isinstance(body, dict) else None
