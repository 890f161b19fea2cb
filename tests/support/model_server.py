"""A model over HTTP that a test controls: OpenAI's chat completions, over a real socket.

It thinks as simply as can be: it makes the calls of its script (or the one call that the test wants for such
a goal) one after the other, each when it was shown the observation of the one before, and answers with the
last observation. Without tools it answers at once. A test can hold a call, make calls fail, and count what
was paid for.
"""

import json
import os
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-test-key-that-must-not-leak"


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of a script; `{goal}` in an argument of text is replaced by the conversation's goal."""

    tool: str
    arguments: Mapping[str, Any]

    def wire(self, goal: str, number: int) -> dict[str, Any]:
        arguments = {
            name: value.replace("{goal}", goal) if isinstance(value, str) else value
            for name, value in self.arguments.items()
        }
        function = {"name": self.tool, "arguments": json.dumps(arguments)}
        return {"id": f"call_{number}", "type": "function", "function": function}


#: What a model does that was given no script.
CALCULATE = (Call("calculator", {"expression": "17 * 23"}),)


class ModelServer:
    """Start it with `running()`. All attributes may be used from the test's thread."""

    def __init__(self, *, delay_s: float = 0.0, script: Sequence[Call] = CALCULATE) -> None:
        self._delay_s = delay_s
        self._script = script
        self.calls: list[int] = []
        """For each finished call, which step of its conversation it was (1, 2)."""

        self.asked: Counter[tuple[str, int]] = Counter()
        """How often each step of each conversation (known by its goal) was asked for, finished or not."""

        self.fail_with: tuple[int, dict[str, str]] | None = None
        """Status and headers of every answer from now on."""

        self.wants: dict[str, tuple[str, dict[str, Any]]] = {}
        """For goals with this text in them: the tool, with its arguments, that is called instead."""

        self.hung_up = threading.Event()
        """Set when somebody hangs up in a held call."""

        self._counting = threading.Lock()
        self._held: dict[int, _Gate] = {}
        self._arrived: dict[int, threading.Event] = {}
        self._http = _Server(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def environment(self) -> dict[str, str]:
        """What points an Opspawn at this model."""
        return {
            "AGENTKIT_LLM_PROVIDER": "openai",
            "AGENTKIT_LLM_MODEL": "gpt-5.4-mini",
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": self.url,
        }

    @contextmanager
    def running(self) -> Iterator["ModelServer"]:
        thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.reset()
            self._http.shutdown()
            self._http.server_close()

    def reset(self) -> None:
        """As new: nothing held, nothing failing, nothing counted."""
        for step in list(self._held):
            self.release(step)
        self.calls.clear()
        self.asked.clear()
        self.fail_with = None
        self.wants.clear()
        self.hung_up.clear()

    def hold(self, step: int) -> None:
        """Calls of this step wait until `release`."""
        self._held[step] = _Gate()
        self._arrived[step] = threading.Event()

    def wait_for(self, step: int, within_s: float = 30.0) -> None:
        """Returns when a call of a held step has come."""
        assert self._arrived[step].wait(within_s), f"no model call of step {step} came"

    def release(self, step: int) -> None:
        self._held.pop(step).open()

    def answer(
        self, request: dict[str, Any], key: str, caller: socket.socket
    ) -> tuple[int, dict[str, str], object]:
        observations = [m["content"] for m in request["messages"] if m["role"] == "tool"]
        goal = next(str(m["content"]) for m in request["messages"] if m["role"] == "user")
        step = len(observations) + 1
        with self._counting:
            self.asked[goal, step] += 1
        time.sleep(self._delay_s)  # what a model takes to think
        if (gate := self._held.get(step)) is not None:
            self._arrived[step].set()
            if not gate.holds(caller):
                self.hung_up.set()
                return 499, {}, {"error": {"message": "the caller hung up"}}
        if self.fail_with is not None:
            status, headers = self.fail_with
            return status, headers, {"error": {"message": "as the test wants it"}}
        if key != f"Bearer {KEY}":
            return 401, {}, {"error": {"message": "wrong key"}}
        self.calls.append(step)
        if not request.get("tools"):
            answer = {"role": "assistant", "content": "It is as good as done."}
            return 200, {}, _completion(request["model"], answer)
        return 200, {}, _completion(request["model"], self._message(goal, observations))

    def _message(self, goal: str, observations: Sequence[str]) -> dict[str, Any]:
        wanted = next((Call(*call) for text, call in self.wants.items() if text in goal), None)
        script = self._script if wanted is None else (wanted,)
        step = len(observations)
        if step == len(script):
            return {"role": "assistant", "content": f"It is {observations[-1]}."}
        words = "I shall calculate." if wanted is None else f"I shall {wanted.tool}."
        call = script[step].wire(goal, step + 1)
        return {"role": "assistant", "content": words, "tool_calls": [call]}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    return  # the caller was killed while it asked
                key = self.headers.get("Authorization", "")
                status, headers, reply = model.answer(json.loads(body), key, self.connection)
                data = json.dumps(reply).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(data)))
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:
                    return  # the caller was killed: that is what some tests do

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Says nothing: the test's output is the test's."""

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # a whole storm of agents may ask at one moment


class _Gate:
    """Holds any number of callers; a pipe that is closed opens it, so that a thousand wait without a rest."""

    def __init__(self) -> None:
        self._shut, self._closing = os.pipe()

    def open(self) -> None:
        os.close(self._closing)

    def holds(self, caller: socket.socket) -> bool:
        """Whether the caller is still there when the gate opens, or has waited a minute."""
        poll = select.poll()
        poll.register(self._shut, 0)  # its hanging up is told always
        poll.register(caller, select.POLLIN)
        while events := dict(poll.poll(60_000)):
            # Looked at even when the gate is open: who was killed just before it pays for nothing.
            if caller.fileno() in events and not _peek(caller):
                return False
            if self._shut in events:
                return True
            poll.unregister(caller)  # it says more, which nobody asked for
        return True

    def __del__(self) -> None:
        os.close(self._shut)


def _peek(caller: socket.socket) -> bytes:
    try:
        return caller.recv(1, socket.MSG_PEEK)
    except OSError:
        return b""


def _completion(model: str, message: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": "tool_calls" if "tool_calls" in message else "stop",
            }
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }
