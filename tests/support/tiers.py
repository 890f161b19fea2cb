"""Gives every test its tier, by the folder it is in. A pytest plugin, loaded for all tests.

A test under `…/unit/`, `…/conformance/`, `…/integration/`, `…/e2e/`, `…/packaging/` or `…/live/` is of that
tier. One that is in no such folder is `integration` when it asks for a server and `unit` otherwise.

Tests of the tier `live` cost money: they are left out unless `-m` names them, so that neither a bare `pytest`
nor `-m "not packaging"` runs them.
"""

import re

import pytest

TIERS = ("unit", "conformance", "integration", "e2e", "packaging", "live")

#: Fixtures of support.servers that start a server.
SERVERS = {"postgres_server", "rabbitmq_url", "own_postgres", "own_rabbitmq"}


# First, because pytest deselects by the markers that are there when it looks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if not any(item.get_closest_marker(tier) for tier in TIERS):
            item.add_marker(tier_of(item))
    if not re.search(r"\blive\b", config.getoption("markexpr")):
        unasked = [item for item in items if item.get_closest_marker("live")]
        config.hook.pytest_deselected(items=unasked)
        items[:] = [item for item in items if not item.get_closest_marker("live")]


def tier_of(item: pytest.Item) -> str:
    for folder in reversed(item.path.parent.parts):
        if folder in TIERS:
            return folder
    return "integration" if SERVERS & set(getattr(item, "fixturenames", ())) else "unit"
