"""Builds and installs the distributions once for the tests of this folder."""

from pathlib import Path

import pytest

from support.distributions import Built, build, install


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def programs(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `python` and `opspawn` in a fresh environment that holds the three wheels."""
    return install(tmp_path_factory.mktemp("installed") / "venv", *built.wheels.values())
