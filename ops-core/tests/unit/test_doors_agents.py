"""Agents and threads over REST and gRPC: one service behind both doors."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from door_support import channel_to, client_of, refused, struct, stub_of
from google.protobuf.json_format import MessageToDict

from ops_core.api import create_app
from ops_core.moves import Move, complete, fail
from ops_core.ports import AgentKind, Lease, TaskType
from ops_core.rpc.v1 import (
    agents_pb2,
    agents_pb2_grpc,
    tasks_pb2,
    threads_pb2,
    threads_pb2_grpc,
)
from ops_core.service import TaskService
from ops_core.task import Reason, TaskError
from ops_core.testing import FrozenClock, MemoryStore, services_of

pytestmark = pytest.mark.unit

AGENTS = "/api/v1/agents/"
THREADS = "/api/v1/threads/"
TASKS = "/api/v1/tasks/"

KIND = AgentKind(
    definition_schema={
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "text": {"type": "string"},
            "handoffs": {"type": "array", "items": {"type": "string"}},
            "overrides": {"type": "array"},
        },
    },
    config=("config",),
    overridable=("model",),
)
TYPES = {
    "echo": TaskType(
        name="echo",
        input_schema={"type": "object"},
        agent_kind=KIND,
        asked="goal",
        answered="output",
    ),
    "plain": TaskType(name="plain", input_schema={"type": "object"}),
}


@dataclass
class Doors:
    """Both doors of one set of services."""

    rest: httpx2.AsyncClient
    tasks: Any
    agents: Any
    threads: Any
    store: MemoryStore

    async def define(self, name: str, **definition: Any) -> httpx2.Response:
        return await self.rest.put(f"{AGENTS}{name}", json={"definition": definition})

    async def submit(self, **fields: Any) -> httpx2.Response:
        return await self.rest.post(TASKS, json={"task_type": "echo", **fields})

    async def finish(self, answer: str) -> None:
        """A worker runs the next task to its answer."""
        await self.end(complete({"output": answer}))

    async def end(self, move: Move) -> None:
        """A worker runs the next task to this end."""
        await self.store.beat("w", ["default"], slots=1, running=0)
        [task] = await self.store.claim("w", ["default"], 1)
        lease = Lease("default", task.task_id, "w", task.epoch)
        await self.store.settle(lease, move)
        await self.store.tell_ends(10)


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    store = MemoryStore(FrozenClock())
    tasks = TaskService(store, TYPES, lambda *_: None, store.agents)
    services = services_of(tasks, store=store, types=TYPES, kind=KIND)
    async with client_of(create_app(services)) as rest, channel_to(services) as channel:
        yield Doors(
            rest,
            stub_of(channel),
            stub_of(channel, agents_pb2_grpc.AgentServiceStub),
            stub_of(channel, threads_pb2_grpc.ThreadServiceStub),
            store,
        )


def problem(answer: httpx2.Response) -> tuple[int, str, list[str]]:
    found = answer.json()
    fields = [error["path"] for error in found.get("errors", [])]
    return answer.status_code, found["type"].removeprefix("urn:opspawn:problem:"), fields


async def same_refusal(answer: httpx2.Response, call: Any) -> tuple[str, list[str]]:
    """The type and the fields, which both doors name alike."""
    _, kind, fields = problem(answer)
    found = await refused(call)
    assert (kind, fields) == (found.type, [*found.fields])
    return kind, fields


async def test_a_version_is_answered_whole(doors: Doors) -> None:
    """201 with its place, and 200 when it says nothing new."""
    first = await doors.define("scout", text="a")
    assert {
        "name": "scout",
        "version": 1,
        "definition": {"text": "a"},
        "created_at": "2026-01-01T00:00:00.000000Z",
        "created_by": "anonymous",
        "archived_at": None,
    } == first.json()
    assert (201, f"{AGENTS}scout/versions/1") == (first.status_code, first.headers["location"])
    again = await doors.define("scout", text="a")
    assert (200, first.json()) == (again.status_code, again.json())
    assert 2 == (await doors.define("scout", text="b")).json()["version"]
    assert first.json() == (await doors.rest.get(f"{AGENTS}scout/versions/1/")).json()
    assert 2 == (await doors.rest.get(f"{AGENTS}scout")).json()["version"]


async def test_a_new_agent_has_a_name_of_its_own(doors: Doors) -> None:
    """409 for another definition, 200 for the same one."""
    sent = {"name": "scout", "definition": {"text": "a"}}
    answers = [await doors.rest.post(AGENTS, json=sent) for _ in range(2)]
    assert [201, 200] == [answer.status_code for answer in answers]
    taken = await doors.rest.post(AGENTS, json={"name": "scout", "definition": {}})
    call = doors.agents.CreateAgent(
        agents_pb2.CreateAgentRequest(name="scout", definition=struct())
    )
    assert ("agent_exists", []) == await same_refusal(taken, call)


async def test_an_agent_of_one_door_is_seen_through_the_other(doors: Doors) -> None:
    """Defined, listed, archived: the same values."""
    put = await doors.agents.PutAgent(
        agents_pb2.PutAgentRequest(name="scout", definition=struct(text="a"))
    )
    assert (1, True) == (put.agent.version, put.created)
    await doors.define("scout", text="b")
    got = await doors.agents.GetAgent(agents_pb2.GetAgentRequest(name="scout", version=2))
    shown = (await doors.rest.get(f"{AGENTS}scout")).json()
    expected = MessageToDict(got.agent, preserving_proto_field_name=True)
    assert expected | {"created_at": shown["created_at"], "archived_at": None} == shown
    request = agents_pb2.ListAgentVersionsRequest(name="scout", limit=1)
    first = await doors.agents.ListAgentVersions(request)
    rest = await doors.rest.get(f"{AGENTS}scout/versions", params={"cursor": first.next_cursor})
    assert ([2], [1]) == (
        [agent.version for agent in first.agents],
        [agent["version"] for agent in rest.json()["agents"]],
    )
    await doors.agents.ArchiveAgent(agents_pb2.ArchiveAgentRequest(name="scout"))
    assert [] == (await doors.rest.get(AGENTS)).json()["agents"]
    listed = await doors.agents.ListAgents(agents_pb2.ListAgentsRequest(archived=True))
    assert ["scout"] == [agent.name for agent in listed.agents]


@pytest.mark.parametrize(
    "definition", [{"texts": "a"}, {"text": 1}, {"handoffs": ["nobody"]}, {"handoffs": ["scout"]}]
)
async def test_both_doors_judge_a_definition_alike(
    doors: Doors, definition: dict[str, Any]
) -> None:
    """The same type and the same fields, and nothing is stored."""
    answer = await doors.define("scout", **definition)
    request = agents_pb2.PutAgentRequest(name="scout", definition=struct(**definition))
    kind, fields = await same_refusal(answer, doors.agents.PutAgent(request))
    assert kind == "invalid_request"
    assert fields[0].startswith("definition.")
    assert [] == (await doors.rest.get(AGENTS)).json()["agents"]


async def test_both_doors_miss_an_agent_alike(doors: Doors) -> None:
    """By its name or its version; a number that none can have is that of none."""
    missing = await doors.rest.get(f"{AGENTS}nobody")
    call = doors.agents.GetAgent(agents_pb2.GetAgentRequest(name="nobody"))
    assert ("agent_not_found", []) == await same_refusal(missing, call)
    await doors.define("scout")
    for version in ("2", "0", "-1", "x", "9" * 5000):
        answer = await doors.rest.get(f"{AGENTS}scout/versions/{version}")
        assert (404, "agent_not_found", []) == problem(answer)
    call = doors.agents.GetAgent(agents_pb2.GetAgentRequest(name="scout", version=-1))
    assert "agent_not_found" == (await refused(call)).type


@pytest.mark.parametrize(
    "path",
    [
        f"{AGENTS}?limit=0",
        f"{AGENTS}?archived=maybe",
        f"{AGENTS}?limit=1&limit=2",
        f"{AGENTS}a?x=1",
    ],
)
async def test_a_wrong_parameter_is_named(doors: Doors, path: str) -> None:
    """As on every other route."""
    status, kind, fields = problem(await doors.rest.get(path))
    assert (422, "invalid_request") == (status, kind)
    assert fields[0].startswith("query.")


async def test_a_task_is_tied_to_the_version_it_was_submitted_with(doors: Doors) -> None:
    """Both doors show it, without the number in the name."""
    await doors.define("scout", text="a")
    await doors.define("scout", text="b")
    task = (await doors.submit(agent="scout@1")).json()
    assert ("scout", 1) == (task["agent"], task["agent_version"])
    created = await doors.tasks.CreateTask(
        tasks_pb2.CreateTaskRequest(task_type="echo", agent="scout")
    )
    assert ("scout", 2) == (created.task.agent, created.task.agent_version)
    listed = (await doors.rest.get(TASKS, params={"agent": "scout"})).json()
    assert 2 == listed["total"]


@pytest.mark.parametrize(
    "fields",
    [
        {"agent": "nobody"},
        {"agent": "scout@9"},
        {"agent": "scout", "input_data": {"config": {"text": "x"}}},
        {"task_type": "plain", "agent": "scout"},
        {"on_busy": "enqueue"},
        {"thread_id": "t", "on_busy": "wait"},
        {"thread_id": "t", "parent_task_id": "task_0"},
    ],
)
async def test_both_doors_refuse_a_task_alike(doors: Doors, fields: dict[str, Any]) -> None:
    """And nothing is stored."""
    await doors.define("scout")
    answer = await doors.submit(**fields)
    data = {"input_data": struct(**fields["input_data"])} if "input_data" in fields else {}
    request = tasks_pb2.CreateTaskRequest(**{"task_type": "echo", **fields, **data})
    kind, _ = await same_refusal(answer, doors.tasks.CreateTask(request))
    assert "invalid_request" == kind
    assert 0 == (await doors.rest.get(TASKS)).json()["total"]


async def test_a_conversation_is_seen_alike_through_both_doors(doors: Doors) -> None:
    """What was asked and answered, with the tasks, in order and in pages."""
    first = await doors.submit(thread_id="t", input_data={"goal": "a"})
    await doors.finish("b")
    await doors.submit(thread_id="t", input_data={"goal": "c"})
    page = (await doors.rest.get(f"{THREADS}t/messages", params={"limit": 1})).json()
    [message] = page["messages"]
    assert (1, first.json()["task_id"], "completed", "a", "b") == (
        message["seq"],
        message["task_id"],
        message["status"],
        message["asked"],
        message["answered"],
    )
    request = threads_pb2.ListMessagesRequest(thread_id="t", after=page["next_after"])
    rest = await doors.threads.ListMessages(request)
    assert [(2, "c", False)] == [
        (each.seq, each.asked.string_value, each.HasField("answered")) for each in rest.messages
    ]
    got = (await doors.threads.GetThread(threads_pb2.GetThreadRequest(thread_id="t"))).thread
    shown = (await doors.rest.get(f"{THREADS}t/")).json()
    assert (got.last_seq, got.on_busy) == (shown["last_seq"], shown["on_busy"]) == (2, "enqueue")


async def test_what_there_was_of_an_answer_answers_nothing(doors: Doors) -> None:
    """A task that was cut short has it; the conversation does not."""
    await doors.submit(thread_id="t", input_data={"goal": "a"})
    error = TaskError(type="budget_exhausted", message="Raise it.")
    await doors.end(fail(error, Reason.BUDGET_EXHAUSTED, partial={"output": "half"}))
    [message] = (await doors.rest.get(f"{THREADS}t/messages")).json()["messages"]
    assert ("failed", None) == (message["status"], message["answered"])


async def test_a_thread_is_made_with_a_policy(doors: Doors) -> None:
    """409 for an id that is taken, and for a task that it does not take."""
    sent = {"thread_id": "a/b", "name": "Talk", "on_busy": "reject"}
    made = await doors.rest.post(THREADS, json=sent)
    assert (201, f"{THREADS}a%2Fb") == (made.status_code, made.headers["location"])
    call = doors.threads.CreateThread(threads_pb2.CreateThreadRequest(thread_id="a/b"))
    again = await doors.rest.post(THREADS, json=sent)
    assert ("thread_exists", []) == await same_refusal(again, call)
    await doors.submit(thread_id="a/b")
    busy = await doors.submit(thread_id="a/b")
    request = tasks_pb2.CreateTaskRequest(task_type="echo", thread_id="a/b")
    assert ("thread_busy", []) == await same_refusal(busy, doors.tasks.CreateTask(request))
    assert 201 == (await doors.submit(thread_id="a/b", on_busy="interrupt")).status_code


async def test_a_thread_is_forked_and_archived(doors: Doors) -> None:
    """Through either door."""
    await doors.submit(thread_id="t", input_data={"goal": "a"})
    await doors.finish("b")
    fork = (await doors.rest.post(f"{THREADS}t/fork", json={"after_seq": 1})).json()
    assert ({"thread_id": "t", "seq": 1}, 1) == (fork["forked_from"], fork["last_seq"])
    request = threads_pb2.ForkThreadRequest(thread_id="t", after_seq=1, new_thread_id="f")
    other = (await doors.threads.ForkThread(request)).thread
    assert ("f", "t", 1) == (other.thread_id, other.forked_from_thread_id, other.forked_from_seq)
    wrong = await doors.rest.post(f"{THREADS}t/fork", json={"after_seq": 2})
    call = doors.threads.ForkThread(threads_pb2.ForkThreadRequest(thread_id="t", after_seq=2))
    assert ("invalid_request", ["after_seq"]) == await same_refusal(wrong, call)
    assert (await doors.rest.delete(f"{THREADS}t")).json()["archived_at"] is not None
    refusal = await doors.submit(thread_id="t")
    request_task = tasks_pb2.CreateTaskRequest(task_type="echo", thread_id="t")
    assert ("thread_archived", []) == await same_refusal(
        refusal, doors.tasks.CreateTask(request_task)
    )
    await doors.threads.ArchiveThread(threads_pb2.ArchiveThreadRequest(thread_id="f"))
    listed = (await doors.rest.get(THREADS)).json()["threads"]
    archived = await doors.threads.ListThreads(threads_pb2.ListThreadsRequest(archived=True))
    assert ([fork["thread_id"]], {"t", "f"}) == (
        [thread["thread_id"] for thread in listed],
        {thread.thread_id for thread in archived.threads},
    )


@pytest.mark.parametrize("verb", ["", "/messages"])
async def test_both_doors_miss_a_thread_alike(doors: Doors, verb: str) -> None:
    """To look at, and to read."""
    answer = await doors.rest.get(f"{THREADS}none{verb}")
    call = (
        doors.threads.ListMessages(threads_pb2.ListMessagesRequest(thread_id="none"))
        if verb
        else doors.threads.GetThread(threads_pb2.GetThreadRequest(thread_id="none"))
    )
    assert ("thread_not_found", []) == await same_refusal(answer, call)


async def test_a_name_that_is_left_out_is_named(doors: Doors) -> None:
    """gRPC has no path to leave it out of."""
    for call in (
        doors.agents.GetAgent(agents_pb2.GetAgentRequest()),
        doors.agents.PutAgent(agents_pb2.PutAgentRequest(definition=struct())),
        doors.threads.GetThread(threads_pb2.GetThreadRequest()),
        doors.threads.ForkThread(threads_pb2.ForkThreadRequest(after_seq=1)),
    ):
        assert "invalid_request" == (await refused(call)).type
