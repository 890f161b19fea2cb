"""Chroma alone: who may open it, whose vectors it holds, and what happens when it is away."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import uuid
from contextlib import closing
from pathlib import Path

import pytest

from agentkit import ChromaLongTermMemory, HashingEmbedder, MemoryEntry, Namespace
from agentkit.errors import AuthenticationFailed, BadRequest, ProviderUnavailable, UsageError
from agentkit.memory.chroma_errors import translate
from agentkit.memory.chroma_places import ServerPlace
from support.server_process import ServerProcess

ACME = Namespace("acme")

HOLDER = """
import asyncio, sys
from agentkit import ChromaLongTermMemory, MemoryEntry, Namespace


async def main() -> None:
    async with ChromaLongTermMemory.persistent(sys.argv[1]) as memory:
        await memory.add(Namespace("acme"), [MemoryEntry("from the other process")])
        print("open", flush=True)
        await asyncio.to_thread(sys.stdin.read)


asyncio.run(main())
"""


async def holder(path: Path) -> asyncio.subprocess.Process:
    """Another process that has the folder open."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(path), stdin=pipe, stdout=pipe
    )
    assert process.stdout is not None
    assert b"open\n" == await process.stdout.readline()
    return process


async def found(memory: ChromaLongTermMemory, query: str) -> list[str]:
    return [match.text for match in await memory.search(ACME, query)]


async def test_a_folder_keeps_what_is_saved(tmp_path: Path) -> None:
    """Whoever opens it next finds it."""
    async with ChromaLongTermMemory.persistent(tmp_path / "new" / "folder") as memory:
        await memory.add(ACME, [MemoryEntry("tea")])
    async with ChromaLongTermMemory.persistent(tmp_path / "new" / "folder") as memory:
        assert ["tea"] == await found(memory, "tea")


async def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    """At once, with the remedy; a process that is killed leaves nothing locked."""
    process = await holder(tmp_path)
    with pytest.raises(UsageError, match=r"chroma run.*ChromaLongTermMemory\.http"):
        await ChromaLongTermMemory.persistent(tmp_path).open()
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    async with ChromaLongTermMemory.persistent(tmp_path) as memory:
        assert ["from the other process"] == await found(memory, "other process")


async def test_a_second_one_in_the_same_process_is_refused_too(tmp_path: Path) -> None:
    """Until the first one is closed."""
    async with ChromaLongTermMemory.persistent(tmp_path):
        with pytest.raises(UsageError, match="open already"):
            await ChromaLongTermMemory.persistent(tmp_path).open()
    async with ChromaLongTermMemory.persistent(tmp_path):
        pass


async def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """The caller reads which, and why."""
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"No memory can be kept in .*file.*Not a directory"):
        await ChromaLongTermMemory.persistent(tmp_path / "file" / "folder").open()


async def test_many_share_a_server(chroma_server: tuple[str, int]) -> None:
    """What one saves the other finds, however long it has been open."""
    name = f"test-{uuid.uuid4().hex}"
    async with (
        ChromaLongTermMemory.http(*chroma_server, collection=name) as one,
        ChromaLongTermMemory.http(*chroma_server, collection=name) as other,
    ):
        assert [] == await found(other, "tea")
        await one.add(ACME, [MemoryEntry("tea")])
        assert ["tea"] == await found(other, "tea")


class _Renamed(HashingEmbedder):
    def __init__(self) -> None:
        super().__init__()
        self.id = "another"


@pytest.mark.parametrize("embedder", [HashingEmbedder(256), _Renamed()])
async def test_vectors_of_another_embedder_are_refused(
    tmp_path: Path, embedder: HashingEmbedder
) -> None:
    """By name and by size: they cannot be compared. The folder is free again afterwards."""
    async with ChromaLongTermMemory.persistent(tmp_path) as memory:
        await memory.add(ACME, [MemoryEntry("tea")])
    with pytest.raises(UsageError, match=r"hashing-lexical-512@1 \(512 .*use that embedder"):
        await ChromaLongTermMemory.persistent(tmp_path, embedder=embedder).open()
    async with ChromaLongTermMemory.persistent(tmp_path) as memory:
        assert ["tea"] == await found(memory, "tea")


async def test_a_collection_that_is_not_ours_is_refused(chroma_server: tuple[str, int]) -> None:
    """Nobody knows who made its vectors."""
    name = f"test-{uuid.uuid4().hex}"
    host, port = chroma_server
    with closing(ServerPlace(host, port, False, None, 10)) as place:
        place.open().create_collection(name, embedding_function=None)
    with pytest.raises(UsageError, match="vectors of an unknown embedder"):
        await ChromaLongTermMemory.http(host, port, collection=name).open()


