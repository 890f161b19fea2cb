"""Prices come from a table, and only for a provider the table knows."""

from __future__ import annotations

from decimal import Decimal

from agentkit.llm.pricing import cost_usd
from agentkit.messages import Usage

OPENAI = "https://api.openai.com/v1"
OPENROUTER = "https://openrouter.ai/api/v1"


def test_a_known_model_of_a_known_provider() -> None:
    """A million input and a million output tokens of gpt-4o-mini, at list price."""
    million = 1_000_000
    assert Decimal("0.75") == cost_usd("openai", OPENAI, "gpt-4o-mini", Usage(million, million))


def test_cached_input_is_cheaper() -> None:
    """Tokens the provider had cached are not charged in full."""
    whole = cost_usd("openai", OPENAI, "gpt-4o-mini", Usage(1000, 0))
    cached = cost_usd("openai", OPENAI, "gpt-4o-mini", Usage(1000, 0, cached_tokens=1000))
    assert whole is not None
    assert cached is not None
    assert cached < whole


def test_a_provider_is_known_by_its_address() -> None:
    """A client of another name, on an address the table knows, has the same price."""
    by_name = cost_usd("openrouter", OPENROUTER, "openai/gpt-4o-mini", Usage(1000, 10))
    assert by_name is not None
    assert by_name == cost_usd(None, OPENROUTER, "openai/gpt-4o-mini", Usage(1000, 10))


def test_a_known_name_on_an_unknown_server_is_not_priced() -> None:
    """A server of one's own may call its model what it likes."""
    assert cost_usd(None, "http://127.0.0.1:11434/v1", "gpt-4o-mini", Usage(1000, 10)) is None


def test_an_unknown_model_is_not_priced() -> None:
    """Unknown is not free."""
    assert cost_usd("openai", OPENAI, "gpt-of-next-year", Usage(1000, 10)) is None
