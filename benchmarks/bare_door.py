"""The least that FastAPI and asyncpg can do for the same two statements: what `doors.py` compares with.

One process, one pool, uvicorn as the product starts it. No contract: nothing is validated, nothing is hidden,
errors are whatever they are. Arguments: the port, the database's URL.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import uvicorn
import uvloop
from fastapi import FastAPI, Request
from fastapi.responses import Response
from sqlalchemy.dialects.postgresql import asyncpg as dialect

from ops_core.admission import UNLIMITED
from ops_core.store import client, submit
from ops_core.task import NewTask

POOL = 10


class Statement:
    """One of the store's statements, as the driver takes it."""

    def __init__(self, statement: Any) -> None:
        compiled = statement.compile(dialect=dialect.dialect())  # type: ignore[no-untyped-call]
        self.text = str(compiled)
        self._names = list(compiled.positiontup or [])

    def values(self, parameters: dict[str, Any]) -> list[Any]:
        found = (parameters[name] for name in self._names)
        return [json.dumps(value) if isinstance(value, dict) else value for value in found]


SUBMIT = Statement(submit._SUBMIT)  # noqa: SLF001  # the very statement, or there is nothing to compare
GET = Statement(client._GET)  # noqa: SLF001


def app(database_url: str) -> FastAPI:
    @asynccontextmanager
    async def connected(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(database_url, min_size=POOL, max_size=POOL) as pool:
            app.state.pool = pool
            yield

    bare = FastAPI(lifespan=connected)

    @bare.post("/api/v1/tasks/", status_code=201)
    async def create(request: Request) -> Response:
        sent = await request.json()
        new = NewTask(
            task_id=f"task_{uuid4().hex}",
            tenant_id="default",
            task_type=sent["task_type"],
            input_data=sent["input_data"],
            name=sent.get("name"),
            idempotency_key=request.headers.get("Idempotency-Key"),
        )
        held = submit._held(new, UNLIMITED)  # noqa: SLF001
        parameters = submit._parameters(new) | held | {"ring_grace_s": 3600.0}  # noqa: SLF001
        async with bare.state.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(SUBMIT.text, *SUBMIT.values(parameters))
        return _answer(row, 201)

    @bare.get("/api/v1/tasks/{task_id}")
    async def read(task_id: str) -> Response:
        parameters = {"tenant_id": "default", "task_id": task_id}
        async with bare.state.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(GET.text, *GET.values(parameters))
        return _answer(row, 200)

    return bare


def _answer(row: Any, status: int) -> Response:
    """Every column, as text where JSON has no such thing."""
    return Response(json.dumps(dict(row), default=str), status, media_type="application/json")


async def main(port: int, database_url: str) -> None:
    url = database_url.replace("postgresql+asyncpg://", "postgresql://")
    config = uvicorn.Config(app(url), port=port, log_config=None, access_log=False)
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1]), sys.argv[2]))
