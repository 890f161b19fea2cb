"""A tenant of the state machine: its key, its words that nobody can guess, and the ids it was told."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

#: What nobody guesses: ids, keys, hashes and our markers all have such a part. Numbers alone are none.
UNGUESSABLE: Final = re.compile(rb"(?<![0-9a-f])(?=[0-9a-f]*[a-f])[0-9a-f]{16,}(?![0-9a-f])")

#: Kinds of ids, by the names under which doors tell them.
KINDS: Final = {
    "task_id": "task",
    "last_task_id": "task",
    "taskId": "task",
    "approval_id": "approval",
    "input_id": "input",
    "webhook_id": "webhook",
    "delivery_id": "delivery",
    "schedule_id": "schedule",
    "key_id": "key",
    "thread_id": "thread",
    "memory_id": "memory",
    "contextId": "thread",
    "next_cursor": "cursor",
    "nextPageToken": "cursor",
    "path": "step",
    "secret": "secret",
    "hash": "hash",
}

#: What is forgotten first is what was told first: the newest things are those that can still move.
KEPT: Final = 200


@dataclass
class Tenant:
    """Draws from what it knows with the machine's own dice, so that a seed makes the same run."""

    name: str
    key: str
    marker: str
    told: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Ids by kind, each once."""

    chosen: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Names that it gave itself: other tenants may give the same."""

    sent: set[bytes] = field(default_factory=set)
    """What it has itself said that nobody guesses: hearing it again is no leak."""

    heard: set[bytes] = field(default_factory=set)
    """The same of what it was told when it was not refused."""

    @property
    def key_id(self) -> str:
        return f"key_{self.key.split('_')[1]}"

    def word(self, dice: Random) -> str:
        """Words of its own, for every field that holds words."""
        return f"{self.marker} says {dice.randrange(1000)}"

    def learn(self, answer: Any) -> None:
        """Takes the ids out of an answer, tasks by their status as well, and links out of their URLs.

        A task that has a push notification config is `pushed` besides.
        """
        for found in _objects(answer):
            self._learn(found)

    def _learn(self, found: dict[str, Any]) -> None:
        task_id, status = found.get("task_id"), found.get("status")
        if isinstance(task_id, str) and isinstance(status, str):
            self._keep(f"task {status.removeprefix('TASK_STATUS_').lower()}", task_id)
        if "url" in found and isinstance(found.get("taskId"), str):
            self._keep("task pushed", found["taskId"])
        for name, value in found.items():
            if not isinstance(value, str) or not value:
                continue
            if name == "url" and "/l/" in value:
                self._keep("link", value.rpartition("/")[2])
            kind = KINDS.get(name)
            # Its own first key must not be revoked: everything else would be refused.
            if kind is not None and value != self.key_id:
                self._keep(kind, value)

    def _keep(self, kind: str, value: str) -> None:
        known = self.told[kind]
        if value in known:
            known.remove(value)
        known.append(value)
        del known[:-KEPT]


def unguessable(data: bytes) -> set[bytes]:
    return set(UNGUESSABLE.findall(data))


def _objects(answer: Any) -> Iterator[dict[str, Any]]:
    match answer:
        case dict():
            yield answer
            for value in answer.values():
                yield from _objects(value)
        case list():
            for value in answer:
                yield from _objects(value)
