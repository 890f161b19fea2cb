"""A serving process leaves waiting coroutines alone when it looks for garbage."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from opspawn.cli.process import serve


@pytest.fixture
def _restored() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("_restored")
def test_a_serving_process_looks_for_garbage_seldom() -> None:
    """A thousand agents that wait for a model hold two hundred objects each."""

    found = []

    async def main(_stop: asyncio.Event) -> int:
        found.append(gc.get_threshold())
        return 0

    assert 0 == serve(main)
    assert [(20_000, 50, 10)] == found
