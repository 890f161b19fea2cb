"""Who is let in, at both doors over one guard: the same refusals, and the same keys."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc.aio
import httpx2
import pytest
from door_support import Refused, channel_to, client_of, refused, service_over, stub_of
from google.protobuf.timestamp_pb2 import Timestamp

from ops_core.api import create_app
from ops_core.identity.authenticator import Authenticator
from ops_core.identity.guard import Guard
from ops_core.identity.key_service import ApiKeyService
from ops_core.identity.requests import ApiKeyRequest
from ops_core.principal import EVERYBODY
from ops_core.rpc.v1 import identity_pb2, identity_pb2_grpc, tasks_pb2
from ops_core.scopes import Scope
from ops_core.testing import (
    MemoryAuditStore,
    MemoryCredentialStore,
    MemoryIdentity,
    MemoryKeyStore,
    MemoryStore,
    services_of,
)

pytestmark = pytest.mark.unit


@dataclass
class Doors:
    """Both doors over one domain, which asks who comes."""

    rest: httpx2.AsyncClient
    channel: grpc.aio.Channel
    state: MemoryIdentity

    async def key(self, *scopes: Scope, **fields: Any) -> str:
        keys = ApiKeyService(MemoryKeyStore(self.state))
        asked = ApiKeyRequest(name="k", scopes=list(scopes or [Scope.ADMIN]), **fields)
        return str((await keys.create(asked, by=EVERYBODY, request_id="r")).text)

    async def send(self, method: str, path: str, key: str | None, **more: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return await self.rest.request(method, f"/api/v1{path}", headers=headers, **more)

    async def rest_refusal(self, key: str | None) -> tuple[int, str, str]:
        answer = await self.send("POST", "/tasks/task_1/cancel", key)
        problem = answer.json()
        return answer.status_code, problem["type"].rpartition(":")[2], problem["detail"]

    async def rpc_refusal(self, key: str | None) -> Refused:
        request = tasks_pb2.CancelTaskRequest(task_id="task_1")
        return await refused(stub_of(self.channel).CancelTask(request, metadata=metadata(key)))

    def identity(self, stub: Any) -> Any:
        return stub_of(self.channel, stub)

    def told(self) -> list[tuple[str, str, str]]:
        """What the audit log has beside the keys that a test made for itself."""
        entries = [record.entry for record in self.state.records]
        return [(e.action, e.object, e.outcome) for e in entries if e.subject != "anonymous"]


def metadata(key: str | None) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {key}"),) if key else ()


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    state = MemoryIdentity()
    guard = Guard(Authenticator(MemoryCredentialStore(state)), MemoryAuditStore(state))
    store = MemoryStore()
    services = services_of(service_over(store), store, gate=guard, identity=state)
    async with client_of(create_app(services)) as rest, channel_to(services) as channel:
        yield Doors(rest, channel, state)


async def test_nobody_comes_in_without_a_key(doors: Doors) -> None:
    """401 with the challenge, UNAUTHENTICATED, the same type."""
    status, type_, detail = await doors.rest_refusal(None)
    call = await doors.rpc_refusal(None)
    assert (401, "unauthenticated") == (status, type_)
    assert (grpc.StatusCode.UNAUTHENTICATED, "unauthenticated") == (call.code, call.type)
    assert detail == call.message
    answer = await doors.send("GET", "/tasks/", None)
    assert 'Bearer realm="opspawn"' == answer.headers["WWW-Authenticate"]
    wrong = await doors.send("GET", "/tasks/", "osk_nonsense")
    assert 'error="invalid_token"' in wrong.headers["WWW-Authenticate"]


async def test_a_missing_scope_is_named_at_both_doors(doors: Doors) -> None:
    """403 and PERMISSION_DENIED."""
    key = await doors.key(Scope.TASKS_READ)
    status, type_, detail = await doors.rest_refusal(key)
    call = await doors.rpc_refusal(key)
    assert (403, "missing_scope") == (status, type_)
    assert (grpc.StatusCode.PERMISSION_DENIED, "missing_scope") == (call.code, call.type)
    assert "tasks:write" in detail
    assert detail == call.message
    answer = await doors.send("POST", "/tasks/task_1/cancel", key)
    assert 'error="insufficient_scope", scope="tasks:write"' in answer.headers["WWW-Authenticate"]


async def test_who_asks_too_often_is_told_when_to_come_back(doors: Doors) -> None:
    """429 with Retry-After, RESOURCE_EXHAUSTED with RetryInfo."""
    one, other = [await doors.key(requests_per_minute=6, burst=1) for _ in range(2)]
    assert 404 == (await doors.rest_refusal(one))[0]
    answer = await doors.send("GET", "/tasks/", one)
    assert (429, "10") == (answer.status_code, answer.headers["Retry-After"])
    assert grpc.StatusCode.NOT_FOUND is (await doors.rpc_refusal(other)).code
    call = await doors.rpc_refusal(other)
    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "too_many_requests", 10) == (
        call.code,
        call.type,
        call.retry_after_s,
    )


async def test_who_comes_is_asked_before_anything_else_is_looked_at(doors: Doors) -> None:
    """A wrong body, a wrong parameter and a task that there is not say nothing to a stranger."""
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/tasks/", {"content": b"{"}),
        ("GET", "/tasks/?nonsense=1", {}),
        ("GET", "/tasks/?limit=1&limit=2", {}),
        ("GET", "/tasks/task_1", {}),
        ("GET", "/tasks/task_1/", {}),
        ("POST", "/api-keys", {"content": b"x" * 2_000_000}),
    ]
    for method, path, more in requests:
        answer = await doors.send(method, path, None, **more)
        assert 401 == answer.status_code, path
    call: Any = doors.channel.unary_unary("/ops_core.rpc.v1.TaskService/CreateTask")
    assert grpc.StatusCode.UNAUTHENTICATED is (await refused(call(b"\xff\xff"))).code


async def test_a_stream_is_let_in_as_any_other_call(doors: Doors) -> None:
    """Before its first message, over either door."""
    request = tasks_pb2.WatchTaskRequest(task_id="task_1")
    call = await refused(stub_of(doors.channel).WatchTask(request).read())
    assert (grpc.StatusCode.UNAUTHENTICATED, "unauthenticated") == (call.code, call.type)
    headers = {"Accept": "text/event-stream"}
    answer = await doors.rest.get("/api/v1/tasks/task_1/events", headers=headers)
    assert 401 == answer.status_code
    known = stub_of(doors.channel).WatchTask(request, metadata=metadata(await doors.key()))
    assert grpc.StatusCode.NOT_FOUND is (await refused(known.read())).code


async def test_paths_that_there_are_not_are_no_secret(doors: Doors) -> None:
    """The documents say which there are; 404 and 405 come without a key."""
    assert 404 == (await doors.send("GET", "/nothing", None)).status_code
    assert 405 == (await doors.send("PUT", "/tasks/", None)).status_code
    assert 200 == (await doors.rest.get("/openapi.json")).status_code
    assert 200 == (await doors.rest.get("/health")).status_code
    assert 200 == (await doors.rest.get("/ready")).status_code


async def test_a_key_made_at_one_door_opens_the_other(doors: Doors) -> None:
    """And what is told of it is the same; its secret is told once, and kept from caches."""
    admin = await doors.key()
    sent = {"name": "ci", "scopes": ["tasks:read"], "expires_at": "2100-01-01T00:00:00Z"}
    answer = await doors.send("POST", "/api-keys", admin, json=sent)
    made = answer.json()
    assert (201, "no-store") == (answer.status_code, answer.headers["Cache-Control"])
    assert answer.headers["Location"].endswith(made["api_key"]["key_id"])
    stub = doors.identity(identity_pb2_grpc.ApiKeyServiceStub)
    request = identity_pb2.GetApiKeyRequest(key_id=made["api_key"]["key_id"])
    found = (await stub.GetApiKey(request, metadata=metadata(admin))).api_key
    assert ("ci", ["tasks:read"]) == (found.name, list(found.scopes))
    assert "2100-01-01T00:00:00Z" == found.expires_at.ToJsonString()
    assert not found.HasField("revoked_at")
    assert grpc.StatusCode.PERMISSION_DENIED is (await doors.rpc_refusal(made["secret"])).code
    assert made["secret"] not in (await doors.send("GET", "/api-keys", admin)).text


async def test_a_key_is_rotated_and_revoked_over_grpc_as_over_rest(doors: Doors) -> None:
    """The new secret opens; a key that is revoked says so; a second rotation is refused alike."""
    admin = await doors.key()
    stub = doors.identity(identity_pb2_grpc.ApiKeyServiceStub)
    until = Timestamp(seconds=4_102_444_800)
    request = identity_pb2.CreateApiKeyRequest(name="a", scopes=["admin"], expires_at=until)
    made = await stub.CreateApiKey(request, metadata=metadata(admin))
    key_id = made.api_key.key_id
    rotated = await stub.RotateApiKey(
        identity_pb2.RotateApiKeyRequest(key_id=key_id, grace_s=60), metadata=metadata(admin)
    )
    assert rotated.api_key.HasField("previous_until")
    assert 200 == (await doors.send("GET", "/tasks/", rotated.secret)).status_code
    answer = await doors.send("POST", f"/api-keys/{key_id}/revoke", admin)
    assert answer.json()["revoked_at"]
    again = await doors.send("POST", f"/api-keys/{key_id}/rotate", admin, json={})
    call = stub.RotateApiKey(
        identity_pb2.RotateApiKeyRequest(key_id=key_id), metadata=metadata(admin)
    )
    assert (409, "api_key_revoked") == (again.status_code, (await refused(call)).type)
    listed = await stub.ListApiKeys(
        identity_pb2.ListApiKeysRequest(limit=1), metadata=metadata(admin)
    )
    assert [key_id] == [key.key_id for key in listed.api_keys]


async def test_a_key_gives_no_more_than_it_has(doors: Doors) -> None:
    """`keys:admin` is not `admin`: neither a new key nor a rotated one may do more than its maker."""
    clerk = await doors.key(Scope.KEYS_ADMIN, Scope.TASKS_READ)
    mighty = (await doors.key()).split("_")[1]
    stub = doors.identity(identity_pb2_grpc.ApiKeyServiceStub)
    body = {"name": "x", "scopes": ["admin", "tasks:read"]}
    answer = await doors.send("POST", "/api-keys", clerk, json=body)
    call = await refused(
        stub.CreateApiKey(
            identity_pb2.CreateApiKeyRequest(name="x", scopes=["admin"]), metadata=metadata(clerk)
        )
    )
    assert (422, ["scopes"]) == (answer.status_code, list(call.fields))
    taken = await doors.send("POST", f"/api-keys/key_{mighty}/rotate", clerk, json={})
    assert 422 == taken.status_code


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["nix"]}, "scopes.0"),
        ({"name": "", "scopes": ["admin"]}, "name"),
        ({"name": "x\x00", "scopes": ["admin"]}, "name"),
        ({"name": "x", "scopes": ["admin"], "burst": 5}, "burst"),
        ({"name": "x", "scopes": ["admin"], "expires_at": "2026-01-01"}, "expires_at"),
        ({"name": "x", "scopes": ["admin"], "expires_at": "9999-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "x", "scopes": ["admin"], "secret": "mine"}, "secret"),
    ],
)
async def test_a_wrong_field_of_a_new_key_is_named(
    doors: Doors, body: dict[str, Any], field: str
) -> None:
    answer = await doors.send("POST", "/api-keys", await doors.key(), json=body)
    assert (422, [field]) == (answer.status_code, [e["path"] for e in answer.json()["errors"]])


async def test_a_key_whose_time_is_over_is_refused_at_both_doors(doors: Doors) -> None:
    """422 and INVALID_ARGUMENT, which name the field; nothing is made."""
    admin = await doors.key()
    body = {"name": "x", "scopes": ["admin"], "expires_at": "2001-01-01T00:00:00Z"}
    answer = await doors.send("POST", "/api-keys", admin, json=body)
    request = identity_pb2.CreateApiKeyRequest(
        name="x", scopes=["admin"], expires_at=Timestamp(seconds=1_000_000_000)
    )
    stub = doors.identity(identity_pb2_grpc.ApiKeyServiceStub)
    call = await refused(stub.CreateApiKey(request, metadata=metadata(admin)))
    [wrong] = answer.json()["errors"]
    assert (422, "expires_at") == (answer.status_code, wrong["path"])
    assert "is over already" in wrong["message"]
    expected = {"expires_at": wrong["message"]}
    assert (grpc.StatusCode.INVALID_ARGUMENT, expected) == (call.code, call.fields)
    assert 1 == len((await doors.send("GET", "/api-keys", admin)).json()["api_keys"])


async def test_tenants_are_the_operators_business(doors: Doors) -> None:
    """A new one begins with an admin of its own, who is none of the server."""
    admin = await doors.key()
    body = {"tenant_id": "acme", "name": "Acme"}
    answer = await doors.send("POST", "/tenants", admin, json=body)
    founded = answer.json()
    assert (201, "acme") == (answer.status_code, founded["tenant"]["tenant_id"])
    guest = founded["secret"]
    assert 200 == (await doors.send("GET", "/api-keys", guest)).status_code
    refusal = await doors.send("GET", "/tenants", guest)
    stub = doors.identity(identity_pb2_grpc.TenantServiceStub)
    call = await refused(
        stub.ListTenants(identity_pb2.ListTenantsRequest(), metadata=metadata(guest))
    )
    assert (403, "missing_scope") == (refusal.status_code, call.type)
    taken = await refused(
        stub.CreateTenant(identity_pb2.CreateTenantRequest(**body), metadata=metadata(admin))
    )
    assert (grpc.StatusCode.ALREADY_EXISTS, "tenant_exists") == (taken.code, taken.type)


async def test_a_tenant_is_closed_and_opened_again(doors: Doors) -> None:
    """Over either door; the operator's own stays open."""
    admin = await doors.key()
    body = {"tenant_id": "acme", "name": "Acme"}
    guest = (await doors.send("POST", "/tenants", admin, json=body)).json()["secret"]
    closed = await doors.send("POST", "/tenants/acme/disable", admin)
    assert closed.json()["disabled_at"]
    assert 401 == (await doors.send("GET", "/tasks/", guest)).status_code
    stub = doors.identity(identity_pb2_grpc.TenantServiceStub)
    request = identity_pb2.EnableTenantRequest(tenant_id="acme")
    await stub.EnableTenant(request, metadata=metadata(admin))
    assert 200 == (await doors.send("GET", "/tasks/", guest)).status_code
    assert 422 == (await doors.send("POST", "/tenants/default/disable", admin)).status_code
    assert 404 == (await doors.send("POST", "/tenants/A%00/disable", admin)).status_code


