"""The way to receivers of webhooks: through the egress client, which checks where each request goes."""

from collections.abc import Mapping
from typing import Final

from agentkit.egress import EgressClient, EgressFailed, EgressPolicy, EgressRefused, Resolve
from ops_core.webhooks.port import Answer, NoAnswer, Refused
from opspawn.settings import Settings

#: What is read of an answer: a decision may bring arguments. Bytes.
MAX_ANSWER: Final = 65_536


class EgressSender:
    """`Sender` over `agentkit`'s egress client: each name is resolved once and every address of it checked;
    a redirect is an answer, never followed."""

    def __init__(self, client: EgressClient) -> None:
        self._client = client

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            came = await self._client.post(url, body, headers=headers)
        except EgressRefused as error:
            raise Refused(f"{error}; what may be reached: OPSPAWN_WEBHOOK_NETWORKS") from None
        except EgressFailed as error:
            raise NoAnswer(str(error)) from None
        return Answer(
            status_code=came.status,
            body=came.body,
            cut=came.cut,
            retry_after_s=_seconds(came.retry_after),
        )


def egress_sender(settings: Settings, resolve: Resolve | None = None) -> EgressSender:
    """Every public host, and the networks that the operator names."""
    policy = EgressPolicy(
        hosts=["*"],
        schemes=("https", "http") if settings.webhook_http else ("https",),
        ports=range(1, 65536),
        networks=settings.webhook_allowed_networks,
        timeout_s=settings.webhook_timeout_s,
        max_bytes=MAX_ANSWER,
    )
    client = EgressClient(policy) if resolve is None else EgressClient(policy, resolve=resolve)
    return EgressSender(client)


def _seconds(retry_after: str | None) -> float | None:
    """Of a Retry-After in seconds; a date is not worth a parser here, the ordinary rest will do."""
    text = retry_after or ""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 8 else None
