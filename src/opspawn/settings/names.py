"""Names in settings, and lists of them with commas in between: what they may look like."""

import re
from collections.abc import Callable
from ipaddress import ip_network
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, SecretStr

Provider = Literal["openai", "anthropic", "google", "openrouter", "local"]

#: Whoever guesses the secret of links can decide every approval. Characters.
MIN_SECRET: Final = 32

_SIGNATURE: Final = re.compile(r"(RS|PS|ES)(256|384|512)|EdDSA")
_COLLECTION: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,126}[a-zA-Z0-9]")
_TOOL: Final = re.compile(r"plugin:[\w.-]+|[\w.]+:\w+")
_HOST: Final = re.compile(r"\*|(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_TENANT_LIMIT: Final = re.compile(r"[^=\s]+=[1-9]\d{0,17}")


def listed(names: str) -> list[str]:
    """The names of such a list."""
    return [name.strip() for name in names.split(",") if name.strip()]


def _all(is_one: Callable[[str], object], what: str) -> AfterValidator:
    """A list of what `is_one` takes; the first name that it does not take is told."""

    def check(names: str) -> str:
        wrong = [name for name in listed(names) if not is_one(name)]
        if wrong:
            raise ValueError(f"must be {what}, with commas in between; not {wrong[0][:100]}")
        return names

    return AfterValidator(check)


def _is_network(name: str) -> bool:
    try:
        ip_network(name)
    except ValueError:
        return False
    return True


def _check_queues(names: str) -> str:
    if not listed(names):
        raise ValueError("must name a queue, such as default; several with commas in between")
    return names


def _check_signatures(names: str) -> str:
    if not listed(names) or not all(map(_SIGNATURE.fullmatch, listed(names))):
        raise ValueError(
            "must be some of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and EdDSA, "
            "with commas in between: signatures that only the issuer can make"
        )
    return names


def _check_model(named: str) -> str:
    provider, _, model = named.partition(":")
    if provider not in get_args(Provider) or not model:
        raise ValueError(
            f"must be provider:model, such as openai:gpt-5.4-nano; providers: "
            f"{', '.join(get_args(Provider))}"
        )
    return named


def _check_collection(name: str) -> str:
    if not _COLLECTION.fullmatch(name):
        raise ValueError("must be 3 to 128 letters, digits, dots, _ and -, such as agentkit")
    return name


def _check_secret(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < MIN_SECRET:
        raise ValueError(
            f"must have at least {MIN_SECRET} characters, drawn at random: openssl rand -hex 32"
        )
    return secret


LinkSecret = Annotated[SecretStr, AfterValidator(_check_secret)]
ModelName = Annotated[str, AfterValidator(_check_model)]
CollectionName = Annotated[str, AfterValidator(_check_collection)]
QueueNames = Annotated[str, AfterValidator(_check_queues)]
SignatureNames = Annotated[str, AfterValidator(_check_signatures)]
ToolNames = Annotated[str, _all(_TOOL.fullmatch, "module:attribute or plugin:name")]
HostNames = Annotated[str, _all(_HOST.fullmatch, "names such as example.org or *.example.org")]
Networks = Annotated[str, _all(_is_network, "networks such as 10.1.0.0/16")]
TenantLimits = Annotated[str, _all(_TENANT_LIMIT.fullmatch, "tenant=number")]
