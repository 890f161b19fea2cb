"""A task that was cut short: what there was is seen the same through every door."""

import json
from typing import Any, Final

from a2a_support import ask, message, send, stream
from agent_door_support import Open, mcp_client, opened
from door_support import channel_to, stub_of
from google.protobuf.json_format import MessageToDict
from webhook_support import Office

from ops_core.moves import fail
from ops_core.ports import Lease
from ops_core.rpc.v1 import tasks_pb2
from ops_core.task import JsonObject, Reason, TaskError

TASKS: Final = "/api/v1/tasks"

PARTIAL: Final[JsonObject] = {
    "output": "I multiply first.",
    "structured": None,
    "artifacts": [],
    "partial": True,
    "steps": [{"step": "1/tool/1", "tool": "calculator", "output": "391"}],
}
ERROR: Final = TaskError(type="budget_exhausted", message="Raise it.")
CUT_SHORT: Final = fail(ERROR, Reason.BUDGET_EXHAUSTED, partial=PARTIAL)


async def cut_short(door: Open) -> str:
    """A task whose budget is exhausted; its id."""
    await send(door, message(), returnImmediately=True)
    return await door.end(CUT_SHORT)


async def test_a_part_of_a_result_is_the_same_through_rest_grpc_and_mcp() -> None:
    """The task's `result`, beside its error, as its last event has it."""
    async with opened() as door, mcp_client(door) as mcp, channel_to(door.services) as channel:
        task_id = await cut_short(door)
        rest = (await door.http.get(f"{TASKS}/{task_id}")).json()
        assert ("failed", "budget_exhausted", PARTIAL) == (
            rest["status"],
            rest["reason"],
            rest["result"],
        )
        got = await stub_of(channel).GetTask(tasks_pb2.GetTaskRequest(task_id=task_id))
        assert PARTIAL == MessageToDict(got.task)["result"]
        told: Any = (await mcp.call_tool("get_task", {"task_id": task_id})).structured_content
        assert rest == told
        page = (await door.http.get(f"{TASKS}/{task_id}/events")).json()
        assert PARTIAL == page["events"][-1]["data"]["result"]


async def test_the_last_frame_of_a_stream_has_it() -> None:
    """Who only listens need not ask."""
    async with opened() as door:
        task_id = await cut_short(door)
        sent = {"Accept": "text/event-stream"}
        frames = (await door.http.get(f"{TASKS}/{task_id}/events", headers=sent)).text.split("\n\n")
        end = next(frame for frame in frames if "event: task.failed" in frame)
        data = json.loads(end.split("data: ", 1)[1])
        assert PARTIAL == data["data"]["result"]


async def test_an_agent_of_mcp_tells_it_apart_from_an_answer() -> None:
    """`answer` stays null: half of one is none."""
    async with opened() as door, mcp_client(door) as mcp:
        asked = {"goal": "x", "within_s": 0, "idempotency_key": "k"}
        told: list[Any] = [await mcp.call_tool("run_default", asked)]
        await door.end(CUT_SHORT)
        told.append(await mcp.call_tool("run_default", asked))
        assert [("pending", None, None), ("failed", None, PARTIAL)] == [
            tuple(one.structured_content[name] for name in ("status", "answer", "partial"))
            for one in told
        ]


async def test_a2a_has_an_artifact_that_says_what_it_is() -> None:
    """In the task, and in the stream before the failed state."""
    artifact = {
        "artifactId": "partial",
        "name": "what there was",
        "parts": [{"text": "I multiply first."}, {"data": PARTIAL}],
        "metadata": {"partial": True},
    }
    async with opened() as door, stream(door, "SendStreamingMessage", message=message()) as told:
        task_id = (await anext(told))["task"]["id"]
        await door.end(CUT_SHORT)
        rest = [one async for one in told]
        assert artifact == rest[-2]["artifactUpdate"]["artifact"]
        assert rest[-1]["statusUpdate"]["status"]["state"] == "TASK_STATE_FAILED"
        assert [artifact] == (await ask(door, "GetTask", id=task_id))["artifacts"]


async def test_a_webhook_is_told_it() -> None:
    """In the event, and in the task."""
    office = Office()
    await office.subscribe("task.failed")
    await office.submit()
    await office.tasks.beat("w", ["default"], slots=1, running=0)
    [task] = await office.tasks.claim("w", ["default"], 1)
    await office.tasks.settle(Lease("default", task.task_id, "w", task.epoch), CUT_SHORT)
    await office.send()
    [(_url, body, _headers)] = office.receiver.came
    data = json.loads(body)["data"]
    assert [PARTIAL] * 2 == [data[part]["result"] for part in ("event", "task")]
