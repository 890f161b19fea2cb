"""What a card says of how to come in: as OpenAPI says it, in the words of A2A."""

from typing import Final

from ops_core.task import JsonObject

#: Nobody is asked who he is.
OPEN: Final[JsonObject] = {}

_KEY: Final = "An API key of this server; tasks:write gives work, tasks:read looks at it."


def bearers(*, issuer: str | None = None, audience: str | None = None) -> JsonObject:
    """A key, or a token of the issuer where one is trusted: each in the header Authorization."""
    schemes: JsonObject = {"apiKey": _bearer(_KEY)}
    if issuer is not None:
        said = f"A token that {issuer} has signed for {audience}, with scopes as of an API key."
        schemes["token"] = _bearer(said, bearerFormat="JWT")
    return {
        "securitySchemes": schemes,
        "securityRequirements": [{"schemes": {name: {"list": []}}} for name in schemes],
    }


def _bearer(description: str, **more: str) -> JsonObject:
    scheme = {"scheme": "Bearer", "description": description, **more}
    return {"httpAuthSecurityScheme": scheme}
