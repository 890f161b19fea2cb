"""Questions of all tasks: listed, shown, answered once."""

from ops_core.answers import Said, answer
from ops_core.ask import Ask, AskKind, AskStatus
from ops_core.asks.once import Once, Resolved, Word
from ops_core.asks.port import AskFilter, AskPage, AskStore
from ops_core.ports import Decide
from ops_core.replies import AnswerReply
from ops_core.request import check_json
from ops_core.service import TaskService


class InputService:
    """What can be done with questions. `tasks` appends the answer to the log of the task."""

    def __init__(self, store: AskStore, tasks: TaskService) -> None:
        self._store = store
        self._once = Once(store, tasks)

    async def get(self, input_id: str, *, tenant_id: str) -> Ask:
        """Raises `AskNotFound`."""
        check_json({"input_id": input_id})
        return await self._store.get_ask(tenant_id, AskKind.INPUT, input_id)

    async def list(
        self,
        *,
        tenant_id: str,
        status: AskStatus | None = None,
        task_id: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> AskPage:
        """One page, newest first. Raises `InvalidRequest` for a wrong cursor."""
        where = AskFilter(kind=AskKind.INPUT, status=status, task_id=task_id)
        return await self._store.ask_page(tenant_id, where, limit=limit, cursor=cursor)

    async def answer(
        self,
        input_id: str,
        reply: AnswerReply,
        *,
        tenant_id: str,
        by: str,
        idempotency_key: str | None = None,
    ) -> Resolved:
        """Answers a question, once; when this returns, the answer is on disk.

        The same request with the same key is answered with what it did. Raises `AskNotFound`,
        `AlreadyResolved`.
        """
        check_json({"input_id": input_id})

        def decide(ask: Ask, said: Said) -> Decide:
            return answer(ask.step, reply.answer, said)

        word = Word(
            tenant_id=tenant_id,
            by=by,
            sent=reply.model_dump(mode="json"),
            idempotency_key=idempotency_key,
        )
        return await self._once.say(AskKind.INPUT, input_id, word, decide)
