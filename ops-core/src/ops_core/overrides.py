"""What a client may ask of a fork: where it leaves its source, and what it does differently from there."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from ops_core.agents import AgentRef
from ops_core.bodies import parsed, parsed_json
from ops_core.errors import FieldError, InvalidRequest
from ops_core.ports import TaskType
from ops_core.request import MAX_INTEGER, TaskRequest, parse_request
from ops_core.task import JsonObject, Task

#: Overrides that every type of task has: a merge into its input, and what tools are to have returned.
INPUT: Final = "input_data"
RESULTS: Final = "tool_results"


class ForkRequest(BaseModel):
    """A fork: the log up to `after_seq` is shared, what follows is the new task's own."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    after_seq: int = Field(ge=1, le=MAX_INTEGER, description="The last event that is shared.")
    overrides: dict[str, Any] = Field(
        default_factory=dict,
        description="What the fork does differently: `input_data` (merged, null removes), `tool_results` "
        "(by the path of the call), and the short names of the task type; for agent_run `goal`, `model`, "
        "`provider` and `agent_config`.",
        examples=[{"model": "another-model", "tool_results": {"1/tool/1": "42"}}],
    )

    def digest(self, task_id: str) -> str:
        """SHA-256 of the canonical request: two with one digest ask for the same fork."""
        asked = {"fork_of": task_id, **self.model_dump()}
        canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def parse_fork(data: JsonObject) -> ForkRequest:
    """Parses a request that is already Python data. Raises `InvalidRequest` naming each wrong field."""
    return parsed(ForkRequest, data)


def parse_fork_json(body: bytes) -> ForkRequest:
    """Parses a request from JSON text. Raises `InvalidRequest` naming each wrong field."""
    return parsed_json(ForkRequest, body)


def results_of(request: ForkRequest) -> JsonObject:
    """What calls are to have returned, by their paths. Raises `InvalidRequest`."""
    return _object(request.overrides, RESULTS)


def input_of(request: ForkRequest, source: JsonObject, task_type: TaskType) -> JsonObject:
    """The input of the fork. Raises `InvalidRequest` for an override that this type of task does not have."""
    places = task_type.overrides
    unknown = [name for name in request.overrides if name not in {INPUT, RESULTS, *places}]
    if unknown:
        known = ", ".join([*places, INPUT, RESULTS])
        raise InvalidRequest(
            [
                FieldError(f"overrides.{name}", f"is no known override; known: {known}")
                for name in unknown
            ]
        )
    data = _merged(source, _object(request.overrides, INPUT))
    for name, place in places.items():
        if name in request.overrides:
            data = _merged(data, _placed(place, request.overrides[name]))
    return data


def asked_again(
    fork: ForkRequest, source: Task, submitted: JsonObject, task_type: TaskType
) -> TaskRequest:
    """What the fork is asked to do: the same as its source, but for the overrides.

    `submitted` is what the first event of the source says. Raises `InvalidRequest`.
    """
    return parse_request(
        {
            "task_type": source.task_type,
            "input_data": input_of(fork, source.input_data, task_type),
            "name": source.name,
            "agent": str(AgentRef(source.agent, source.agent_version)),
            "thread_id": source.thread_id,
            "priority": source.priority,
            "labels": source.labels,
            "deadline_s": submitted.get("deadline_s"),
            "retry_policy": asdict(source.retry_policy),
            "concurrency_key": source.concurrency_key,
            "budget": source.budget.json() if source.budget else None,
        }
    )


def _object(overrides: JsonObject, name: str) -> JsonObject:
    value = overrides.get(name, {})
    if not isinstance(value, dict):
        raise InvalidRequest([FieldError(f"overrides.{name}", "must be an object")])
    return value


def _placed(place: Sequence[str], value: Any) -> JsonObject:
    for name in reversed(place):
        value = {name: value}
    placed: JsonObject = value
    return placed


def _merged(target: JsonObject, patch: JsonObject) -> JsonObject:
    """JSON merge patch (RFC 7396): objects are merged, null removes, anything else replaces."""
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            before = merged.get(name)
            merged[name] = _merged(before if isinstance(before, dict) else {}, value)
        else:
            merged[name] = value
    return merged
