"""The long-term memory of several workers, on a real Chroma server."""

import pytest

from agentkit import MemoryEntry, Namespace
from ops_core.errors import MemoriesUnavailable
from ops_core.memories import MemoryFilter
from opspawn.agents.memory import MemoryUnusable, remembering
from opspawn.memories.access import shelf_of
from opspawn.settings import Settings
from support.chroma_server import chroma

pytestmark = pytest.mark.integration

ACME = Namespace("acme", "support")


async def test_workers_share_a_server() -> None:
    """What one saves the other finds; a worker with another embedder does not start."""
    with chroma() as (_, port):
        chosen = {"ltm_provider": "chroma", "ltm_chroma_url": f"http://127.0.0.1:{port}/"}
        settings = Settings(_env_file=None, **chosen)  # type: ignore[arg-type]
        async with (
            remembering(settings, now=True) as one,
            remembering(settings, now=True) as other,
            # One that runs suspects alone: it has no folder to fight for.
            remembering(settings, now=False) as alone,
        ):
            assert one is not None
            assert other is not None
            assert alone is not None
            assert () == await other.search(ACME, "tea")
            await one.add(ACME, [MemoryEntry("tea")])
            assert ["tea"] == [match.text for match in await other.search(ACME, "tea")]
            assert ["tea"] == [match.text for match in await alone.search(ACME, "tea")]
        differing = settings.model_copy(update={"ltm_embedder": "minilm"})
        with pytest.raises(MemoryUnusable, match="another collection"):
            async with remembering(differing, now=True):
                raise AssertionError("it started")


async def test_a_server_that_comes_late() -> None:
    """A worker that started without it uses it once it is there."""
    with chroma() as (server, port):
        url = f"http://127.0.0.1:{port}"
        settings = Settings(_env_file=None, ltm_provider="chroma", ltm_chroma_url=url)
        server.kill()
        async with remembering(settings, now=True) as memory:
            assert memory is not None
            server.start()
            [saved] = await memory.add(ACME, [MemoryEntry("tea")])
            server.kill()
            server.start()
            assert [saved] == [match.id for match in await memory.search(ACME, "tea")]


async def test_a_door_sees_and_forgets_what_workers_save() -> None:
    """Over a server, which a door finds when it is first asked, also when that comes late."""
    with chroma() as (server, port):
        url = f"http://127.0.0.1:{port}"
        settings = Settings(_env_file=None, ltm_provider="chroma", ltm_chroma_url=url)
        server.kill()
        async with remembering(settings, now=False) as memory, shelf_of(settings) as shelf:
            with pytest.raises(MemoriesUnavailable):
                await shelf.search("acme", "tea", MemoryFilter(), limit=1)
            server.start()
            assert memory is not None
            ada = Namespace("acme", "support", "ada")
            [saved] = await memory.add(ada, [MemoryEntry("tea", "agent support, task t")])
            [found] = await shelf.search("acme", "tea", MemoryFilter(user="ada"), limit=1)
            assert (saved, "agent support, task t") == (found.memory_id, found.source)
            assert 0 == await shelf.forget_all("globex", MemoryFilter(user="ada"))
            assert 1 == await shelf.forget_all("acme", MemoryFilter(user="ada"))
            assert () == await memory.search(ada, "tea")
