"""Files in a workspace: what an agent may do there, and that nothing leads out of it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from agentkit import Agent, AllowList
from agentkit.errors import UsageError
from agentkit.messages import ToolMessage
from agentkit.testing import ScriptedLlm, answer, call
from agentkit.tools import Toolset
from agentkit.tools.builtin import WorkspaceLimits, workspace_tools


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


async def do(tools: Toolset, name: str, **arguments: Any) -> str:
    [found] = tools.only(name)
    return await found.call(found.parse(arguments))


async def test_files_are_written_read_listed_and_deleted(tmp_path: Path) -> None:
    """Folders are made as needed; what was deleted is gone, and may be deleted again."""
    files = workspace_tools(tmp_path / "new" / "folder")
    assert "(no files)" == await do(files, "list_files")
    with pytest.raises(FileNotFoundError, match=r"^there is no file a\.txt$"):
        await do(files, "read_file", path="a.txt")
    assert "b/c.txt: 5 bytes written." == await do(
        files, "write_file", path="b/c.txt", content="héll"
    )
    await do(files, "write_file", path="a.txt", content="")
    await do(files, "write_file", path="b/c.txt", content="héllo")
    assert "a.txt (0)\nb/c.txt (6)" == await do(files, "list_files")
    assert "héllo" == await do(files, "read_file", path="b/c.txt")
    assert "llo" == await do(files, "read_file", path="b/c.txt", start=2)
    assert "(empty)" == await do(files, "read_file", path="a.txt")
    assert "Deleted." == await do(files, "delete_file", path="a.txt")
    assert "There is no file a.txt." == await do(files, "delete_file", path="a.txt")
    assert "b/c.txt (6)" == await do(files, "list_files")


OUTSIDE = [
    *("../secret.txt", "a/../../secret.txt", "/etc/passwd", "./a", "a//b", "a/", "", ".", ".."),
    *("a\\..\\b", "a\0b", "x/" * 20 + "y", "n" * 300, ".unfinished-1"),
    *("link.txt", "folder-link/secret.txt", "folder-link/new.txt", "up/secret.txt"),
]


@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("name", ["read_file", "write_file", "delete_file"])
async def test_no_path_leads_out(tmp_path: Path, name: str, path: str) -> None:
    """By dots, from the root, through a link to a file or to a folder: what is outside stays."""
    secret = tmp_path / "outside" / "secret.txt"
    secret.parent.mkdir()
    secret.write_text("secret")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.txt").symlink_to(secret)
    (inside / "folder-link").symlink_to(secret.parent)
    (inside / "up").symlink_to("../outside")
    arguments = {"path": path} | ({"content": "x"} if name == "write_file" else {})
    if path == "link.txt" and name != "read_file":
        # The link itself is the agent's own, to replace or to delete.
        await do(workspace_tools(inside), name, **arguments)
        assert not (inside / "link.txt").is_symlink()
    else:
        with pytest.raises(ValueError, match=r"path|folder|file|deep"):
            await do(workspace_tools(inside), name, **arguments)
    assert "secret" == secret.read_text()
    assert ["secret.txt"] == names(secret.parent)


async def test_only_plain_files_are_read(tmp_path: Path) -> None:
    """Not a pipe, which would be waited for, not a folder, not a second name of a file elsewhere."""
    (tmp_path / "elsewhere").write_text("secret")
    inside = tmp_path / "inside"
    (inside / "folder").mkdir(parents=True)
    os.mkfifo(inside / "pipe")
    os.link(tmp_path / "elsewhere", inside / "hard")
    (inside / "link").symlink_to(tmp_path / "elsewhere")
    (inside / "binary").write_bytes(b"\xff\xfe")
    files = workspace_tools(inside)
    for path in ("pipe", "folder", "hard", "link"):
        with pytest.raises(ValueError, match=path):
            await do(files, "read_file", path=path)
    with pytest.raises(ValueError, match="binary is no text"):
        await do(files, "read_file", path="binary")
    with pytest.raises(FileNotFoundError, match="there is no file missing/x"):
        await do(files, "read_file", path="missing/x")
    assert "binary (2)\nhard (6)" == await do(files, "list_files")


@pytest.mark.parametrize("name", ["write_file", "delete_file"])
async def test_a_folder_is_no_file(tmp_path: Path, name: str) -> None:
    """It is neither overwritten nor deleted."""
    (tmp_path / "folder").mkdir()
    arguments = {"path": "folder"} | ({"content": "x"} if name == "write_file" else {})
    with pytest.raises(ValueError, match="folder is a folder"):
        await do(workspace_tools(tmp_path), name, **arguments)
    assert ["folder"] == names(tmp_path)


async def test_what_a_workspace_holds_is_bounded(tmp_path: Path) -> None:
    """Size of a file, size of all, number of files; replacing one takes no more room."""
    limits = WorkspaceLimits(max_file_bytes=10, max_total_bytes=15, max_files=2)
    files = workspace_tools(tmp_path, limits)
    with pytest.raises(ValueError, match="11 bytes are more than a file may have: 10"):
        await do(files, "write_file", path="a", content="x" * 11)
    await do(files, "write_file", path="a", content="x" * 10)
    await do(files, "write_file", path="a", content="y" * 10)
    with pytest.raises(ValueError, match="more than 15 bytes"):
        await do(files, "write_file", path="b", content="x" * 6)
    await do(files, "write_file", path="b", content="x" * 5)
    with pytest.raises(ValueError, match="there are 2 files already"):
        await do(files, "write_file", path="c", content="")
    (tmp_path / "b").write_text("x" * 11)
    with pytest.raises(ValueError, match="b is larger than 10 bytes"):
        await do(files, "read_file", path="b")


async def test_writes_at_the_same_time_do_not_outrun_the_bound(tmp_path: Path) -> None:
    """Of twenty that come at once, as many are written as there may be."""
    files = workspace_tools(tmp_path, WorkspaceLimits(max_files=3))
    writes = [do(files, "write_file", path=f"f{n}", content="x") for n in range(20)]
    done = await asyncio.gather(*writes, return_exceptions=True)
    assert 17 == sum(isinstance(one, ValueError) for one in done)
    assert 3 == len(names(tmp_path))


async def test_an_agent_works_with_files(tmp_path: Path) -> None:
    """What one call writes the next reads."""
    wishes = [
        call(("write_file", {"path": "note.txt", "content": "17"})),
        call(("read_file", {"path": "note.txt"})),
    ]
    llm = ScriptedLlm([*wishes, answer("done")])
    files = workspace_tools(tmp_path)
    await Agent(llm, tools=files, security=AllowList(one.name for one in files)).run("goal")
    [last] = [m for m in llm.requests[-1].messages if isinstance(m, ToolMessage)][-1:]
    assert "17" == last.text


def test_a_workspace_is_a_folder(tmp_path: Path) -> None:
    """A file in its place is found when the tools are made."""
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is no folder"):
        workspace_tools(tmp_path / "file")
