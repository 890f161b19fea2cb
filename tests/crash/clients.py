"""Clients under a storm, and what they were told: an answer is a promise, and the checker holds us to it."""

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2
from checker import Told

from support.ledger_tools import NAMES


@dataclass
class Habits:
    """How often a client does what, as a share of its tasks."""

    cancels: float = 0.15
    retries: float = 0.5
    deadlines: float = 0.05
    repeats: float = 0.1


@dataclass
class Client(threading.Thread):
    """Submits, cancels and retries for as long as it is let, repeating whatever was not answered."""

    port: int
    chance: random.Random
    told: Told
    habits: Habits = field(default_factory=Habits)
    every_s: float = 0.25
    ends: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._recent: list[str] = []
        self._cancelled: list[str] = []

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        address = f"http://127.0.0.1:{self.port}/api/v1/tasks/"
        with httpx2.Client(base_url=address, timeout=5) as http:
            while not self.ends.is_set():
                self._submit(http)
                if self._recent and self.chance.random() < self.habits.cancels:
                    self._cancel(http, self.chance.choice(self._recent[-5:]))
                if self._cancelled and self.chance.random() < self.habits.retries:
                    self._retry(http, self._cancelled.pop(0))
                self.ends.wait(self.every_s)

    def _submit(self, http: httpx2.Client) -> None:
        key = str(uuid4())
        body: dict[str, Any] = {
            "task_type": "agent_run",
            "input_data": {"goal": key, "agent_config": {"tools": list(NAMES)}},
            # A storm costs attempts: a model call that is cut off is a passing failure.
            "retry_policy": {"max_attempts": 50, "backoff_s": 0.1, "max_backoff_s": 1},
        }
        if self.chance.random() < self.habits.deadlines:
            body["deadline_s"] = self.chance.uniform(0.5, 5.0)

        def post() -> httpx2.Response:
            return http.post("", json=body, headers={"Idempotency-Key": key})

        answer = self._answered(post, {200, 201})
        if answer is None:
            return
        task_id = answer.json()["task_id"]
        self.told.accepted[task_id] = key
        if "deadline_s" in body:
            self.told.deadlines.add(task_id)
        self._recent.append(task_id)
        if self.chance.random() < self.habits.repeats:
            again = self._answered(post, {200})
            if again is not None and again.json()["task_id"] != task_id:
                self.told.wrong.append(f"{key} was stored twice: {task_id} and {again.json()}")

    def _cancel(self, http: httpx2.Client, task_id: str) -> None:
        answer = self._answered(lambda: http.post(f"{task_id}/cancel"), {200, 202, 409})
        if answer is not None and answer.status_code != 409:
            task = answer.json()
            self.told.cancelled[task_id, task["generation"]] = task["status"]
            self._cancelled.append(task_id)

    def _retry(self, http: httpx2.Client, task_id: str) -> None:
        # 409: it has not ended yet, or it had completed, or this repeats what had no answer.
        answer = self._answered(lambda: http.post(f"{task_id}/retry"), {202, 409})
        if answer is not None and answer.status_code == 202:
            self.told.retried.add((task_id, answer.json()["generation"]))

    def _answered(
        self, ask: Callable[[], httpx2.Response], expected: set[int]
    ) -> httpx2.Response | None:
        """Asks until there is an answer other than "not now"; None when it is not one that may come."""
        while not self.ends.is_set():
            with suppress(httpx2.TransportError):
                answer = ask()
                if answer.status_code in expected:
                    return answer
                if answer.status_code != 503:
                    self.told.wrong.append(
                        f"{answer.request.url}: {answer.status_code} {answer.text}"
                    )
                    return None
            self.ends.wait(0.2)
        return None
