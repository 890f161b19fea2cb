"""What a call cost, from the offline price table of genai-prices."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import lru_cache

from agentkit.messages import Reply, Usage


def priced(
    reply: Reply, provider: str | None, base_url: str, *, cache_write_tokens: int = 0
) -> Reply:
    """The reply with its cost, which stays None when the price is not known.

    `cache_write_tokens`, among the input, are those a provider charges more for.
    """
    price = cost_usd(provider, base_url, reply.model, reply.usage, cache_write_tokens)
    return replace(reply, usage=replace(reply.usage, cost_usd=price))


def cost_usd(
    provider: str | None, base_url: str, model: str, used: Usage, cache_write_tokens: int = 0
) -> Decimal | None:
    """The price in US dollars, or None when the table does not know this provider and model.

    None, too, when nothing was counted, for no model answers to nothing, and when the counts
    contradict each other.

    The model's name alone is not enough: a server of one's own may call its model `gpt-4o`. So the
    provider is found by the address that answered, or by its id when the caller says whose prices
    hold there: a gateway has an address of its own, and the provider's prices.
    """
    if not used.input_tokens or not _is_known(provider, base_url, model):
        return None
    from genai_prices import Usage as Priced
    from genai_prices import calc_price

    usage = Priced(
        input_tokens=used.input_tokens,
        cache_read_tokens=used.cached_tokens,
        cache_write_tokens=cache_write_tokens,
        output_tokens=used.output_tokens,
    )
    try:
        if provider is not None:
            return calc_price(usage, model, provider_id=provider).total_price
        return calc_price(usage, model, provider_api_url=base_url).total_price
    except ValueError:
        return None


@lru_cache(maxsize=256)
def _is_known(provider: str | None, base_url: str, model: str) -> bool:
    """Whether the table has the model. Its own memory keeps what it found; a model that it has not
    would be looked for among hundreds after each reply, which costs more than the rest of a step.
    """
    # Imported here: the table costs 300 ms to import, and only a paid reply needs it.
    from genai_prices.data_snapshot import get_snapshot

    url = base_url if provider is None else None
    try:
        get_snapshot().find_provider_model(model, None, provider, url)
    except LookupError:
        return False
    return True
