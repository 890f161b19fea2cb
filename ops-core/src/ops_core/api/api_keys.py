"""`/api/v1/api-keys`: the keys of the caller's tenant. A secret is in one answer, and never again."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from ops_core.api.dependencies import Who, in_query, json_bytes, no_query, once, services_of
from ops_core.api.identity_views import ApiKeyPageView, ApiKeyView, ToldKeyView
from ops_core.api.openapi import json_body, problems
from ops_core.bodies import parsed_json
from ops_core.identity.key_service import ApiKeyService
from ops_core.identity.requests import ApiKeyRequest, RotationRequest
from ops_core.query import PageQuery

PREFIX: Final = "/api/v1/api-keys"

router = APIRouter(prefix=PREFIX, tags=["api keys"])


async def _keys(request: Request) -> ApiKeyService:
    return services_of(request).keys


async def _key_request(request: Request) -> ApiKeyRequest:
    return parsed_json(ApiKeyRequest, await json_bytes(request, "key"))


async def _rotation(request: Request) -> RotationRequest:
    return parsed_json(RotationRequest, await json_bytes(request, "rotation"))


Keys = Annotated[ApiKeyService, Depends(_keys)]


@router.post(
    "",
    status_code=201,
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(ApiKeyRequest, {"name": "ci", "scopes": ["tasks:read"]}),
    responses=problems(408, 413, 415, 422, 503),
)
async def create_api_key(
    request: Request,
    response: Response,
    keys: Keys,
    who: Who,
    asked: Annotated[ApiKeyRequest, Depends(_key_request)],
) -> ToldKeyView:
    """Makes a key that may do at most what yours may. When the answer is lost, revoke it and make another."""
    told = await keys.create(asked, by=who, request_id=request.state.request_id)
    root = request.scope.get("root_path", "")
    response.headers["Location"] = f"{root}{PREFIX}/{told.key.key_id}"
    response.headers["Cache-Control"] = "no-store"
    return ToldKeyView.of(told)


@router.get("", dependencies=[Depends(once)], responses=problems(422, 503))
async def list_api_keys(
    keys: Keys, who: Who, query: Annotated[PageQuery, Query()]
) -> ApiKeyPageView:
    """One page of keys, newest first, those that are revoked included."""
    with in_query():
        page = await keys.page(by=who, limit=query.limit, cursor=query.cursor)
    return ApiKeyPageView.of(page)


@router.get("/{key_id}", dependencies=[Depends(no_query)], responses=problems(404, 422, 503))
async def get_api_key(key_id: str, keys: Keys, who: Who) -> ApiKeyView:
    """One key."""
    return ApiKeyView.of(await keys.get(key_id, by=who))


@router.post(
    "/{key_id}/rotate",
    dependencies=[Depends(no_query)],
    openapi_extra=json_body(RotationRequest, {"grace_s": 3600}),
    responses=problems(404, 408, 409, 413, 415, 422, 503),
)
async def rotate_api_key(  # each is a part of the request
    key_id: str,
    request: Request,
    response: Response,
    keys: Keys,
    who: Who,
    asked: Annotated[RotationRequest, Depends(_rotation)],
) -> ToldKeyView:
    """Gives a key a new secret; the old one is good for `grace_s` more."""
    told = await keys.rotate(key_id, asked, by=who, request_id=request.state.request_id)
    response.headers["Cache-Control"] = "no-store"
    return ToldKeyView.of(told)


@router.post(
    "/{key_id}/revoke", dependencies=[Depends(no_query)], responses=problems(404, 422, 503)
)
async def revoke_api_key(key_id: str, request: Request, keys: Keys, who: Who) -> ApiKeyView:
    """Closes a key for ever; every door has noticed within seconds."""
    key = await keys.revoke(key_id, by=who, request_id=request.state.request_id)
    return ApiKeyView.of(key)