async def test_the_audit_log_says_what_was_done_at_either_door(doors: Doors) -> None:
    """The object is what the request names, and both doors read the same log."""
    admin = await doors.key()
    await doors.rest_refusal(admin)
    await doors.rpc_refusal(admin)
    await doors.rpc_refusal(await doors.key(Scope.TASKS_READ))
    told = [("cancel_task", "task_1", "allowed")] * 2 + [("cancel_task", "", "denied")]
    assert told == doors.told()
    page = (await doors.send("GET", "/audit?action=cancel_task&limit=2", admin)).json()
    stub = doors.identity(identity_pb2_grpc.AuditServiceStub)
    request = identity_pb2.ListAuditRequest(cursor=page["next_cursor"], action="cancel_task")
    rest = await stub.ListAudit(request, metadata=metadata(admin))
    assert 3 == len([*page["records"], *rest.records])
    assert page["next_cursor"]


async def test_a_tenant_is_given_a_limit_at_either_door(doors: Doors) -> None:
    """It holds at the next submit; set, shown and deleted it is the same at both, and in the audit log."""
    admin = await doors.key()
    body = {"tenant_id": "acme", "name": "Acme"}
    guest = (await doors.send("POST", "/tenants", admin, json=body)).json()["secret"]
    path, most = "/tenants/acme/limits", {"max_unfinished_tasks": 1}
    stub = doors.identity(identity_pb2_grpc.TenantServiceStub)
    asked = identity_pb2.GetTenantLimitsRequest(tenant_id="acme")
    put = await doors.send("PUT", path, admin, json=most)
    assert (200, {"tenant_id": "acme", **most}) == (put.status_code, put.json())
    told = await stub.GetTenantLimits(asked, metadata=metadata(admin))
    assert 1 == told.limits.max_unfinished_tasks
    task = {"task_type": "noop"}
    codes = [(await doors.send("POST", "/tasks/", guest, json=task)).status_code for _ in range(2)]
    assert [201, 429] == codes
    more = identity_pb2.PutTenantLimitsRequest(tenant_id="acme", max_unfinished_tasks=2)
    await stub.PutTenantLimits(more, metadata=metadata(admin))
    assert 201 == (await doors.send("POST", "/tasks/", guest, json=task)).status_code
    assert 204 == (await doors.send("DELETE", path, admin)).status_code
    assert (await doors.send("GET", path, admin)).json()["max_unfinished_tasks"] is None
    gone = identity_pb2.DeleteTenantLimitsRequest(tenant_id="acme")
    await stub.DeleteTenantLimits(gone, metadata=metadata(admin))
    written = [action for action, name, _ in doors.told() if name == "acme"]
    changes = ["put_tenant_limits"] * 2 + ["delete_tenant_limits"] * 2
    assert ["create_tenant", *changes] == written