@pytest.mark.parametrize("name", ["ab", "", "-abc", "a b c", "a" * 200])
async def test_a_name_that_no_collection_can_have(tmp_path: Path, name: str) -> None:
    """Three characters at least, which Chroma says less clearly."""
    with pytest.raises(UsageError, match="a name is 3 to 128"):
        await ChromaLongTermMemory.persistent(tmp_path, collection=name).open()


async def test_nobody_listens(unused_tcp_port: int) -> None:
    """The caller reads where, and may try again."""
    memory = ChromaLongTermMemory.http("127.0.0.1", unused_tcp_port)
    with pytest.raises(ProviderUnavailable, match=f"127.0.0.1:{unused_tcp_port}") as raised:
        await memory.search(ACME, "tea")
    assert raised.value.retryable


async def test_a_server_that_says_nothing_is_given_up() -> None:
    """After `timeout_s`, though Chroma's own client waits for ever."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    stalled = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = stalled.sockets[0].getsockname()[1]
    with pytest.raises(ProviderUnavailable, match="cannot be used"):
        await ChromaLongTermMemory.http("127.0.0.1", port, timeout_s=0.2).open()
    stalled.close()


async def test_a_server_that_stalls_later_is_given_up(
    chroma_process: tuple[ServerProcess, int],
) -> None:
    """Also in the middle of its work: each request is bounded."""
    server, port = chroma_process
    name = f"test-{uuid.uuid4().hex}"
    async with ChromaLongTermMemory.http("127.0.0.1", port, collection=name, timeout_s=1) as memory:
        server.freeze()
        try:
            with pytest.raises(ProviderUnavailable, match="Timeout"):
                await memory.search(ACME, "tea")
        finally:
            server.thaw()
        assert () == await memory.search(ACME, "tea")


async def test_a_collection_that_was_deleted(chroma_server: tuple[str, int]) -> None:
    """It is told as what it is, and not as a server that is away."""
    name = f"test-{uuid.uuid4().hex}"
    async with ChromaLongTermMemory.http(*chroma_server, collection=name) as memory:
        await memory.add(ACME, [MemoryEntry("tea")])
        with closing(ServerPlace(*chroma_server, False, None, 10)) as place:
            place.open().delete_collection(name)
        with pytest.raises(BadRequest, match="is gone"):
            await memory.search(ACME, "tea")


async def test_nothing_blocks_the_loop(tmp_path: Path) -> None:
    """Chroma is called on threads alone."""
    ours = threading.get_ident()
    seen: set[int] = set()
    async with ChromaLongTermMemory.persistent(tmp_path) as memory:
        collection = memory._collection

        class Watched:
            def __getattr__(self, name: str) -> object:
                seen.add(threading.get_ident())
                return getattr(collection, name)

        memory._collection = Watched()
        [saved] = await memory.add(ACME, [MemoryEntry("tea")])
        await memory.search(ACME, "tea")
        await memory.forget(ACME, [saved])
        await memory.forget_all(ACME)
    assert seen
    assert ours not in seen


async def test_chroma_calls_nobody(tmp_path: Path) -> None:
    """Its telemetry is off, and it does not read the `.env` of the program."""
    async with ChromaLongTermMemory.persistent(tmp_path) as memory:
        settings = memory._place._client.get_settings()  # type: ignore[attr-defined]
        assert False is settings.anonymized_telemetry


async def test_without_chromadb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller reads what to install."""
    monkeypatch.setitem(sys.modules, "chromadb", None)
    with pytest.raises(UsageError, match=r"agentkit\[chroma\]"):
        await ChromaLongTermMemory.persistent(tmp_path).open()


def test_errors_of_chroma_become_ours() -> None:
    """Each says who is at fault; what the server said of a refused token is not repeated."""
    from chromadb import errors

    refused = translate(errors.ChromaAuthError("token s3cret"), "host:1", "notes")
    assert isinstance(refused, AuthenticationFailed)
    assert "s3cret" not in str(refused)
    assert isinstance(translate(errors.InternalError("disk"), "h:1", "n"), ProviderUnavailable)
    assert isinstance(translate(errors.InvalidArgumentError("x"), "h:1", "n"), BadRequest)
    assert isinstance(translate(OSError(), "h:1", "n"), ProviderUnavailable)
