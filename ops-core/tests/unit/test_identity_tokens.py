"""Bearer tokens: real signatures by real keys, and a provider whose keys change."""

import json
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from ops_core.errors import NotAuthenticated, StoreUnavailable
from ops_core.identity.pem import jwks_of_pem
from ops_core.identity.tokens import FETCH_REST_S, KEYS_LIFE_S, Jwks, JwtReader, TokenRules
from ops_core.scopes import Scope

pytestmark = pytest.mark.unit

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
FAR = 4_000_000_000


class Provider:
    """Publishes keys, and counts who asks."""

    def __init__(self, *entries: dict[str, Any]) -> None:
        self.entries = list(entries)
        self.asked = 0
        self.is_away = False

    async def fetch(self) -> Mapping[str, Any]:
        self.asked += 1
        if self.is_away:
            raise StoreUnavailable("no answer")
        return {"keys": self.entries}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def published(key_id: str, **more: str) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(RSA.public_key()))
    return {**entry, "kid": key_id, **more}


def token(key: Any = RSA, algorithm: str = "RS256", kid: str | None = "a", **claims: Any) -> str:
    said = {
        "iss": "https://id.example",
        "aud": "opspawn",
        "sub": "ada",
        "exp": FAR,
        "tenant": "acme",
        "scope": "tasks:read openid",
        **claims,
    }
    kept = {name: value for name, value in said.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid} if kid else {})


def reader(provider: Provider | None = None, clock: Clock | None = None, **more: Any) -> JwtReader:
    rules: dict[str, Any] = {
        "issuer": "https://id.example",
        "audience": "opspawn",
        "algorithms": ["RS256", "ES256"],
        **more,
    }
    source = provider or Provider(published("a"))
    return JwtReader(TokenRules(**rules), Jwks(source.fetch, clock=clock or Clock()))


async def test_a_token_says_who_it_is_whose_and_what_it_may() -> None:
    """A provider's scopes for others are passed over; its users are told apart from keys."""
    who = (await reader().read(token())).principal
    assert ("acme", "user:ada", frozenset({Scope.TASKS_READ})) == (
        who.tenant_id,
        who.subject,
        who.scopes,
    )


async def test_scopes_may_come_as_a_list_and_under_another_name() -> None:
    found = await reader(scope_claim="roles").read(token(roles=["tasks:write", 7, "other"]))
    assert frozenset({Scope.TASKS_WRITE}) == found.principal.scopes


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (token(exp=1000), "has expired"),
        (token(exp=None), "lacks exp"),
        (token(sub=None), "lacks sub"),
        (token(aud="another"), "another audience"),
        (token(iss="https://evil.example"), "another issuer"),
        (token(nbf=FAR), "not valid yet"),
        (token(tenant=None), "names no tenant"),
        (token(tenant=7), "names no tenant"),
        (token(kid="unknown"), "signature is not the issuer's"),
        (token(key=EC, algorithm="ES256"), "algorithm"),
        (token(key=rsa.generate_private_key(65537, 2048)), "signature is not the issuer's"),
        (token()[:-6] + "AAAAAA", "signature is not the issuer's"),
        ("a.b.c", "malformed"),
        ("x" * 9000, "malformed"),
        ("", "malformed"),
    ],
)
async def test_a_token_that_is_not_good_is_refused_with_the_reason(sent: str, why: str) -> None:
    """And the reason repeats nothing that the token says."""
    with pytest.raises(NotAuthenticated, match=why) as refused:
        await reader().read(sent)
    assert "evil" not in str(refused.value)


async def test_no_signature_and_shared_secrets_are_never_accepted() -> None:
    """`none`, and HS256 with the public key, which everybody has, as the secret."""
    public = RSA.public_key().public_numbers().n.to_bytes(256)
    unsigned = jwt.encode({"sub": "ada"}, "", algorithm="none", headers={"kid": "a"})
    for sent in (unsigned, token(key=public, algorithm="HS256")):
        with pytest.raises(NotAuthenticated, match="algorithm is not allowed"):
            await reader().read(sent)
    for algorithm in ("none", "HS256", "RS128"):
        with pytest.raises(ValueError, match=algorithm):
            reader(algorithms=[algorithm])


async def test_an_algorithm_that_is_not_allowed_here_is_refused() -> None:
    with pytest.raises(NotAuthenticated, match="algorithm"):
        await reader(algorithms=["ES256"]).read(token())


async def test_keys_for_other_uses_sign_nothing() -> None:
    """A shared secret among the published keys, or one for encryption."""
    secret = {"kty": "oct", "kid": "a", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}
    for entry in (secret, published("a", use="enc")):
        with pytest.raises(NotAuthenticated):
            await reader(Provider(entry)).read(token())


async def test_tokens_without_a_tenant_may_be_given_one() -> None:
    found = await reader(tenant_id="default").read(token(tenant=None))
    assert "default" == found.principal.tenant_id


async def test_the_clocks_may_differ_by_the_leeway() -> None:
    """Not by more."""
    long_ago = 1_500_000_000
    await reader(leeway_s=float(FAR)).read(token(exp=long_ago))
    with pytest.raises(NotAuthenticated, match="expired"):
        await reader(leeway_s=1.0).read(token(exp=long_ago))


async def test_keys_are_fetched_once_and_again_when_a_new_one_signs() -> None:
    """The provider rotates: no restart, and no token of the new key is refused for long."""
    clock, provider = Clock(), Provider(published("a"))
    tokens = reader(provider, clock)
    for _ in range(3):
        await tokens.read(token())
    assert 1 == provider.asked
    provider.entries.append(published("b"))
    clock.now += FETCH_REST_S
    await tokens.read(token(kid="b"))
    assert 2 == provider.asked


async def test_made_up_keys_do_not_make_us_hammer_the_provider() -> None:
    """One question in a while, however many come."""
    clock, provider = Clock(), Provider(published("a"))
    tokens = reader(provider, clock)
    for number in range(20):
        with pytest.raises(NotAuthenticated):
            await tokens.read(token(kid=f"made-up-{number}"))
    assert 1 == provider.asked


async def test_a_withdrawn_key_is_not_used_for_long() -> None:
    clock, provider = Clock(), Provider(published("a"))
    tokens = reader(provider, clock)
    await tokens.read(token())
    provider.entries = [published("b")]
    clock.now += KEYS_LIFE_S + 1
    with pytest.raises(NotAuthenticated):
        await tokens.read(token())


async def test_a_provider_that_is_away_locks_nobody_out_that_it_knew() -> None:
    """Without any keys yet, it is the server that cannot answer."""
    clock, provider = Clock(), Provider(published("a"))
    tokens = reader(provider, clock)
    await tokens.read(token())
    provider.is_away = True
    clock.now += KEYS_LIFE_S + 1
    await tokens.read(token())
    with pytest.raises(StoreUnavailable):
        await reader(provider).read(token())


async def test_a_public_key_in_a_file_signs_tokens_without_an_id() -> None:
    """RSA and elliptic curves; a private key is refused, lest it lie about."""
    for key, algorithm in ((RSA, "RS256"), (EC, "ES256")):
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        provider = Provider(*jwks_of_pem(pem)["keys"])
        await reader(provider).read(token(key=key, algorithm=algorithm, kid=None))
    with pytest.raises(ValueError, match="no public key"):
        jwks_of_pem(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
