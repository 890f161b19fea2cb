"""`ApiKeyService` of identity.proto: each method one call of the service."""

from ops_core.identity.key_service import ApiKeyService
from ops_core.rpc.admission import Context, principal, request_id_of
from ops_core.rpc.identity_convert import key_message, key_request, list_query, rotation
from ops_core.rpc.v1 import identity_pb2, identity_pb2_grpc


class ApiKeys(identity_pb2_grpc.ApiKeyServiceServicer):
    """Raises our errors as they are: `Calls` turns them into statuses."""

    def __init__(self, service: ApiKeyService) -> None:
        self._service = service

    async def CreateApiKey(  # noqa: N802  # the names are the contract's
        self, request: identity_pb2.CreateApiKeyRequest, context: Context
    ) -> identity_pb2.CreateApiKeyResponse:
        told = await self._service.create(
            key_request(request), by=principal(context), request_id=request_id_of(context)
        )
        return identity_pb2.CreateApiKeyResponse(
            api_key=key_message(told.key), secret=str(told.text)
        )

    async def ListApiKeys(  # noqa: N802
        self, request: identity_pb2.ListApiKeysRequest, context: Context
    ) -> identity_pb2.ListApiKeysResponse:
        query = list_query(request)
        page = await self._service.page(
            by=principal(context), limit=query.limit, cursor=query.cursor
        )
        return identity_pb2.ListApiKeysResponse(
            api_keys=[key_message(key) for key in page.keys], next_cursor=page.next_cursor
        )

    async def GetApiKey(  # noqa: N802
        self, request: identity_pb2.GetApiKeyRequest, context: Context
    ) -> identity_pb2.GetApiKeyResponse:
        key = await self._service.get(request.key_id, by=principal(context))
        return identity_pb2.GetApiKeyResponse(api_key=key_message(key))

    async def RotateApiKey(  # noqa: N802
        self, request: identity_pb2.RotateApiKeyRequest, context: Context
    ) -> identity_pb2.RotateApiKeyResponse:
        told = await self._service.rotate(
            request.key_id,
            rotation(request),
            by=principal(context),
            request_id=request_id_of(context),
        )
        return identity_pb2.RotateApiKeyResponse(
            api_key=key_message(told.key), secret=str(told.text)
        )

    async def RevokeApiKey(  # noqa: N802
        self, request: identity_pb2.RevokeApiKeyRequest, context: Context
    ) -> identity_pb2.RevokeApiKeyResponse:
        key = await self._service.revoke(
            request.key_id, by=principal(context), request_id=request_id_of(context)
        )
        return identity_pb2.RevokeApiKeyResponse(api_key=key_message(key))
