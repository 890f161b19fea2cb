"""What is wrong with the settings of agents is known before anything is opened."""

import asyncio
import fcntl
from pathlib import Path

import pytest

from agentkit.memory.chroma_places import LOCK_NAME
from opspawn.agents import memory
from opspawn.agents.checks import check
from opspawn.bootstrap import serve_all
from opspawn.preconditions import StartError
from opspawn.settings import Settings, SettingsError

pytestmark = pytest.mark.unit


def made(**settings: object) -> Settings:
    return Settings(_env_file=None, **settings)  # type: ignore[arg-type]


def wrong(**settings: object) -> list[str]:
    with pytest.raises(SettingsError) as error:
        check(made(**settings))
    return str(error.value).splitlines()


def test_settings_as_they_come_are_right(tmp_path: Path) -> None:
    """Folders that are not there yet will be made."""
    check(made())
    check(made(workspaces=tmp_path / "a" / "b", ltm_provider="chroma", ltm_chroma_path=tmp_path))
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("inside", ["", "/deep/er"])
def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path, inside: str) -> None:
    """Else the first task that writes something would be told of an internal error."""
    file = tmp_path / "file"
    file.touch()
    path = Path(f"{file}{inside}")
    assert [f"OPSPAWN_WORKSPACES: {file} is no folder; name one that can be written"] == wrong(
        workspaces=path
    )
    assert wrong(ltm_provider="chroma", ltm_chroma_path=path)[0].startswith(
        f"AGENTKIT_LTM_CHROMA_PATH: {file} is no folder"
    )


def test_each_mistake_has_a_line_that_names_its_setting(tmp_path: Path) -> None:
    """All at once: nobody likes to start five times."""
    lines = wrong(
        tools="no_such_module:tools",
        mcp_servers=tmp_path / "none.yaml",
        workspaces="/dev/null",
        ltm_provider="chroma",
        ltm_chroma_path=tmp_path,
        ltm_embedder="openai",
    )
    keys = [line.partition(":")[0] for line in lines]
    expected = ["OPSPAWN_TOOLS", "OPSPAWN_WORKSPACES", "OPSPAWN_MCP_SERVERS"]
    assert [*expected, "AGENTKIT_LTM_EMBEDDER"] == keys


def test_a_part_of_the_memory_that_is_not_installed_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With what brings it."""
    monkeypatch.setattr(memory, "find_spec", lambda _: None)
    [line] = wrong(ltm_provider="chroma", ltm_chroma_url="http://127.0.0.1:1")
    assert "AGENTKIT_LTM_PROVIDER: chromadb is not installed; install opspawn[all]" == line


async def test_a_memory_that_another_process_has_keeps_the_doors_shut(tmp_path: Path) -> None:
    """It is no wrong setting, but nothing is opened that would close again at once."""
    with (tmp_path / LOCK_NAME).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        settings = made(ltm_provider="chroma", ltm_chroma_path=tmp_path)
        with pytest.raises(StartError, match=r"AGENTKIT_LTM_CHROMA_PATH: .* is open in another"):
            await serve_all(settings, asyncio.Event(), lambda _: None)
