"""A token provider's keys from its URL, over a real socket: it rotates them, fails, and talks nonsense."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from ops_core.errors import NotAuthenticated
from ops_core.identity.tokens import FETCH_REST_S, KEYS_LIFE_S, Jwks, JwtReader, TokenRules
from opspawn.jwks import KeysAway, source

pytestmark = pytest.mark.integration

RULES = TokenRules(issuer="https://id.example", audience="opspawn", algorithms=["ES256"])


@dataclass
class Provider:
    """Publishes the public halves of its keys, and signs with the private ones."""

    keys: dict[str, ec.EllipticCurvePrivateKey] = field(default_factory=dict)
    status: str = "200 OK"
    body: bytes | None = None
    asked: int = 0
    now: float = 1000.0
    port: int = 0

    def new_key(self, key_id: str) -> None:
        self.keys[key_id] = ec.generate_private_key(ec.SECP256R1())

    def token(self, key_id: str) -> str:
        said = {"iss": RULES.issuer, "aud": RULES.audience, "sub": "ada", "exp": 4_000_000_000}
        headers = {"kid": key_id}
        return jwt.encode({**said, "tenant": "acme"}, self.keys[key_id], "ES256", headers)

    def reader(self) -> JwtReader:
        place = f"http://127.0.0.1:{self.port}/jwks.json"
        return JwtReader(RULES, Jwks(source(place), clock=lambda: self.now))

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        body = self._published() if self.body is None else self.body
        head = f"HTTP/1.1 {self.status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    def _published(self) -> bytes:
        entries: list[dict[str, Any]] = [
            {**json.loads(ECAlgorithm.to_jwk(key.public_key())), "kid": key_id}
            for key_id, key in self.keys.items()
        ]
        return json.dumps({"keys": entries}).encode()


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    provider.new_key("first")
    async with _served(provider):
        yield provider


@asynccontextmanager
async def _served(provider: Provider) -> AsyncIterator[None]:
    async with await asyncio.start_server(provider.answer, "127.0.0.1", provider.port) as server:
        provider.port = server.sockets[0].getsockname()[1]
        yield


async def test_a_provider_rotates_its_keys_under_a_running_server(provider: Provider) -> None:
    """The new key is good at its first token, the old one until the provider's answer is old."""
    reader = provider.reader()
    old = provider.token("first")
    assert "user:ada" == (await reader.read(old)).principal.subject
    provider.new_key("second")
    del provider.keys["first"]
    await reader.read(old)
    assert 1 == provider.asked
    provider.now += FETCH_REST_S
    await reader.read(provider.token("second"))
    assert 2 == provider.asked
    with pytest.raises(NotAuthenticated):
        await reader.read(old)


async def test_a_provider_that_fails_locks_nobody_out(provider: Provider) -> None:
    """Its last answer goes on being right; who starts without one cannot let tokens in."""
    reader = provider.reader()
    token = provider.token("first")
    await reader.read(token)
    provider.status = "503 Busy"
    provider.now += KEYS_LIFE_S
    await reader.read(token)
    assert 2 == provider.asked
    with pytest.raises(KeysAway):
        await provider.reader().read(token)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("200 OK", b"<html>"),
        ("200 OK", b'{"keys": 7}'),
        ("302 Found", b"{}"),
    ],
)
async def test_what_is_no_set_of_keys_is_told_without_what_it_says(
    provider: Provider, status: str, body: bytes
) -> None:
    """A page of a proxy, another document, another place."""
    provider.status, provider.body = status, body
    with pytest.raises(KeysAway) as away:
        await provider.reader().read(provider.token("first"))
    assert body.decode() not in str(away.value)


async def test_a_provider_that_is_not_there_is_told(provider: Provider) -> None:
    """With its address, for whoever operates the server."""
    async with await asyncio.start_server(provider.answer, "127.0.0.1", 0) as server:
        free = server.sockets[0].getsockname()[1]
    provider.port = free
    with pytest.raises(KeysAway, match=f"127.0.0.1:{free}"):
        await provider.reader().read(provider.token("first"))
