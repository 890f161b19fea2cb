"""`/metrics`: what Prometheus reads."""

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse
from starlette.responses import Response

from ops_core.api.dependencies import Who, no_query, services_of
from ops_core.api.openapi import problems
from ops_core.metrics.service import MEDIA_TYPE

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    dependencies=[Depends(no_query)],
    responses=problems(422, 503),
)
async def metrics(request: Request, who: Who) -> Response:
    """How this process and the installation stand, for Prometheus; without the database, the process."""
    text = await services_of(request).metrics.text(by=who)
    return Response(text, headers={"Content-Type": MEDIA_TYPE})
