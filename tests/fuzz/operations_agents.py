"""The operations of the doors that speak of agents: the tools of MCP and the methods of A2A."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from fastapi import FastAPI
from fuzz_draft import Draft
from fuzz_operation import Sent, Told
from fuzz_values import agent, chosen, cursor, in_status, thread, url
from operations_rest import http

from ops_core.a2a.operations import OPERATIONS
from ops_core.a2a.streaming import STREAMS

_HEADERS: Final = {
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
    "a2a-version": "1.0",
}


@dataclass(frozen=True)
class Mcp:
    """One tool, or one of the protocol's own methods."""

    app: FastAPI
    method: str
    tool: str = ""
    takes: dict[str, Any] = field(default_factory=dict)
    is_public: bool = False

    @property
    def label(self) -> str:
        return f"mcp {self.tool or self.method}"

    def names(self) -> set[str]:
        return set(self.takes.get("properties", ()))

    def draft(self, draft: Draft) -> Sent:
        params: dict[str, Any] = {}
        if self.tool:
            required = set(self.takes.get("required", ()))
            said = chosen(self.tool, required, [*self.takes["properties"]], draft)
            params = {"name": self.tool, "arguments": said}
        return _sent("/mcp", self.method, params)

    async def send(self, sent: Sent, key: str | None) -> Told:
        # Each call is answered with a stream that ends by itself.
        told = await http(self.app, sent, key, listens_s=60)
        answer = told.content[-1] if isinstance(told.content, list) else told.content
        result = (answer or {}).get("result", {})
        refused = "error" in (answer or {}) or result.get("isError", False)
        is_bug = result.get("structuredContent", {}).get("type") == "internal"
        return replace(
            told,
            is_ok=told.is_ok and not refused,
            content=result.get("structuredContent"),
            is_broken=told.is_broken or is_bug,
        )


@dataclass(frozen=True)
class A2a:
    """One method."""

    app: FastAPI
    method: str
    is_public: bool = False

    @property
    def label(self) -> str:
        return f"a2a {self.method}"

    def draft(self, draft: Draft) -> Sent:
        return _sent(f"/a2a/{agent(draft)}", self.method, draft.spoil(PARAMS[self.method](draft)))

    async def send(self, sent: Sent, key: str | None) -> Told:
        told = await http(self.app, sent, key)
        answers = told.content if isinstance(told.content, list) else [told.content or {}]
        errors = [answer["error"] for answer in answers if "error" in answer]
        return replace(
            told,
            is_ok=told.is_ok and not errors,
            is_broken=told.is_broken or any(error["code"] == -32603 for error in errors),
        )


def _message(draft: Draft) -> dict[str, Any]:
    """Begins a task, or answers one.

    The id of a message is a key of idempotency, and is told again, hashed: it is nobody else's, and another
    one when the message is about something else.
    """
    made: dict[str, Any] = {"role": "ROLE_USER", "parts": [{"text": draft.word()}]}
    if draft.maybe(0.4):
        made["taskId"] = draft.id("task")
    elif draft.maybe(0.3):
        made["contextId"] = thread(draft)
    about = draft.foreign or draft.dice.randrange(10**6)
    made["messageId"] = f"{draft.me.marker}-{about}"
    return {"message": made, "configuration": {"returnImmediately": True}}


def _one(draft: Draft) -> dict[str, Any]:
    return {"id": draft.id("task")}


def _push(draft: Draft) -> dict[str, Any]:
    said = {"taskId": draft.id("task"), "url": url(draft), "token": draft.word()}
    return said | {"id": f"push-{draft.dice.randrange(3)}"} if draft.maybe(0.8) else said


def _pushed(draft: Draft) -> dict[str, Any]:
    """Of a task that has one, most of the time."""
    return {"taskId": in_status(draft, "pushed"), "id": f"push-{draft.dice.randrange(3)}"}


def _nothing(_draft: Draft) -> dict[str, Any]:
    return {}


def _list(draft: Draft) -> dict[str, Any]:
    said: dict[str, Any] = {"pageSize": draft.dice.randrange(1, 30)}
    if draft.maybe(0.4):
        said["contextId"] = thread(draft)
    if draft.maybe(0.3):
        said["pageToken"] = cursor(draft)
    return said


#: What a method takes. One that is missing here fails the test.
PARAMS: Final[dict[str, Callable[[Draft], dict[str, Any]]]] = {
    "SendMessage": _message,
    "SendStreamingMessage": _message,
    "GetTask": _one,
    "CancelTask": _one,
    "SubscribeToTask": _one,
    "ListTasks": _list,
    "CreateTaskPushNotificationConfig": _push,
    "GetTaskPushNotificationConfig": _pushed,
    "ListTaskPushNotificationConfigs": _pushed,
    "DeleteTaskPushNotificationConfig": _pushed,
    "GetExtendedAgentCard": _nothing,
}

A2A_METHODS: Final = {*OPERATIONS, *STREAMS}


def a2a_operations(app: FastAPI) -> Iterator[A2a]:
    for method in sorted(A2A_METHODS):
        assert method in PARAMS, f"tests/fuzz does not know what {method} takes"
        yield A2a(app, method)


async def mcp_operations(app: FastAPI, key: str) -> list[Mcp]:
    """The tools that a new tenant has."""
    told = await http(app, _sent("/mcp", "tools/list", {}), key, listens_s=60)
    tools = told.content[-1]["result"]["tools"]
    found = [Mcp(app, "tools/call", tool["name"], tool["inputSchema"]) for tool in tools]
    return [*found, Mcp(app, "tools/list"), Mcp(app, "ping")]


def _sent(path: str, method: str, params: Any) -> Sent:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return Sent("POST", path, headers=_HEADERS, body=json.dumps(body).encode())
