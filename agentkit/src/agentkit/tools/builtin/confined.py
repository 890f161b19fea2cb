"""A folder that no path leads out of: each part is opened below the one before, links never.

The kernel does the checking (`openat` with `O_NOFOLLOW`), so that there is no moment between the
check and the use in which a folder could become a link.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_MAX_DEPTH = 16
_MAX_NAME = 200
"""Bytes; most file systems allow 255, and a file being written has a few more."""

_UNFINISHED = ".unfinished-"
"""Begins the name of a file that is being written."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe would be waited for


class OutsideWorkspace(ValueError):
    """A path that is none inside the folder; the text is for the model."""


class ConfinedFolder:
    """Reads and writes whole files below `root`, which is made when it is first written to."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str, max_bytes: int) -> bytes:
        """The file's content, up to a byte more than `max_bytes`. Raises FileNotFoundError."""
        with (
            self._parent(path) as (folder, name),
            os.fdopen(_opened(name, folder, path), "rb") as file,
        ):
            return file.read(max_bytes + 1)

    def write(self, path: str, content: bytes) -> None:
        """Put the content there at once, in place of what was there, making folders."""
        with self._parent(path, make=True) as (folder, name):
            if _is_folder(name, folder):
                raise OutsideWorkspace(f"{path} is a folder")
            unfinished = _UNFINISHED + secrets.token_hex(8)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE
            with os.fdopen(os.open(unfinished, flags, 0o600, dir_fd=folder), "wb") as file:
                try:
                    file.write(content)
                    file.flush()
                    os.replace(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
                except BaseException:
                    os.unlink(unfinished, dir_fd=folder)
                    raise

    def delete(self, path: str) -> bool:
        """Whether there was such a file, which is gone now."""
        try:
            with self._parent(path) as (folder, name):
                if _is_folder(name, folder):
                    raise OutsideWorkspace(f"{path} is a folder")
                os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return False
        return True

    def files(self) -> Iterator[tuple[str, int]]:
        """Path and size in bytes of every file, in order; what is no plain file is left out."""
        if not self._root.is_dir():
            return
        for top, folders, names, descriptor in os.fwalk(self._root, follow_symlinks=False):
            folders.sort()
            for name in sorted(names):
                with suppress(FileNotFoundError):  # deleted meanwhile
                    status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode) and not name.startswith(_UNFINISHED):
                        yield str((Path(top) / name).relative_to(self._root)), status.st_size

    @contextmanager
    def _parent(self, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The open folder that a path's last part is in, and that part."""
        *folders, name = _parts(path)
        if make:
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:  # nothing was written yet; where it will be is not for the model
            raise FileNotFoundError(f"there is no file {path}") from None
        try:
            for part in folders:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o700, dir_fd=descriptor)
                below = _folder(part, descriptor, path)
                os.close(descriptor)
                descriptor = below
            yield descriptor, name
        finally:
            os.close(descriptor)


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    if path.startswith("/"):
        raise OutsideWorkspace(f"{path!r} is absolute; give a path inside the workspace")
    if any(part in ("", ".", "..") for part in parts) or "\0" in path or "\\" in path:
        raise OutsideWorkspace(f"{path!r} is no plain path; write it as in notes/today.txt")
    if parts[-1].startswith(_UNFINISHED):
        raise OutsideWorkspace(f"{path!r} is the name of a file that is being written")
    if len(parts) > _MAX_DEPTH or any(len(os.fsencode(part)) > _MAX_NAME for part in parts):
        raise OutsideWorkspace(f"{path[:100]!r} is too deep or too long")
    return parts


def _folder(part: str, inside: int, path: str) -> int:
    try:
        return os.open(part, _FOLDER, dir_fd=inside)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path}") from None
    except OSError:
        raise OutsideWorkspace(f"{path}: {part} is no folder") from None


def _opened(name: str, inside: int, path: str) -> int:
    try:
        descriptor = os.open(name, os.O_RDONLY | _FILE, dir_fd=inside)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path}") from None
    except OSError:
        raise OutsideWorkspace(f"{path} is no file that can be read") from None
    status = os.fstat(descriptor)
    # A second name may lie outside, and a device or a pipe is not ours to read.
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(descriptor)
        raise OutsideWorkspace(f"{path} is no plain file")
    return descriptor


def _is_folder(name: str, inside: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=inside, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False
