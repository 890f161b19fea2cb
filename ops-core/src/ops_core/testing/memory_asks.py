"""The in-memory store of asks: folded from the logs as these grow."""

from collections.abc import Iterator

from ops_core.ask import Ask, AskKind, AskStatus, expiry
from ops_core.asks.port import AskFilter, AskPage
from ops_core.errors import AskNotFound, FieldError, InvalidRequest
from ops_core.moves import wake
from ops_core.testing.memory_state import MemoryState


class MemoryAskStore(MemoryState):
    """`AskStore` over dictionaries."""

    async def get_ask(self, tenant_id: str, kind: AskKind, ask_id: str) -> Ask:
        for ask in self._all():
            if (ask.tenant_id, ask.ask_id, ask.kind) == (tenant_id, ask_id, kind):
                return ask
        raise AskNotFound(ask_id)

    async def ask_page(
        self, tenant_id: str, where: AskFilter, *, limit: int, cursor: str | None
    ) -> AskPage:
        found = [ask for ask in self._all() if ask.tenant_id == tenant_id and _matches(ask, where)]
        found.sort(key=lambda ask: (ask.requested_at, ask.ask_id), reverse=True)
        start = 0
        if cursor is not None:
            start = 1 + next((i for i, ask in enumerate(found) if ask.ask_id == cursor), -1)
            if start == 0:
                message = "was not given out by this server; start again without it"
                raise InvalidRequest([FieldError("cursor", message)])
        page = found[start : start + limit]
        more = len(found) > start + limit
        return AskPage(page, len(found), page[-1].ask_id if more else None)

    async def expire_asks(self, limit: int) -> int:
        now = self._clock()
        due = [
            (key, ask)
            for key, ledger in self._asks.items()
            for ask in ledger.asks.values()
            if ask.status is AskStatus.PENDING and ask.expires_at and ask.expires_at <= now
        ]
        for key, ask in due[:limit]:
            event = expiry(ask)
            self._add(key, event)
            self._signal(key)
            self._apply(key, wake(event.type))
        return len(due[:limit])

    def _all(self) -> Iterator[Ask]:
        for ledger in self._asks.values():
            yield from ledger.asks.values()


def _matches(ask: Ask, where: AskFilter) -> bool:
    return (
        ask.kind is where.kind
        and where.status in (None, ask.status)
        and where.task_id in (None, ask.task_id)
    )
