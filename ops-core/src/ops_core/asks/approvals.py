"""Approvals of all tasks: listed, shown, decided once."""

from ops_core.answers import Said, decision
from ops_core.ask import Ask, AskKind, AskStatus
from ops_core.asks.once import Once, Resolved, Word
from ops_core.asks.port import AskFilter, AskPage, AskStore
from ops_core.errors import FieldError, InvalidRequest
from ops_core.ports import Decide
from ops_core.replies import ApprovalReply
from ops_core.request import check_json
from ops_core.service import TaskService
from ops_core.task import Task


class ApprovalService:
    """What can be done with approvals. `tasks` appends what is decided to the log of the task."""

    def __init__(self, store: AskStore, tasks: TaskService) -> None:
        self._store = store
        self._tasks = tasks
        self._once = Once(store, tasks)

    async def get(self, approval_id: str, *, tenant_id: str) -> Ask:
        """Raises `AskNotFound`."""
        check_json({"approval_id": approval_id})
        return await self._store.get_ask(tenant_id, AskKind.APPROVAL, approval_id)

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
        where = AskFilter(kind=AskKind.APPROVAL, status=status, task_id=task_id)
        return await self._store.ask_page(tenant_id, where, limit=limit, cursor=cursor)

    async def resolve(
        self,
        approval_id: str,
        reply: ApprovalReply,
        *,
        tenant_id: str,
        by: str,
        idempotency_key: str | None = None,
    ) -> Resolved:
        """Approves or rejects a call, once; when this returns, the decision is on disk.

        The same request with the same key is answered with what it did. Raises `AskNotFound`,
        `AlreadyResolved`, and `InvalidRequest` when `hash` is not that of the approval.
        """
        check_json({"approval_id": approval_id})

        def decide(ask: Ask, said: Said) -> Decide:
            if reply.hash not in (None, ask.hash):
                raise InvalidRequest(
                    [FieldError("hash", f"is not that of {ask.ask_id}, which is {ask.hash}")]
                )
            return _decision(ask.step, reply, said)

        word = Word(
            tenant_id=tenant_id,
            by=by,
            sent=reply.model_dump(mode="json"),
            idempotency_key=idempotency_key,
        )
        return await self._once.say(AskKind.APPROVAL, approval_id, word, decide)

    async def decide(
        self, task_id: str, step: str, reply: ApprovalReply, *, tenant_id: str, by: str
    ) -> Task:
        """Approves or rejects what a task waits for at a step, whatever its approval is called.

        Raises `TaskNotFound`, `TaskFinished`, `NothingAsked`, `AlreadyResolved` (it has expired).
        """
        check_json({"step": step})
        return await self._tasks.bring(task_id, _decision(step, reply, Said(by=by)), tenant_id)


def _decision(step: str, reply: ApprovalReply, said: Said) -> Decide:
    return decision(step, reply.decision, reply.comment, arguments=reply.arguments, said=said)
