"""Files in a folder that is an agent's own: list, read, write, delete, and nothing outside of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from agentkit.errors import UsageError
from agentkit.tools.builtin.confined import ConfinedFolder
from agentkit.tools.decorator import tool
from agentkit.tools.toolset import Toolset

_LISTED = 500
"""Files named in one list."""

_Path = Annotated[str, "path inside the workspace, as in notes/today.txt", Field(max_length=1_000)]


@dataclass(frozen=True, slots=True)
class WorkspaceLimits:
    """How much a workspace may hold. In bytes."""

    max_file_bytes: int = 1_000_000
    max_total_bytes: int = 50_000_000
    max_files: int = 1_000


def workspace_tools(folder: Path | str, limits: WorkspaceLimits | None = None) -> Toolset:
    """The tools `list_files`, `read_file`, `write_file` and `delete_file` in one folder.

    Give each run a folder of its own. Paths cannot leave it: not by `..`, from the root, or through
    a link. Raises UsageError for what is there and is no folder.
    """
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise UsageError(f"The workspace {path} is no folder.")
    return _Workspace(path, WorkspaceLimits() if limits is None else limits)


class _Workspace(Toolset):
    def __init__(self, path: Path, limits: WorkspaceLimits) -> None:
        super().__init__("workspace")
        self._folder = ConfinedFolder(path)
        self._limits = limits
        # Calls of one step run at the same time: two writes must not both take the last place.
        self._changing = threading.Lock()

    @tool(effect="pure")
    def list_files(self) -> str:
        """List the files of the workspace, with their sizes in bytes."""
        files = list(self._folder.files())
        lines = [f"{path} ({size})" for path, size in files[:_LISTED]]
        more = len(files) - len(lines)
        return "\n".join(lines + [f"[{more} more]"] * bool(more)) or "(no files)"

    @tool(effect="pure")
    def read_file(
        self,
        path: _Path,
        start: Annotated[
            int, "the first character, to go on where a text was cut", Field(ge=0)
        ] = 0,
    ) -> str:
        """Read a text file of the workspace."""
        limit = self._limits.max_file_bytes
        content = self._folder.read(path, limit)
        if len(content) > limit:
            raise ValueError(f"{path} is larger than {limit} bytes")
        try:
            return content.decode()[start:] or "(empty)"
        except UnicodeDecodeError:
            raise ValueError(f"{path} is no text") from None

    @tool(effect="idempotent")
    def write_file(self, path: _Path, content: Annotated[str, "the whole file"]) -> str:
        """Write a text file of the workspace, in place of what was there."""
        data = content.encode()
        with self._changing:
            self._check_room(path, len(data))
            self._folder.write(path, data)
        return f"{path}: {len(data)} bytes written."

    @tool(effect="idempotent")
    def delete_file(self, path: _Path) -> str:
        """Delete a file of the workspace."""
        with self._changing:
            return "Deleted." if self._folder.delete(path) else f"There is no file {path}."

    def _check_room(self, path: str, size: int) -> None:
        limits = self._limits
        if size > limits.max_file_bytes:
            raise ValueError(f"{size} bytes are more than a file may have: {limits.max_file_bytes}")
        others = [kept for name, kept in self._folder.files() if name != path]
        if len(others) >= limits.max_files:
            raise ValueError(f"there are {len(others)} files already, and no more are allowed")
        if sum(others) + size > limits.max_total_bytes:
            raise ValueError(f"the workspace would hold more than {limits.max_total_bytes} bytes")
