"""Steps, and what a client brings to a task that waits: between messages and values."""

from typing import Any, Final

from google.protobuf.message import Message

from ops_core.bodies import parsed
from ops_core.errors import FieldError, InvalidRequest
from ops_core.replies import ApprovalReply, EffectReply, InputReply
from ops_core.rpc.convert import from_struct, from_value, json_value, struct
from ops_core.rpc.v1 import tasks_pb2
from ops_core.steps import StepEntry

_OUTCOMES: Final = {
    tasks_pb2.EFFECT_OUTCOME_HAPPENED: "happened",
    tasks_pb2.EFFECT_OUTCOME_RUN_AGAIN: "run_again",
    tasks_pb2.EFFECT_OUTCOME_FAIL: "fail",
}
_DECISIONS: Final = {
    tasks_pb2.APPROVAL_DECISION_APPROVE: "approve",
    tasks_pb2.APPROVAL_DECISION_REJECT: "reject",
}


def step_message(step: StepEntry) -> tasks_pb2.Step:
    """Fields that a step does not have are absent."""
    message = tasks_pb2.Step(
        step=step.step,
        kind=step.kind,
        name=step.name,
        key=step.key,
        status=f"STEP_STATUS_{step.status.name}",
        effect=step.effect,
        truncated=step.truncated,
        why=step.why,
        usage=None if step.usage is None else struct(step.usage),
        cost_usd=step.cost_usd,
        resolution=None if step.resolution is None else struct(step.resolution),
        attempt=step.attempt,
        generation=step.generation,
        started_at=step.started_at,
        finished_at=step.finished_at,
        duration_s=step.duration_s,
    )
    if step.arguments is not None:
        message.arguments.CopyFrom(json_value(step.arguments))
    if step.output is not None:
        message.output.CopyFrom(json_value(step.output))
    return message


def input_reply(message: tasks_pb2.SendInputRequest) -> InputReply:
    """Raises `InvalidRequest` naming each wrong field, as those below do."""
    data = _values(message, "answer") | _texts(message, "step")
    return parsed(InputReply, data)


def effect_reply(message: tasks_pb2.ResolveEffectRequest) -> EffectReply:
    outcome = _named(_OUTCOMES, message.outcome, "outcome")
    return parsed(EffectReply, _values(message, "result") | {"outcome": outcome})


def approval_reply(message: tasks_pb2.ResolveApprovalRequest) -> ApprovalReply:
    data = _texts(message, "comment") | _texts(message, "hash")
    if message.HasField("arguments"):
        data["arguments"] = from_struct(message.arguments)
    return parsed(ApprovalReply, data | {"decision": decision_named(message.decision)})


def decision_named(number: int, field: str = "decision") -> str:
    """What a person decided. Raises `InvalidRequest` for a number that means nothing."""
    return _named(_DECISIONS, number, field)


def _values(message: Message, name: str) -> dict[str, Any]:
    return {name: from_value(getattr(message, name))} if message.HasField(name) else {}


def _texts(message: Message, name: str) -> dict[str, Any]:
    return {name: getattr(message, name)} if message.HasField(name) else {}


def _named(known: dict[Any, str], number: int, field: str) -> str:
    if number == 0:
        raise InvalidRequest([FieldError(field, "is required")])
    if number not in known:
        raise InvalidRequest([FieldError(field, "is not a value that is known")])
    return known[number]
