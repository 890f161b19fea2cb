"""The servers that model clients are held against; each is started when it is first needed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from llmock.testing import LLMockServer

from agentkit.testing import ChatServer
from support import aimock
from support.llmock_server import Llmock
from support.model_script import ModelServer
from support.scripted_models import ScriptedModels

AIMOCK = Path(__file__).parent / "aimock"


@pytest.fixture(scope="session")
def aimock_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[aimock.Aimock]:
    """One aimock for the session. Fails, and skips nothing, when npm cannot install it."""
    with aimock.running(AIMOCK, tmp_path_factory.mktemp("aimock")) as server:
        yield server


@pytest.fixture
async def scripted_models() -> AsyncIterator[ScriptedModels]:
    async with ChatServer([]) as server:
        yield ScriptedModels(server)


@pytest.fixture
def models(request: pytest.FixtureRequest) -> ModelServer:
    """The server that the test's parameter names."""
    server: ModelServer
    match request.param:
        case "aimock":
            server = request.getfixturevalue("aimock_server")
        case "llmock":
            running: LLMockServer = request.getfixturevalue("llmock_server")
            server = Llmock(running)
        case _:
            server = request.getfixturevalue("scripted_models")
    return server
