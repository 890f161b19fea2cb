"""A model over HTTP that tells when each call came and went, and holds calls while their caller stays.

It answers an agent's first call at once (with a tool call) and holds the second one, unless it is let go: so
an agent stands still inside a model call, where a fault can be timed.
"""

import select
import socket
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from support.model_server import ModelServer


@dataclass(frozen=True, slots=True)
class Call:
    """Something that happened to a call: `came`, or `gone` (its caller closed the connection)."""

    goal: str
    step: int
    what: str
    at_s: float


class HeldModel(ModelServer):
    """`calls_seen` has what happened, as it happens. `held_step`: whose calls are held; None: nobody's."""

    def __init__(self) -> None:
        super().__init__()
        self.calls_seen: SimpleQueue[Call] = SimpleQueue()
        self.held_step: int | None = 2

    def wait_for_call(self, goal: str, step: int, what: str, within_s: float) -> float:
        """The monotonic time at which that happened; everything seen before it is dropped."""
        end = time.monotonic() + within_s
        while (left := end - time.monotonic()) > 0:
            try:
                call = self.calls_seen.get(timeout=left)
            except Empty:
                break
            if (call.goal, call.step, call.what) == (goal, step, what):
                return call.at_s
        raise TimeoutError(f"no model call of step {step} {what} within {within_s} s: {goal}")

    def answer(
        self, request: dict[str, Any], key: str, caller: socket.socket
    ) -> tuple[int, dict[str, str], object]:
        goal = next(m["content"] for m in request["messages"] if m["role"] == "user")
        step = 1 + sum(m["role"] == "tool" for m in request["messages"])
        self.calls_seen.put(Call(goal, step, "came", time.monotonic()))
        if step == self.held_step and self._caller_left(caller):
            self.calls_seen.put(Call(goal, step, "gone", time.monotonic()))
        return super().answer(request, key, caller)

    def _caller_left(self, connection: socket.socket) -> bool:
        """Returns True when the caller has closed the connection, False when calls are let go."""
        while self.held_step is not None:
            readable, _, _ = select.select([connection], [], [], 0.002)
            if readable and not connection.recv(1, socket.MSG_PEEK):
                return True
        return False
