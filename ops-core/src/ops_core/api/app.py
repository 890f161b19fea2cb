"""Puts the REST door together."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.types import Lifespan, Receive, Scope, Send

from ops_core.api import (
    agents,
    api_keys,
    approvals,
    audit,
    budgets,
    dead_letters,
    deliveries,
    events,
    fork,
    health,
    inputs,
    limits,
    links,
    memories,
    metrics,
    schedules,
    tasks,
    tenants,
    threads,
    waiting,
    webhooks,
    workers,
)
from ops_core.api.admission import admitted
from ops_core.api.body import BodyLimit
from ops_core.api.edge import Edge
from ops_core.api.errors import HANDLERS
from ops_core.api.openapi import DocumentedApp
from ops_core.api.short_way import ShortWay
from ops_core.api.slash import OtherSlash
from ops_core.api.visitors import OnlyVisitors, Visitors
from ops_core.readiness import Probe
from ops_core.services import Services

_ROUTERS: Final = (
    tasks.router,
    events.router,
    fork.router,
    waiting.router,
    approvals.router,
    inputs.router,
    links.router,
    dead_letters.router,
    schedules.router,
    agents.router,
    threads.router,
    memories.router,
    api_keys.router,
    tenants.router,
    audit.router,
    webhooks.router,
    deliveries.router,
    limits.router,
    budgets.router,
    workers.router,
    health.router,
    metrics.router,
)


def create_app(
    services: Services,
    *,
    probes: Mapping[str, Probe] | None = None,
    visitors: Visitors | None = None,
    max_body_bytes: int = 1_048_576,
    body_timeout_s: float = 30.0,
    version: str = "0.1.0",
    lifespan: Lifespan[FastAPI] | None = None,
) -> FastAPI:
    """The ASGI application over the services.

    `probes`: the parts that `/ready` asks, by the name it answers with. `visitors`: whose requests it
    answers, where it asks nobody who he is; others are 403. A body larger than `max_body_bytes` is 413; one
    that has not come whole after `body_timeout_s` is 408.
    """
    # The first is the outermost.
    guards = [
        Middleware(Edge, tally=services.metrics.rest),
        *([Middleware(OnlyVisitors, visitors=visitors)] if visitors else []),
        Middleware(BodyLimit, max_bytes=max_body_bytes, timeout_s=body_timeout_s),
    ]
    app = _App(
        title="Opspawn",
        summary="Runs LLM agents as durable tasks.",
        version=version,
        lifespan=lifespan,
        guards=guards,
        dependencies=[Depends(admitted)],
        exception_handlers=HANDLERS,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    app.state.services = services
    app.state.probes = dict(probes or {})
    app.state.routes = [*app.routes, *(route for router in _ROUTERS for route in router.routes)]
    for router in _ROUTERS:
        app.include_router(router)
    app.router.default = OtherSlash(app.router)
    return app


class _App(DocumentedApp):
    """Its guards stand before its routes, and before the short way, which is before all layers of FastAPI."""

    def __init__(self, *, guards: Sequence[Middleware], **options: Any) -> None:
        super().__init__(middleware=guards, **options)
        self._short_way = ShortWay(super().__call__, guards)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await self._short_way(scope, receive, send)


def _operation_id(route: APIRoute) -> str:
    """The function's name: what generated clients call their methods."""
    return route.name
