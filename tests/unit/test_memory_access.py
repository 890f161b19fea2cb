"""How doors reach memories: late, patiently, a few at once; and what they say where there are none."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from agentkit import InMemoryLongTermMemory
from agentkit.errors import ProviderUnavailable, UsageError
from ops_core.errors import MemoriesNotConfigured, MemoriesUnavailable
from ops_core.memories import MemoryFilter, MemoryPage, MemoryShelf
from ops_core.testing import InMemoryShelf
from opspawn.memories.access import AT_ONCE, PatientShelf, shared_shelf, shelf_of
from opspawn.memories.shelf import RememberedShelf
from opspawn.settings import Settings
from support.server_process import free_port

pytestmark = pytest.mark.unit

EVERYTHING = MemoryFilter()


def settings(**fields: Any) -> Settings:
    return Settings(_env_file=None, **fields)


async def listed(shelf: MemoryShelf) -> MemoryPage:
    return await shelf.page("acme", EVERYTHING, limit=5, cursor=None)


class HangingShelf(InMemoryShelf):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.go_on = asyncio.Event()

    async def page(self, *args: Any, **more: Any) -> MemoryPage:
        self.asked += 1
        await self.go_on.wait()
        return await super().page(*args, **more)


def making(shelf: MemoryShelf) -> Callable[[], Any]:
    async def make() -> MemoryShelf:
        return shelf

    return make


async def test_without_a_memory_the_setting_is_named() -> None:
    """Whatever is asked."""
    async with shelf_of(settings()) as shelf, shared_shelf(None) as shared:
        for asking in (
            listed(shelf),
            listed(shared),
            shelf.search("acme", "tea", EVERYTHING, limit=1),
            shelf.get("acme", "x"),
            shelf.forget("acme", "x"),
            shelf.forget_all("acme", EVERYTHING),
        ):
            with pytest.raises(MemoriesNotConfigured, match="AGENTKIT_LTM_PROVIDER=chroma"):
                await asking


async def test_a_folder_is_not_opened_by_a_door_of_its_own(tmp_path: Path) -> None:
    """Two processes in it would not see what the other saves: a server is asked for."""
    folder = tmp_path / "memory"
    async with shelf_of(settings(ltm_provider="chroma", ltm_chroma_path=folder)) as shelf:
        with pytest.raises(MemoriesNotConfigured, match=r"AGENTKIT_LTM_CHROMA_URL.*chroma run"):
            await listed(shelf)
    assert not folder.exists()


async def test_a_server_that_is_away_is_told_as_such() -> None:
    """In our words: those of the error name the host, and are in the log."""
    url = f"http://127.0.0.1:{free_port()}"
    async with shelf_of(settings(ltm_provider="chroma", ltm_chroma_url=url)) as shelf:
        with capture_logs() as logs, pytest.raises(MemoriesUnavailable) as away:
            await listed(shelf)
    assert "127.0.0.1" not in str(away.value)
    assert any("127.0.0.1" in entry.get("why", "") for entry in logs)


async def test_a_door_opens_whatever_the_memory_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of the embedder is missing: whoever asks reads so."""
    chosen = {"ltm_provider": "chroma", "ltm_embedder": "openai", "ltm_chroma_url": "http://x:1"}
    async with shelf_of(settings(**chosen)) as shelf:
        with pytest.raises(MemoriesNotConfigured, match="AGENTKIT_LTM_PROVIDER: No API key"):
            await listed(shelf)
    monkeypatch.setitem(sys.modules, "chromadb", None)
    chosen = {"ltm_provider": "chroma", "ltm_chroma_url": "http://x:1"}
    async with shelf_of(settings(**chosen)) as shelf:
        with pytest.raises(MemoriesNotConfigured, match="pip install 'agentkit"):
            await listed(shelf)


async def test_what_a_memory_refuses_when_it_opens_is_no_fault_of_the_caller() -> None:
    async def differs() -> None:
        raise UsageError("another embedder")

    shelf = RememberedShelf(InMemoryLongTermMemory(), differs)
    with pytest.raises(MemoriesNotConfigured, match="another embedder"):
        await listed(shelf)


async def test_a_memory_that_fails_is_away() -> None:
    class Failing(InMemoryLongTermMemory):
        async def page(self, *_: Any, **__: Any) -> Any:
            raise ProviderUnavailable("host 10.0.0.7 said no")

    with pytest.raises(MemoriesUnavailable):
        await listed(RememberedShelf(Failing()))


async def test_nobody_waits_for_ever_and_what_hangs_keeps_its_place() -> None:
    """Threads cannot be stopped: as many hang as may, and the next ones are sent away."""
    hanging = HangingShelf()
    shelf = PatientShelf(making(hanging), patience_s=0.05)
    answers = await asyncio.gather(*(listed(shelf) for _ in range(8)), return_exceptions=True)
    assert {MemoriesUnavailable} == {type(answer) for answer in answers}
    assert AT_ONCE == hanging.asked
    hanging.go_on.set()
    patient = asyncio.create_task(listed(shelf))
    assert [] == (await patient).memories
    await shelf.aclose()


async def test_what_a_client_no_longer_waits_for_goes_on() -> None:
    """It holds its place until it is over, and is cancelled when the process ends."""
    hanging = HangingShelf()
    shelf = PatientShelf(making(hanging))
    asking = asyncio.create_task(listed(shelf))
    while not hanging.asked:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert 1 == len(shelf._under_way)
    await shelf.aclose()
    assert not shelf._under_way


async def test_a_memory_is_made_once_and_again_only_after_it_failed() -> None:
    made: list[int] = []

    async def make() -> MemoryShelf:
        made.append(1)
        if len(made) == 1:
            raise MemoriesNotConfigured("not yet")
        return InMemoryShelf()

    shelf = PatientShelf(make)
    with pytest.raises(MemoriesNotConfigured):
        await listed(shelf)
    await asyncio.gather(*(listed(shelf) for _ in range(4)))
    assert 2 == len(made)
