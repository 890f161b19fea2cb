"""The keys that sign the tokens of OPSPAWN_JWT_ISSUER: from a URL, or from a file on this machine."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx2

from ops_core.errors import Unavailable
from ops_core.identity.pem import jwks_of_pem
from ops_core.identity.tokens import FetchKeys

#: Seconds for the provider to answer; a request of a client waits for it.
TIMEOUT_S: Final = 5.0

#: No honest set of keys is larger. Bytes.
MAX_BYTES: Final = 1_000_000


class KeysAway(Unavailable):
    """The keys for tokens cannot be had now."""

    type = "store_unavailable"


def source(place: str) -> FetchKeys:
    """How to get the keys: `https://…` of a JWKS, or the path of a JWKS or of a public key in PEM.

    A file is read at each refresh, so it can be replaced under a running server.
    """

    async def fetch() -> Mapping[str, Any]:
        async with httpx2.AsyncClient(timeout=TIMEOUT_S) as client:
            try:
                answer = await client.get(place)
                answer.raise_for_status()
            except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
                raise KeysAway(f"{place}: {type(error).__name__}") from error
        return _parsed(place, answer.content)

    async def read() -> Mapping[str, Any]:
        return read_file(place)

    return fetch if place.startswith(("https://", "http://")) else read


def read_file(place: str) -> Mapping[str, Any]:
    """Raises `KeysAway`."""
    try:
        content = Path(place).read_bytes()
    except OSError as error:
        raise KeysAway(f"{place}: {error.strerror}") from error
    if content.lstrip().startswith(b"-----BEGIN"):
        try:
            return jwks_of_pem(content)
        except ValueError as error:
            raise KeysAway(f"{place}: {error}") from error
    return _parsed(place, content)


def _parsed(place: str, content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content[: MAX_BYTES + 1])
    except ValueError:
        raise KeysAway(f"{place}: is no JSON Web Key Set") from None
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        raise KeysAway(f"{place}: is no JSON Web Key Set")
    return found
