"""The fuzzers can fail: each rule is broken once on purpose, and is seen broken."""

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any, NoReturn

import grpc.aio
import pytest
import rpc_fuzz
from asgi_call import call
from fuzz_faults import faults
from operations_rest import rest_operations
from rest_fuzz import Fuzzed, in_process, try_each
from rpc_fuzz import Call, wrong
from starlette.requests import Request
from starlette.responses import Response
from tenants_machine import Machine, machine_for, run
from world import World, memory_world

from ops_core.errors import TaskNotFound
from ops_core.identity.guard import Guard
from ops_core.principal import EVERYBODY
from ops_core.testing.memory_state import MemoryState

pytestmark = pytest.mark.integration

GET_TASK = Call("/ops_core.rpc.v1.TaskService/GetTask", False, b"\x0a\x06task_1", None, None, None)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with memory_world() as opened:
        yield opened


async def violated(world: World, operations: int = 3_000) -> list[str]:
    """The rules that the machine of two tenants sees broken."""
    async with grpc.aio.insecure_channel(world.target) as channel:
        machine: Machine = await machine_for(world, channel, Random(1))
        with faults():
            await run(machine, 1, operations, walkers=1)
    return [violation.rule for violation in machine.watch.violations]


async def boom(*_: Any, **__: Any) -> NoReturn:
    raise ZeroDivisionError


async def test_a_store_that_forgets_the_tenant_is_seen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that is found by its id alone is told to the other tenant."""

    def found(self: MemoryState, _tenant_id: str, task_id: str) -> Any:
        for key, row in self._rows.items():
            if key.task_id == task_id:
                return row
        raise TaskNotFound(task_id)

    monkeypatch.setattr(MemoryState, "_row", found)
    rules = await violated(world)
    assert {rule for rule in rules if "a leak" in rule or "not the same" in rule}


async def test_a_list_that_forgets_the_tenant_is_seen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to know an id for that."""
    schedules: Any = world.services.schedules._store
    page = schedules.page

    async def of_all(_tenant_id: str, **how: Any) -> Any:
        owners = {tenant for tenant, _ in schedules._schedules}
        return await page(next(iter(owners), "nobody"), **how)

    monkeypatch.setattr(schedules, "page", of_all)
    [rule] = await violated(world)
    assert rule.startswith("a leak to t")


async def test_an_answer_that_tells_that_a_thing_exists_is_seen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another status for what is another tenant's is knowledge of it."""
    hooks: Any = world.services.webhooks._store

    async def get(tenant_id: str, webhook_id: str) -> Any:
        known = {hook_id for _, hook_id in hooks._hooks}
        if webhook_id in known and (tenant_id, webhook_id) not in hooks._hooks:
            raise TaskNotFound(webhook_id)
        return hooks._hook(tenant_id, webhook_id).webhook

    monkeypatch.setattr(hooks, "get", get)
    assert ["not the same answer"] == await violated(world, 6_000)


async def test_a_gate_that_lets_everybody_in_is_seen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has no key hears nothing."""
    admit = Guard.admit

    async def let_in(self: Guard, attempt: Any) -> Any:
        return await admit(self, attempt) if attempt.authorization else EVERYBODY

    monkeypatch.setattr(Guard, "admit", let_in)
    assert ["a stranger was let in"] == await violated(world)


async def test_a_fault_of_the_server_is_seen_at_any_door(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 500, an INTERNAL or an error of JSON-RPC."""
    monkeypatch.setattr(world.services.tasks, "get", boom)
    assert ["the server's fault"] == await violated(world)


async def test_a_route_that_nobody_planned_for_fails(world: World) -> None:
    """Whoever adds one says what tenants do with it."""

    async def new(_request: Request) -> Response:
        return Response()

    world.app.router.add_route("/api/v1/new/{thing}", new, include_in_schema=False)
    with pytest.raises(KeyError, match="/api/v1/new"):
        list(rest_operations(world.app))


@pytest.mark.parametrize("lie", ["a field", "a status", "a fault"])
def test_a_document_that_lies_is_seen(lie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that is never there, a status that is not described, a fault."""
    with asyncio.Runner() as runner:
        opening = memory_world()
        world = runner.run(opening.__aenter__())
        document = world.app.openapi()
        key = runner.run(world.operator())
        if lie == "a field":
            document["components"]["schemas"]["AgentPageView"]["required"].append("nonsense")
        if lie == "a status":
            del document["paths"]["/api/v1/agents/"]["get"]["responses"]["422"]
        if lie == "a fault":
            monkeypatch.setattr(world.services.agents, "list", boom)
        document["paths"] = {
            "/api/v1/agents/": {"get": document["paths"]["/api/v1/agents/"]["get"]}
        }
        send = in_process(lambda *args, **more: runner.run(call(world.app, *args, **more)))
        fuzzed = Fuzzed(send, key, {}, Random(1))
        with faults(), pytest.raises(AssertionError):
            try_each(document, fuzzed, cases=60, start=1)
        runner.run(opening.__aexit__(None, None, None))
    assert fuzzed.wrong


async def test_an_rpc_that_fails_hangs_or_is_refused_without_details_is_seen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other, of the same method."""
    key = await world.operator()
    asked = Call(GET_TASK.path, False, GET_TASK.body, key, None, None)
    async with grpc.aio.insecure_channel(world.target) as channel:
        assert None is await wrong(channel, asked)
        with faults() as logged:
            monkeypatch.setattr(world.services.tasks, "get", boom)
            assert "INTERNAL" in (await wrong(channel, asked) or "")
            assert logged
        monkeypatch.setattr(world.services.tasks, "get", lambda *_, **__: asyncio.Event().wait())
        monkeypatch.setattr(rpc_fuzz, "PATIENCE_S", 0.2)
        assert "no answer" in (await wrong(channel, asked) or "")
        nowhere = Call("/ops_core.rpc.v1.TaskService/Nothing", False, b"", key, None, None)
        assert "UNIMPLEMENTED" in (await wrong(channel, nowhere) or "")
