"""What a call cost, from the offline price table of genai-prices."""

from __future__ import annotations

from decimal import Decimal


def cost_usd(
    provider: str | None,
    base_url: str,
    model: str,
    input_tokens: int,
    cached_tokens: int,
    output_tokens: int,
) -> Decimal | None:
    """The price in US dollars, or None when the table does not know this provider and model.

    The model's name alone is not enough: a server of one's own may call its model `gpt-4o`. So the
    provider is found by its id or by the address that answered.
    """
    # Imported here: the table costs 300 ms to import, and only a paid reply needs it.
    from genai_prices import Usage, calc_price

    usage = Usage(
        input_tokens=input_tokens, cache_read_tokens=cached_tokens, output_tokens=output_tokens
    )
    try:
        if provider is not None:
            return calc_price(usage, model, provider_id=provider).total_price
        return calc_price(usage, model, provider_api_url=base_url).total_price
    except LookupError:
        return None
