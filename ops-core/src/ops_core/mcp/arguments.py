"""What the tools take, with its bounds, and how it is read."""

import json
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ops_core.bounds import MAX_KEY_LENGTH
from ops_core.query import TaskQuery
from ops_core.replies import ApprovalReply
from ops_core.request import TaskRequest, check_json, invalid
from ops_core.task import JsonObject

#: How long a call may wait. Clients give up on a call that is silent for longer. Seconds.
MAX_WAIT_S: Final = 300.0

Taken = TypeVar("Taken", bound=BaseModel)

_KEY: Final = "idempotency_key"


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class OneTask(_Arguments):
    """The id of a task."""

    task_id: str = Field(min_length=1, max_length=100)


class WaitForTask(OneTask):
    """A task, and how long to wait for it."""

    within_s: float = Field(
        30.0, ge=0, le=MAX_WAIT_S, description="Seconds; then the task is told as it is."
    )


class _Keyed(_Arguments):
    idempotency_key: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_KEY_LENGTH,
        description="Sent again with the same key, the call does nothing twice.",
    )


class RunAgent(_Keyed):
    """Work for an agent."""

    goal: str = Field(min_length=1, max_length=100_000, description="What it should achieve.")
    thread_id: str | None = Field(None, min_length=1, max_length=100)
    within_s: float = Field(
        60.0,
        ge=0,
        le=MAX_WAIT_S,
        description="How long to wait for the answer, in seconds; wait_task goes on waiting.",
    )


class AnswerTask(OneTask):
    """The answer to a question that a task asks."""

    answer: Any
    step: str | None = Field(None, max_length=1000, description="Needed when several are open.")


class ResolveApproval(_Keyed, ApprovalReply):
    """A decision on a call that needs a person's leave."""

    approval_id: str = Field(min_length=1, max_length=100)


class ListTasks(TaskQuery):
    """Which tasks to list."""


def parsed(model: type[Taken], arguments: JsonObject) -> Taken:
    """The arguments as the model has them. Raises `InvalidRequest` naming each wrong one."""
    check_json(arguments)
    try:
        return model.model_validate_json(json.dumps(arguments))
    except ValidationError as error:
        raise invalid(error) from None


def task_and_key(arguments: JsonObject) -> tuple[TaskRequest, str | None]:
    """What `submit_task` takes: a task as REST takes it, and the key that REST has in a header.

    Apart, because the request that is stored, and hashed, has to be the same on every door.
    """
    rest = {name: value for name, value in arguments.items() if name != _KEY}
    sent = {_KEY: arguments[_KEY]} if _KEY in arguments else {}
    return parsed(TaskRequest, rest), parsed(_Keyed, sent).idempotency_key


def submit_schema() -> JsonObject:
    """The schema of what `submit_task` takes."""
    schema = TaskRequest.model_json_schema()
    key = _Keyed.model_json_schema()["properties"][_KEY]
    return {**schema, "properties": {**schema["properties"], _KEY: key}}
