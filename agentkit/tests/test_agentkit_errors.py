"""The tree of errors."""

from __future__ import annotations

from agentkit import errors
from agentkit.errors import AgentError


def _all_below(root: type[AgentError]) -> list[type[AgentError]]:
    return [root, *(kind for child in root.__subclasses__() for kind in _all_below(child))]


def test_every_error_has_its_own_type() -> None:
    """The names on the wire tell all errors apart."""
    types = [kind.type for kind in _all_below(AgentError)]
    assert sorted(set(types)) == sorted(types)


def test_the_drawn_tree_names_every_error() -> None:
    """The drawing at the top of the module is the tree."""
    drawn = errors.__doc__ or ""
    assert [] == [kind.__name__ for kind in _all_below(AgentError) if kind.__name__ not in drawn]


def test_what_can_heal_is_retryable() -> None:
    """Only an overloaded provider and a misbehaving model are worth the same request again."""
    expected = {"provider_unavailable", "rate_limited", "model_misbehaved"}
    assert expected == {kind.type for kind in _all_below(AgentError) if kind.retryable}
