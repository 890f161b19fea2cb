"""Every call of the contract that has a method of its own, as values: both clients send these."""

from dataclasses import replace
from typing import Any, Literal

from opspawn.client.call import Call, Json, get, given, post, segment
from opspawn.client.reading import as_it_is, list_of, page_of
from opspawn.client.views import Approval, Event, Page, Question, Step, Task

Decision = Literal["approve", "reject"]
Outcome = Literal["happened", "run_again", "fail"]


def submit(body: Json, key: str | None) -> Call[Task]:
    return post("/tasks/", Task.model_validate, body, key=key)


def goal_body(goal: str, agent_config: Json | None, fields: Json) -> Json:
    """The body that submits a goal for an agent; `fields` are those of the task itself."""
    data = dict(fields.pop("input_data", None) or {}) | {"goal": goal}
    if agent_config is not None:
        data["agent_config"] = agent_config
    return {"task_type": "agent_run", "input_data": data, **given(fields)}


def task(task_id: str, *, held_s: int = 0) -> Call[Task]:
    call = get(f"/tasks/{segment(task_id)}", Task.model_validate)
    return call if held_s == 0 else _held(call, held_s)


def tasks(where: Json) -> Call[Page[Task]]:
    return get("/tasks/", page_of("tasks", Task), **where)


def children(task_id: str, **where: Any) -> Call[Page[Task]]:
    return get(f"/tasks/{segment(task_id)}/children", page_of("tasks", Task), **where)


def steps(task_id: str, after: int, limit: int) -> Call[list[Step]]:
    path = f"/tasks/{segment(task_id)}/steps"
    return get(path, list_of("steps", Step), after=after, limit=limit)


def events(task_id: str, after: int, limit: int) -> Call[list[Event]]:
    path = f"/tasks/{segment(task_id)}/events"
    return get(path, list_of("events", Event), after=after, limit=limit)


def stream(task_id: str, after: int) -> Call[list[Event]]:
    """A server that does not stream answers it with a page."""
    path = f"/tasks/{segment(task_id)}/events"
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
    return Call(
        method="GET",
        path=path,
        read=list_of("events", Event),
        params={"after": after},
        headers=headers,
        repeatable=True,
    )


def cancel(task_id: str) -> Call[Task]:
    return post(f"/tasks/{segment(task_id)}/cancel", Task.model_validate)


def retry(task_id: str) -> Call[Task]:
    # A second one, should the task have failed again meanwhile, would open yet another generation.
    return post(f"/tasks/{segment(task_id)}/retry", Task.model_validate, repeatable=False)


def fork(task_id: str, after_seq: int, overrides: Json | None, key: str | None) -> Call[Task]:
    body = {"after_seq": after_seq, "overrides": overrides or {}}
    return post(f"/tasks/{segment(task_id)}/fork", Task.model_validate, body, key=key)


def answer(task_id: str, value: Any, step: str | None) -> Call[Task]:
    # Without a step, a second one might answer the question that came next.
    body = {"answer": value} if step is None else {"answer": value, "step": step}
    path = f"/tasks/{segment(task_id)}/input"
    return post(path, Task.model_validate, body, repeatable=False)


def resolve_effect(task_id: str, step: str, outcome: Outcome, result: Any) -> Call[Task]:
    path = f"/tasks/{segment(task_id)}/effects/{segment(step)}/resolve"
    body: Json = {"outcome": outcome} if result is None else {"outcome": outcome, "result": result}
    return post(path, Task.model_validate, body, repeatable=False)


def resolve_approval(
    task_id: str, step: str, decision: Decision, comment: str | None
) -> Call[Task]:
    """By the place in the task, where nobody has the id of the approval."""
    path = f"/tasks/{segment(task_id)}/approvals/{segment(step)}/resolve"
    body = given({"decision": decision, "comment": comment})
    return post(path, Task.model_validate, body, repeatable=False)


def approvals(where: Json) -> Call[Page[Approval]]:
    return get("/approvals/", page_of("approvals", Approval), **where)


def approval(approval_id: str) -> Call[Approval]:
    return get(f"/approvals/{segment(approval_id)}", Approval.model_validate)


def decide(
    approval_id: str,
    decision: Decision,
    comment: str | None,
    arguments: Json | None,
    key: str | None,
    seen_hash: str | None = None,
) -> Call[Approval]:
    said = {"decision": decision, "comment": comment, "arguments": arguments, "hash": seen_hash}
    body = given(said)
    return post(
        f"/approvals/{segment(approval_id)}/resolve", Approval.model_validate, body, key=key
    )


def questions(where: Json) -> Call[Page[Question]]:
    return get("/inputs/", page_of("inputs", Question), **where)


def question(input_id: str) -> Call[Question]:
    return get(f"/inputs/{segment(input_id)}", Question.model_validate)


def answer_question(input_id: str, value: Any, key: str | None) -> Call[Question]:
    path = f"/inputs/{segment(input_id)}/answer"
    return post(path, Question.model_validate, {"answer": value}, key=key)


def dead_letters(**where: Any) -> Call[Page[Task]]:
    return get("/dead-letters", page_of("tasks", Task), **where)


def retry_dead_letter(task_id: str) -> Call[Task]:
    path = f"/dead-letters/{segment(task_id)}/retry"
    return post(path, Task.model_validate, repeatable=False)


def discard_dead_letter(task_id: str) -> Call[Task]:
    path = f"/dead-letters/{segment(task_id)}/discard"
    return post(path, Task.model_validate, repeatable=False)


def anything(method: str, path: str, params: Json | None, body: Json | None) -> Call[Json]:
    """A route that has no method here. What is not read, replaced or deleted is not repeated."""
    wanted = method.upper()
    call = post(path, as_it_is, body, repeatable=wanted in {"GET", "HEAD", "PUT", "DELETE"})
    return replace(call, method=wanted, params=params or {})


def _held(call: Call[Task], held_s: int) -> Call[Task]:
    return replace(call, headers={"Prefer": f"wait={held_s}"}, held_s=float(held_s))
