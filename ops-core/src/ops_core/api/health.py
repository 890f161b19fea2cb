"""`/health`: the process answers. `/ready`: what it depends on answers as well."""

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from ops_core.api.openapi import problems
from ops_core.api.problems import problem
from ops_core.readiness import readiness

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """Every part works."""

    status: Literal["ready"] = "ready"
    checks: dict[str, Literal["ok", "down"]]


@router.get("/health")
async def health() -> Health:
    """Whether this process is alive: asks nothing else, so that a lost database restarts no API."""
    return Health()


@router.get("/ready", response_model=Ready, responses=problems(503))
async def ready(request: Request) -> Response | Ready:
    """Whether this process can do its work now; 503 names what is down."""
    works = await readiness(request.app.state.probes)
    checks: dict[str, Literal["ok", "down"]] = {
        name: "ok" if ok else "down" for name, ok in works.items()
    }
    down = [name for name, ok in works.items() if not ok]
    if not down:
        return Ready(checks=checks)
    detail = f"Down: {', '.join(down)}."
    return problem(
        request.scope,
        503,
        "not_ready",
        "Not ready",
        detail,
        headers={"Retry-After": "2"},
        more={"checks": checks},
    )
