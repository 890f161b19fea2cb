"""Workers behind both doors: the same values, the same refusals, for nobody but the operator."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from door_support import channel_to, client_of, refused, service_over, stub_of
from google.protobuf.json_format import MessageToDict

from ops_core.api import create_app
from ops_core.identity.authenticator import Authenticator
from ops_core.identity.guard import Guard
from ops_core.identity.key_service import ApiKeyService
from ops_core.identity.requests import ApiKeyRequest
from ops_core.log import rfc3339
from ops_core.ports import Profile
from ops_core.principal import EVERYBODY
from ops_core.rpc.v1 import workers_pb2, workers_pb2_grpc
from ops_core.scopes import Scope
from ops_core.testing import (
    FrozenClock,
    MemoryAuditStore,
    MemoryCredentialStore,
    MemoryIdentity,
    MemoryKeyStore,
    MemoryStore,
    services_of,
)

pytestmark = pytest.mark.unit

WORKERS = "/api/v1/workers/"


@dataclass
class Doors:
    """Both doors of one store, which ask who comes."""

    rest: httpx2.AsyncClient
    rpc: Any
    store: MemoryStore
    clock: FrozenClock
    known: MemoryIdentity

    async def key(self, *scopes: Scope, tenant_id: str = "default") -> str:
        """The header that says it."""
        by = replace(EVERYBODY, tenant_id=tenant_id, subject="test")
        asked = ApiKeyRequest(name="k", scopes=list(scopes or [Scope.ADMIN]))
        keys = ApiKeyService(MemoryKeyStore(self.known))
        return f"Bearer {(await keys.create(asked, by=by, request_id='r')).text}"

    async def beat(self, worker: str) -> None:
        me = Profile(host="h", pid=7, version="0.1.0")
        await self.store.beat(worker, ["a", "b"], slots=9, running=0, profile=me)


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    clock, known = FrozenClock(), MemoryIdentity()
    known.tenants["acme"] = replace(known.tenants["default"], tenant_id="acme")
    store = MemoryStore(clock)
    guard = Guard(Authenticator(MemoryCredentialStore(known)), MemoryAuditStore(known))
    services = services_of(service_over(store), store, gate=guard, identity=known)
    async with client_of(create_app(services)) as rest, channel_to(services) as channel:
        stub = stub_of(channel, workers_pb2_grpc.WorkerServiceStub)
        yield Doors(rest, stub, store, clock, known)


async def test_a_worker_is_the_same_through_both_doors(doors: Doors) -> None:
    """Field by field; the state under the names of each."""
    await doors.beat("w1")
    key = await doors.key()
    found = (await doors.rest.get(f"{WORKERS}w1", headers={"Authorization": key})).json()
    now = rfc3339(doors.clock())
    expected = {
        "worker_id": "w1",
        "state": "alive",
        "host": "h",
        "pid": 7,
        "version": "0.1.0",
        "queues": ["a", "b"],
        "alone": False,
        "slots": 9,
        "running": 0,
        "owned_tasks": 0,
        "started_at": now,
        "heartbeat_at": now,
        "drain_at": None,
    }
    assert expected == found
    asked = workers_pb2.GetWorkerRequest(worker_id="w1")
    told = (await doors.rpc.GetWorker(asked, metadata=(("authorization", key),))).worker
    message = MessageToDict(
        told, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    times = {name: rfc3339(doors.clock()) for name in ("started_at", "heartbeat_at")}
    as_message = {"state": "WORKER_STATE_ALIVE", "owned_tasks": "0", **times}
    del expected["drain_at"]  # absent there
    assert expected | as_message == message | times


async def test_workers_come_in_pages_through_both_doors(doors: Doors) -> None:
    """A cursor of one leads on through the other."""
    for worker in ("w1", "w2"):
        await doors.beat(worker)
        doors.clock.advance(1)
    key = await doors.key(Scope.WORKERS_READ)
    page = (
        await doors.rest.get(WORKERS, params={"limit": 1}, headers={"Authorization": key})
    ).json()
    assert ["w2"] == [worker["worker_id"] for worker in page["workers"]]
    asked = workers_pb2.ListWorkersRequest(cursor=page["next_cursor"])
    rest = await doors.rpc.ListWorkers(asked, metadata=(("authorization", key),))
    assert ["w1"] == [worker.worker_id for worker in rest.workers]


async def test_a_worker_is_drained_at_either_door_and_the_audit_log_says_so(doors: Doors) -> None:
    await doors.beat("w1")
    key = await doors.key(Scope.WORKERS_READ, Scope.WORKERS_WRITE)
    answer = await doors.rest.post(f"{WORKERS}w1/drain", headers={"Authorization": key})
    assert (202, "draining") == (answer.status_code, answer.json()["state"])
    asked = workers_pb2.DrainWorkerRequest(worker_id="w1")
    told = (await doors.rpc.DrainWorker(asked, metadata=(("authorization", key),))).worker
    assert workers_pb2.WORKER_STATE_DRAINING == told.state
    assert answer.json()["drain_at"] == rfc3339(told.drain_at.ToDatetime(doors.clock().tzinfo))
    entries = [record.entry for record in doors.known.records if record.entry.subject != "test"]
    assert [("drain_worker", "w1")] * 2 == [(entry.action, entry.object) for entry in entries]


@pytest.mark.parametrize(
    ("method", "path", "call", "scope"),
    [
        ("GET", "", "ListWorkers", "workers:read"),
        ("GET", "w1", "GetWorker", "workers:read"),
        ("POST", "w1/drain", "DrainWorker", "workers:write"),
    ],
)
async def test_workers_are_nothing_for_a_tenant(
    doors: Doors, method: str, path: str, call: str, scope: str
) -> None:
    """Whatever its administrator may do within it: they run the tasks of all tenants."""
    await doors.beat("w1")
    key = await doors.key(tenant_id="acme")
    answer = await doors.rest.request(method, WORKERS + path, headers={"Authorization": key})
    message = getattr(workers_pb2, f"{call}Request")()
    found = await refused(getattr(doors.rpc, call)(message, metadata=(("authorization", key),)))
    expected = f"This needs the scope {scope} of the tenant default"
    assert answer.json()["detail"].startswith(expected)
    assert (403, "missing_scope", True) == (
        answer.status_code,
        found.type,
        found.message.startswith(expected),
    )


@pytest.mark.parametrize("worker_id", ["nobody", "w\0", "x" * 500])
async def test_a_worker_that_is_not_there_is_not_found(doors: Doors, worker_id: str) -> None:
    """404 and NOT_FOUND, whatever the id."""
    key = await doors.key()
    for path, method in ((worker_id, "GET"), (f"{worker_id}/drain", "POST")):
        url = WORKERS + quote(path)
        answer = await doors.rest.request(method, url, headers={"Authorization": key})
        assert (404, "urn:opspawn:problem:worker_not_found") == (
            answer.status_code,
            answer.json()["type"],
        )
    asked = workers_pb2.GetWorkerRequest(worker_id=worker_id)
    found = await refused(doors.rpc.GetWorker(asked, metadata=(("authorization", key),)))
    assert "worker_not_found" == found.type
