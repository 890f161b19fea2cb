"""Both doors over one guard, and the keys that tests make for them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio
import httpx2
from door_support import Refused, channel_to, client_of, refused, service_over, stub_of

from ops_core.api import create_app
from ops_core.identity.authenticator import Authenticator
from ops_core.identity.guard import Guard
from ops_core.identity.key_service import ApiKeyService
from ops_core.identity.requests import ApiKeyRequest
from ops_core.principal import EVERYBODY
from ops_core.rpc.v1 import tasks_pb2
from ops_core.scopes import Scope
from ops_core.testing import (
    MemoryAuditStore,
    MemoryCredentialStore,
    MemoryIdentity,
    MemoryKeyStore,
    MemoryStore,
    services_of,
)


@dataclass
class GuardedDoors:
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


@asynccontextmanager
async def guarded_doors() -> AsyncIterator[GuardedDoors]:
    state = MemoryIdentity()
    guard = Guard(Authenticator(MemoryCredentialStore(state)), MemoryAuditStore(state))
    store = MemoryStore()
    services = services_of(service_over(store), store, gate=guard, identity=state)
    async with client_of(create_app(services)) as rest, channel_to(services) as channel:
        yield GuardedDoors(rest, channel, state)
