"""Data folders for the tests of the embedded PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from opspawn.embedded import postgres
from support.embedded_folder import copy_folder, open_folder


@pytest.fixture
def new_dir() -> Iterator[Path]:
    """A data folder before its first start."""
    with open_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def used_dir() -> Iterator[Path]:
    """A data folder after its first start, to be copied."""
    with open_folder() as folder:
        with postgres(folder, print):
            pass
        yield folder


@pytest.fixture
def data_dir(new_dir: Path, used_dir: Path) -> Path:
    """A stopped one, with an empty database."""
    copy_folder(used_dir, new_dir)
    return new_dir
