"""What receivers of webhooks decide in their answers: the same approvals and inputs, once, by the same rules.

An answer is trusted because it came over TLS from where the webhook leads; whoever made the webhook was let
in to decide himself. It is taken before its delivery counts as made. A dispatcher that dies in between sends
again: what the receiver then says under the same delivery is the same request, which changes nothing more.
"""

from typing import Final

import structlog

from ops_core.ask import ID_KEYS, OPENS, Ask, AskKind, AskStatus
from ops_core.asks.approvals import ApprovalService
from ops_core.asks.inputs import InputService
from ops_core.asks.once import Resolved
from ops_core.bodies import parsed_json
from ops_core.errors import AlreadyResolved, AskNotFound, InvalidRequest, NothingAsked, TaskNotFound
from ops_core.identity.gate import Attempt, Gate, OpenGate
from ops_core.log import Event
from ops_core.principal import Principal
from ops_core.replies import AnswerReply, ApprovalReply
from ops_core.webhooks.model import Claimed
from ops_core.webhooks.payload import is_whole
from ops_core.webhooks.port import Answer, Undecided

log = structlog.get_logger(__name__)

#: What an answer comes to when somebody had decided, or its time or its task was over.
LATE: Final = "late"


class HookDecisions:
    """`Decisions` of the webhooks' side. `gate`: as for links."""

    def __init__(
        self, approvals: ApprovalService, inputs: InputService, *, gate: Gate | None = None
    ) -> None:
        self._approvals = approvals
        self._inputs = inputs
        self._gate = gate or OpenGate()

    async def take(self, claimed: Claimed, answer: Answer) -> str | None:
        """Nothing at all is "not now": a person may decide. Raises `Undecided`, `StoreUnavailable`."""
        event = claimed.event
        if event is None or event.type not in OPENS or not answer.body.strip():
            return None
        kind = OPENS[event.type]
        ask_id = event.data.get(ID_KEYS[kind])
        if ask_id is None:  # asked by a build that gave it no name
            return LATE
        try:
            ask = await self._ask(kind, ask_id, claimed.delivery.tenant_id)
            done = await self._said(ask, claimed, event, answer)
        except (AlreadyResolved, AskNotFound, NothingAsked, TaskNotFound) as error:
            log.info("a webhook decided too late", **_names(claimed, ask_id), reason=str(error))
            return LATE
        if not done.replayed:
            log.info("a webhook decided", **_names(claimed, ask_id), status=done.ask.status.value)
        return done.ask.status.value

    async def _ask(self, kind: AskKind, ask_id: str, tenant_id: str) -> Ask:
        asks = self._approvals if kind is AskKind.APPROVAL else self._inputs
        return await asks.get(ask_id, tenant_id=tenant_id)

    async def _said(self, ask: Ask, claimed: Claimed, event: Event, answer: Answer) -> Resolved:
        """Raises what a service does, but for `InvalidRequest`."""
        who = Principal(tenant_id=ask.tenant_id, subject=f"webhook {claimed.delivery.webhook_id}")
        key = claimed.delivery.delivery_id
        try:
            reply = _read(ask, claimed, event, answer)
            await self._admit(who, ask, key)
            if isinstance(reply, ApprovalReply):
                return await self._approvals.resolve(
                    ask.ask_id, reply, tenant_id=ask.tenant_id, by=who.subject, idempotency_key=key
                )
            return await self._inputs.answer(
                ask.ask_id, reply, tenant_id=ask.tenant_id, by=who.subject, idempotency_key=key
            )
        except (InvalidRequest, Undecided) as error:
            if ask.status is not AskStatus.PENDING:  # a better answer would be late as well
                raise AlreadyResolved(ask.ask_id, ask.status) from None
            if isinstance(error, Undecided):
                raise
            raise Undecided(f"the answer decides nothing: {error}") from None

    async def _admit(self, who: Principal, ask: Ask, delivery_id: str) -> None:
        """Tells the audit log of what is about to be decided. Raises `Undecided`."""
        if ask.status is not AskStatus.PENDING:
            return
        if not await self._gate.is_open(who.tenant_id):
            raise Undecided("the tenant is disabled: nothing is decided in it")
        attempt = Attempt(operation="decide_by_webhook", authorization=None, request_id=delivery_id)
        await self._gate.record(attempt, who, ask.ask_id)


def _read(ask: Ask, claimed: Claimed, event: Event, answer: Answer) -> ApprovalReply | AnswerReply:
    """Raises `Undecided`, `InvalidRequest`."""
    if answer.cut:
        raise Undecided(f"the answer is longer than the {len(answer.body)} bytes that are read")
    if ask.kind is AskKind.INPUT:
        return parsed_json(AnswerReply, answer.body)
    return _bound(parsed_json(ApprovalReply, answer.body), claimed, event)


def _bound(reply: ApprovalReply, claimed: Claimed, event: Event) -> ApprovalReply:
    """What was sent is what is decided on. Raises `Undecided` where that was not all of it."""
    if reply.hash is not None:
        return reply
    if not is_whole(claimed):
        raise Undecided(
            "the call was too large to send: an answer that decides on it says its hash, as the approval does"
        )
    return reply.model_copy(update={"hash": event.data.get("hash")})


def _names(claimed: Claimed, ask_id: str) -> dict[str, str]:
    delivery = claimed.delivery
    return {"ask": ask_id, "webhook": delivery.webhook_id, "delivery": delivery.delivery_id}
