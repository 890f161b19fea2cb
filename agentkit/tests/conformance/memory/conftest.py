"""Long-term memories of every kind, each empty, and the Chroma server that one kind needs."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from agentkit import ChromaLongTermMemory, HashingEmbedder, InMemoryLongTermMemory
from agentkit.memory import BrowsableMemory
from agentkit.testing import FrozenClock
from support.chroma_server import chroma
from support.server_process import ServerProcess

KINDS = ("in memory", "chroma in a folder", "chroma on a server")


@pytest.fixture(scope="session")
def chroma_process() -> Iterator[tuple[ServerProcess, int]]:
    """A `chroma run` of these tests' own, and its port."""
    with chroma() as started:
        yield started


@pytest.fixture
def chroma_server(chroma_process: tuple[ServerProcess, int]) -> tuple[str, int]:
    """The address of the server."""
    return "127.0.0.1", chroma_process[1]


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture(params=KINDS)
async def memory(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FrozenClock
) -> AsyncIterator[BrowsableMemory]:
    """One of each kind."""
    embedder = HashingEmbedder(256)
    made: BrowsableMemory
    if request.param == KINDS[0]:
        made = InMemoryLongTermMemory(embedder, clock=clock)
    elif request.param == KINDS[1]:
        made = ChromaLongTermMemory.persistent(tmp_path / "chroma", embedder=embedder, clock=clock)
    else:
        host, port = request.getfixturevalue("chroma_server")
        name = f"test-{uuid.uuid4().hex}"
        made = ChromaLongTermMemory.http(
            host, port, embedder=embedder, collection=name, clock=clock
        )
    yield made
    await made.aclose()
