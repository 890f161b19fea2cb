"""FastAPI's no-op: a POST whose body is checked by pydantic and given back. Nothing is stored.

`python -m benchmarks.peers.noop_door PORT`. uvicorn as the product starts it.
"""

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Task(BaseModel):
    """What a client of Opspawn sends."""

    task_type: str
    input_data: dict[str, Any] = {}
    name: str | None = None


def app() -> FastAPI:
    door = FastAPI()

    @door.post("/api/v1/tasks/", status_code=201)
    async def create(task: Task) -> Task:
        return task

    @door.get("/ready")
    async def ready() -> dict[str, str]:
        return {}

    return door


if __name__ == "__main__":
    uvicorn.run(app(), port=int(sys.argv[1]), log_config=None, access_log=False)
