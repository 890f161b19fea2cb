"""Gives every test its tier, by the folder it is in. A pytest plugin, loaded for all tests.

A test under `…/unit/`, `…/conformance/`, `…/integration/`, `…/e2e/` or `…/packaging/` is of that tier. One
that is in no such folder is `integration` when it asks for a server and `unit` otherwise.
"""

import pytest

TIERS = ("unit", "conformance", "integration", "e2e", "packaging")

#: Fixtures of support.servers that start a server.
SERVERS = {"postgres_server", "rabbitmq_url", "own_postgres", "own_rabbitmq"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not any(item.get_closest_marker(tier) for tier in TIERS):
            item.add_marker(tier_of(item))


def tier_of(item: pytest.Item) -> str:
    for folder in reversed(item.path.parent.parts):
        if folder in TIERS:
            return folder
    return "integration" if SERVERS & set(getattr(item, "fixturenames", ())) else "unit"
