"""agentkit's own scripted server, for what the simulators cannot do; it speaks each dialect to the letter."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from agentkit.testing import ChatServer, Events, HttpReply, Stall, chunk, completion, failure
from agentkit.testing.anthropic_replies import message, message_events, message_failure
from agentkit.testing.chat_server import Scripted
from agentkit.testing.google_replies import response, response_chunks, response_failure
from support.model_script import Answer, Breaks, Dialect, Fails, Says, Unfinished, Waits


class ScriptedModels:
    """A `ModelServer` over a `ChatServer` that is already listening."""

    def __init__(self, server: ChatServer) -> None:
        self.server = server

    def url(self, dialect: Dialect) -> str:
        own_root = dialect.name in ("anthropic", "google")
        return self.server.root_url if own_root else self.server.base_url

    def play(self, dialect: Dialect, *answers: Answer, stream: bool = False) -> None:
        self.server.requests.clear()
        self.server.hung_up.clear()
        self.server._script = [_scripted(dialect, answer, stream) for answer in answers]

    def requests(self) -> int:
        return len(self.server.requests)

    async def left(self) -> bool:
        return await self.server.hung_up.wait()


def _scripted(dialect: Dialect, answer: Answer, stream: bool) -> Scripted:
    match answer:
        case Says() as says:
            return Events(_events(dialect, says)) if stream else _whole(dialect, says)
        case Fails(status, retry_after_s):
            waiting = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
            return replace(_FAILURES[dialect.name](status), headers=waiting)
        case Waits():
            return Stall()
        case Breaks(how, text):
            return _broken(_events(dialect, Says(text)), how)
        case Unfinished():
            return _without_reason(_whole(dialect, Says("It is 391.")))
        case _:
            assert_never(answer)


_FAILURES: dict[str, Callable[[int], HttpReply]] = {
    "openai": failure,
    "openrouter": failure,
    "anthropic": message_failure,
    "google": response_failure,
}


def _whole(dialect: Dialect, says: Says) -> HttpReply:
    match dialect.name:
        case "anthropic":
            return message(says.text or None, calls=says.calls)
        case "google":
            return response(says.text or None, calls=says.calls)
        case _:
            written = [(name, json.dumps(made)) for name, made in says.calls]
            return completion(says.text or None, calls=written, model=dialect.model)


def _events(dialect: Dialect, says: Says) -> tuple[str, ...]:
    match dialect.name:
        case "anthropic":
            return message_events(says.text or None, calls=says.calls)
        case "google":
            return response_chunks(says.text or None, calls=says.calls)
        case _:
            return _chunks(says)


def _chunks(says: Says) -> tuple[str, ...]:
    calls = [
        {
            "index": index,
            "id": f"id_{index}",
            "function": {"name": name, "arguments": json.dumps(made)},
        }
        for index, (name, made) in enumerate(says.calls)
    ]
    middle = len(says.text) // 2
    texts = [half for half in (says.text[:middle], says.text[middle:]) if half]
    usage = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
    return (
        *(chunk({"content": half}) for half in texts),
        *(chunk({"tool_calls": [call]}) for call in calls),
        chunk(finish_reason="tool_calls" if calls else "stop"),
        chunk(choices=[], usage=usage),
        "[DONE]",
    )


def _broken(events: tuple[str, ...], how: str) -> Events:
    """What begins well: half of the events, the first text among them."""
    begun = events[: len(events) // 2]
    match how:
        case "cut":
            return Events(begun, then="cut")
        case "stalled":
            return Events(begun, then="stall")
        case "malformed":
            name = "\nevent: content_block_delta" if "\nevent: " in events[0] else ""
            return Events((*begun, '{"oops' + name, *events[len(begun) :]))
        case _:
            return Events(begun)


def _without_reason(whole: HttpReply) -> HttpReply:
    """The same answer, with no word on why it ended."""
    body = json.loads(whole.body)
    inside = (body.get("choices") or body.get("candidates") or [body])[0]
    for name in ("finish_reason", "finishReason", "stop_reason"):
        inside.pop(name, None)
    return replace(whole, body=json.dumps(body).encode())