async def test_limits_of_tenants_are_the_operators_and_are_checked(doors: Doors) -> None:
    """403 for an admin of another tenant, 404 for a tenant that is not there, 422 for no number."""
    admin = await doors.key()
    body = {"tenant_id": "acme", "name": "Acme"}
    guest = (await doors.send("POST", "/tenants", admin, json=body)).json()["secret"]
    most = {"max_unfinished_tasks": 5}
    for method, more in (("GET", {}), ("PUT", {"json": most}), ("DELETE", {})):
        refusal = await doors.send(method, "/tenants/acme/limits", guest, **more)
        assert 403 == refusal.status_code
        missing = await doors.send(method, "/tenants/nobody/limits", admin, **more)
        assert (404, "tenant_not_found") == (
            missing.status_code,
            missing.json()["type"].rpartition(":")[2],
        )
    wrong = await doors.send("PUT", "/tenants/acme/limits", admin, json={"max_unfinished_tasks": 0})
    assert 422 == wrong.status_code
    stub = doors.identity(identity_pb2_grpc.TenantServiceStub)
    unset = identity_pb2.PutTenantLimitsRequest(tenant_id="acme")
    call = await refused(stub.PutTenantLimits(unset, metadata=metadata(admin)))
    assert ("invalid_request", ["max_unfinished_tasks"]) == (call.type, list(call.fields))
