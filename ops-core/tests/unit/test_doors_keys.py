"""Keys are made, changed and refused at both doors over one guard."""

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
from door_support import refused
from google.protobuf.timestamp_pb2 import Timestamp
from guarded_doors import GuardedDoors, guarded_doors, metadata

from ops_core.rpc.v1 import identity_pb2, identity_pb2_grpc
from ops_core.scopes import Scope

pytestmark = pytest.mark.unit


@pytest.fixture
async def doors() -> AsyncIterator[GuardedDoors]:
    async with guarded_doors() as doors:
        yield doors


async def test_a_key_made_at_one_door_opens_the_other(doors: GuardedDoors) -> None:
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


async def test_a_key_is_rotated_and_revoked_over_grpc_as_over_rest(doors: GuardedDoors) -> None:
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


async def test_a_key_gives_no_more_than_it_has(doors: GuardedDoors) -> None:
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
    doors: GuardedDoors, body: dict[str, Any], field: str
) -> None:
    answer = await doors.send("POST", "/api-keys", await doors.key(), json=body)
    assert (422, [field]) == (answer.status_code, [e["path"] for e in answer.json()["errors"]])


async def test_a_key_whose_time_is_over_is_refused_at_both_doors(doors: GuardedDoors) -> None:
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
