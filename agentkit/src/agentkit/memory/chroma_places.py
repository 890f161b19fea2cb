"""Where a Chroma is: in a folder that one process has for itself, or behind a server for many."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from agentkit.errors import UsageError

LOCK_NAME = "agentkit.lock"
"""Beside Chroma's own files. Held for as long as the folder is open, and free once we are dead."""


class ChromaPlace(Protocol):
    """Opens and closes a client of `chromadb`. Both block, so both belong on a thread."""

    @property
    def name(self) -> str:
        """How errors call it; no secret."""
        ...

    def open(self) -> Any:
        """A client that answers. Raises UsageError, or whatever chromadb raises."""
        ...

    def close(self) -> None:
        """Let go of what `open` took; nothing when it took nothing."""
        ...


class FolderPlace:
    """A folder, for one process at a time.

    A second process would not see what the first one writes, and nothing would say so: its searches
    would just find less. So the folder is locked, and a second process is refused.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self.name = str(path)
        self._lock: int | None = None
        self._client: Any = None

    def open(self) -> Any:
        """See `ChromaPlace`."""
        chromadb = _chromadb()
        if getattr(chromadb, "is_client", False):
            raise UsageError(
                "chromadb-client only talks to servers: install 'agentkit[chroma]' to keep a memory "
                "in a folder, or use ChromaLongTermMemory.http(…)."
            )
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self._path)
        except OSError as error:
            raise UsageError(
                f"No memory can be kept in {self._path} ({error.strerror}): choose a folder that this "
                "process may write."
            ) from None
        try:
            self._client = chromadb.PersistentClient(self._path, settings=_settings(chromadb))
        except BaseException:
            self.close()
            raise
        return self._client

    def close(self) -> None:
        """See `ChromaPlace`."""
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class ServerPlace:
    """A server (`chroma run`), for as many processes as there are."""

    def __init__(
        self, host: str, port: int, ssl: bool, headers: Mapping[str, str] | None, timeout_s: float
    ) -> None:
        self.name = f"{host}:{port}"
        self._address: dict[str, Any] = {"host": host, "port": port, "ssl": ssl}
        self._headers = dict(headers or {})
        self._timeout_s = timeout_s
        self._client: Any = None
        self._sessions: list[Any] = []

    def open(self) -> Any:
        """See `ChromaPlace`."""
        chromadb = _chromadb()
        self._check_server()
        self._client = chromadb.HttpClient(
            **self._address, headers=dict(self._headers), settings=_settings(chromadb)
        )
        # Chroma's client waits for ever, and leaves its connections open when it is closed. Its
        # other half has asked whether tenant and database exist.
        halves = (self._client, self._client._admin_client)  # noqa: SLF001
        self._sessions = [half._server._session for half in halves]  # noqa: SLF001
        for session in self._sessions:
            session.timeout = self._timeout_s
        return self._client

    def close(self) -> None:
        """See `ChromaPlace`."""
        if self._client is not None:
            self._client.close()
            self._client = None
        while self._sessions:
            self._sessions.pop().close()

    def _check_server(self) -> None:
        """Ask for a sign of life first: to make the client may take for ever."""
        # Imported here: it takes longer than the rest of this package together.
        import urllib.request

        scheme = "https" if self._address["ssl"] else "http"
        heartbeat = urllib.request.Request(  # noqa: S310  the scheme is one of the two above
            f"{scheme}://{self.name}/api/v2/heartbeat", headers=self._headers
        )
        with urllib.request.urlopen(heartbeat, timeout=self._timeout_s):  # noqa: S310
            pass


def _chromadb() -> Any:
    # Imported here: it takes 1.5 seconds, and belongs to those who use it.
    try:
        import chromadb
    except ImportError:
        raise UsageError(
            "ChromaLongTermMemory needs chromadb: pip install 'agentkit[chroma]', or chromadb-client "
            "for a program that only talks to a server."
        ) from None
    return chromadb


def _settings(chromadb: Any) -> Any:
    # Without `_env_file` it would read the .env of whatever program uses us.
    return chromadb.config.Settings(_env_file=None, anonymized_telemetry=False)


def _locked(path: Path) -> int:
    """The descriptor that holds the lock of the folder. Raises UsageError when it is held."""
    # Imported here: not every system has it.
    try:
        import fcntl
    except ImportError:
        raise UsageError(
            "A memory in a folder needs file locks, which this system lacks."
        ) from None
    lock = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise UsageError(
            f"The memory in {path} is open already, here or in another process, and two would not see "
            "what the other one saves: close it there, or run `chroma run` and use "
            "ChromaLongTermMemory.http(…)."
        ) from None
    return lock
