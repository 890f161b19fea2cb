"""Approvals and questions, between messages and values."""

from typing import Any, Final, TypeVar

from google.protobuf.message import Message
from pydantic import ValidationError

from ops_core.ask import Ask, AskStatus
from ops_core.asks.query import ApprovalQuery, InputQuery
from ops_core.bodies import parsed
from ops_core.errors import FieldError, InvalidRequest
from ops_core.query import PageQuery
from ops_core.replies import AnswerReply, ApprovalReply, LinkRequest
from ops_core.request import invalid
from ops_core.rpc.convert import from_struct, from_value, json_value, struct
from ops_core.rpc.v1 import approvals_pb2
from ops_core.rpc.waiting import decision_named

Query = TypeVar("Query", bound=PageQuery)

_STATUSES: Final = {
    approvals_pb2.AskStatus.Value(f"ASK_STATUS_{status.name}"): status for status in AskStatus
}


def approval_message(ask: Ask) -> approvals_pb2.Approval:
    """Fields that an approval does not have are absent."""
    said = ask.resolution or {}
    message = approvals_pb2.Approval(
        approval_id=ask.ask_id,
        task_id=ask.task_id,
        step=ask.step,
        generation=ask.generation,
        status=f"ASK_STATUS_{ask.status.name}",
        question=ask.asked.get("question"),
        tool=ask.asked.get("tool"),
        hash=ask.hash,
        sources=[struct(source) for source in ask.asked.get("sources") or []],
        decision=said.get("decision"),
        comment=said.get("comment"),
        resolved_by=ask.resolved_by,
        requested_at=ask.requested_at,
        expires_at=ask.expires_at,
        resolved_at=ask.resolved_at,
    )
    if ask.asked.get("arguments") is not None:
        message.arguments.CopyFrom(json_value(ask.asked["arguments"]))
    if said.get("arguments") is not None:
        message.given_arguments.CopyFrom(struct(said["arguments"]))
    return message


def input_message(ask: Ask) -> approvals_pb2.Input:
    """Fields that a question does not have are absent."""
    message = approvals_pb2.Input(
        input_id=ask.ask_id,
        task_id=ask.task_id,
        step=ask.step,
        generation=ask.generation,
        status=f"ASK_STATUS_{ask.status.name}",
        question=ask.asked.get("question"),
        resolved_by=ask.resolved_by,
        requested_at=ask.requested_at,
        expires_at=ask.expires_at,
        resolved_at=ask.resolved_at,
    )
    if ask.resolution is not None:
        message.answer.CopyFrom(json_value(ask.resolution.get("answer")))
    return message


def approval_query(message: approvals_pb2.ListApprovalsRequest) -> ApprovalQuery:
    """Raises `InvalidRequest` naming each wrong field, as those below do."""
    return _query(ApprovalQuery, message)


def input_query(message: approvals_pb2.ListInputsRequest) -> InputQuery:
    return _query(InputQuery, message)


def decision_reply(message: approvals_pb2.DecideApprovalRequest) -> ApprovalReply:
    data = _set_fields(message, "comment", "hash") | {"decision": decision_named(message.decision)}
    if message.HasField("arguments"):
        data["arguments"] = from_struct(message.arguments)
    return parsed(ApprovalReply, data)


def answer_reply(message: approvals_pb2.AnswerInputRequest) -> AnswerReply:
    given = {"answer": from_value(message.answer)} if message.HasField("answer") else {}
    return parsed(AnswerReply, given)


def link_request(message: approvals_pb2.CreateApprovalLinkRequest) -> LinkRequest:
    data = _set_fields(message, "expires_in_s")
    if message.decisions:
        data["decisions"] = [decision_named(number, "decisions") for number in message.decisions]
    return parsed(LinkRequest, data)


def key_of(message: Any) -> str | None:
    """The idempotency key, if one was sent."""
    return message.idempotency_key if message.HasField("idempotency_key") else None


def _query(model: type[Query], message: Any) -> Query:
    data = {field.name: value for field, value in message.ListFields()}
    if message.status:
        if message.status not in _STATUSES:
            raise InvalidRequest([FieldError("status", "is not a status that is known")])
        data["status"] = _STATUSES[message.status]
    else:
        data.pop("status", None)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise invalid(error) from None


def _set_fields(message: Message, *names: str) -> dict[str, Any]:
    return {name: getattr(message, name) for name in names if message.HasField(name)}
