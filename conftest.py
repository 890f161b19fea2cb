"""What holds for all tests: where servers come from, which tier a test is of, what is under test."""

import gc
import importlib.util
import os
import sys
from pathlib import Path

import hypothesis
import pytest

pytest_plugins = [
    "support.docker_servers",
    "support.fuzz_results",
    "support.servers",
    "support.tiers",
]

PACKAGES = ("opspawn", "ops_core", "agentkit")


def pytest_report_header() -> list[str]:
    return [f"{name}: {source(name)}" for name in PACKAGES]


def pytest_configure() -> None:
    # How long an example takes says what else the machine does, and nothing of the code.
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")
    refuse_the_checkout()


def pytest_collection_finish() -> None:
    """Thousands of tests and what they imported stay to the end: no collection has to look at them again."""
    gc.collect()
    gc.freeze()


def refuse_the_checkout() -> None:
    """tox tests the wheels: a package that comes from the checkout would hide what they forgot."""
    if os.environ.get("TEST_BUILT_WHEELS") != "1":
        return
    for name in PACKAGES:
        found = source(name)
        if (
            found is None
            or Path(sys.prefix) not in found.parents
            or "site-packages" not in found.parts
        ):
            raise pytest.UsageError(f"{name} should be an installed wheel, and is {found}")


def source(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None
