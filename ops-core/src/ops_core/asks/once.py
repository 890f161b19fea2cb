"""Says something to an ask, which can be done once."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ops_core.answers import Said, only_for
from ops_core.ask import Ask, AskKind, AskStatus
from ops_core.asks.port import AskStore
from ops_core.bounds import checked_key
from ops_core.errors import AlreadyResolved, TaskFinished
from ops_core.ports import Decide
from ops_core.service import TaskService


@dataclass(frozen=True, slots=True)
class Resolved:
    """An ask that was resolved, and whether this request had done it before."""

    ask: Ask
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What somebody says to an ask: who, what (as it was sent), and under which idempotency key."""

    tenant_id: str
    by: str
    sent: Any
    idempotency_key: str | None = None

    def said(self, ask_id: str) -> Said:
        """Raises `InvalidRequest` for a key that cannot be one."""
        key = checked_key(self.idempotency_key)
        if key is None:
            return Said(by=self.by)
        canonical = json.dumps([key, ask_id, self.sent], sort_keys=True, separators=(",", ":"))
        return Said(by=self.by, request_hash=hashlib.sha256(canonical.encode()).hexdigest())


class Once:
    """The one way in which asks are resolved through a door."""

    def __init__(self, store: AskStore, tasks: TaskService) -> None:
        self._store = store
        self._tasks = tasks

    async def say(
        self, kind: AskKind, ask_id: str, word: Word, make: Callable[[Ask, Said], Decide]
    ) -> Resolved:
        """Resolves the ask with the event that `make` says, under the lock of its task.

        Raises `AskNotFound`, `InvalidRequest`, and `AlreadyResolved`, but for the same request again.
        """
        ask = await self._store.get_ask(word.tenant_id, kind, ask_id)
        said = word.said(ask.ask_id)
        decide = make(ask, said)
        status: str = ask.status
        if ask.status is AskStatus.PENDING:
            try:
                await self._tasks.bring(ask.task_id, only_for(ask, decide), word.tenant_id)
            except AlreadyResolved as error:
                status = error.status
            except TaskFinished:
                status = AskStatus.CANCELLED
            else:
                return Resolved(await self._store.get_ask(word.tenant_id, kind, ask_id), False)
            ask = await self._store.get_ask(word.tenant_id, kind, ask_id)
        if said.request_hash is not None and said.request_hash == ask.request_hash:
            return Resolved(ask, True)
        raise AlreadyResolved(ask.ask_id, status if ask.status is AskStatus.PENDING else ask.status)
