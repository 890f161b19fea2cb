"""OpenRouter: OpenAI's dialect in front of everybody's models, with its own cost and reasoning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any

from agentkit.llm.connections import MAX_ANSWER_BYTES
from agentkit.llm.openai import OpenAiClient
from agentkit.llm.openai_reply import field
from agentkit.llm.openai_wire import JsonMode
from agentkit.llm.port import ModelRequest
from agentkit.llm.retry import RetryPolicy
from agentkit.messages import Reply

if TYPE_CHECKING:
    import httpx2

_URL = "https://openrouter.ai/api/v1"


class OpenRouterClient(OpenAiClient):
    """A model by OpenRouter's name for it, as in `anthropic/claude-sonnet-5.5`.

    `app_url` and `app_title` say whose traffic it is. `routing` is OpenRouter's `provider` object:
    which companies may serve the model, in which order. What a call cost is what OpenRouter says
    it charged. The rest is as with `OpenAiClient`.
    """

    def __init__(  # noqa: PLR0913  each is a part of the address, or has a default
        self,
        model: str,
        api_key: str,
        base_url: str | None = None,
        retry: RetryPolicy | None = None,
        *,
        app_url: str | None = None,
        app_title: str | None = None,
        routing: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
        http_client: httpx2.AsyncClient | None = None,
        json_mode: JsonMode = "schema",
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        ours = {"HTTP-Referer": app_url, "X-Title": app_title}
        told = {name: value for name, value in ours.items() if value is not None}
        super().__init__(
            model,
            api_key,
            base_url or _URL,
            "openrouter",
            retry,
            headers={**told, **(headers or {})},
            proxy=proxy,
            http_client=http_client,
            json_mode=json_mode,
            max_answer_bytes=max_answer_bytes,
        )
        self._routing = routing

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        body = super()._body(request)
        if "reasoning_effort" in body:
            body["reasoning"] = {"effort": body.pop("reasoning_effort")}
        if self._routing is not None:
            body["provider"] = dict(self._routing)
        return body

    def _priced(self, reply: Reply, completion: object) -> Reply:
        charged = _charged(field(completion, "usage"))
        if charged is None:
            return super()._priced(reply, completion)
        return replace(reply, usage=replace(reply.usage, cost_usd=charged))


def _charged(usage: object) -> Decimal | None:
    """What OpenRouter took, with what a provider takes itself when the key there is the caller's.

    A credit is a US dollar.
    """
    cost = _dollars(field(usage, "cost"))
    if not field(usage, "is_byok"):
        return cost
    apart = _dollars(field(field(usage, "cost_details"), "upstream_inference_cost") or 0)
    return None if cost is None or apart is None else cost + apart


def _dollars(said: object) -> Decimal | None:
    """None for what is no sum of money."""
    if not isinstance(said, int | float) or not isfinite(said) or said < 0:
        return None
    # By way of text: the float 0.1 is not the number 0.1.
    return Decimal(str(said))
