"""The commands for memories, in process, against the real REST door."""

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from opspawn.cli import app
from opspawn.cli.exits import CommandError
from opspawn.client import OpspawnClient
from support.rest_door import RestDoor, rest_door


@pytest.fixture
def door() -> Iterator[RestDoor]:
    with rest_door() as door:
        yield door


def test_memories_are_listed_searched_and_forgotten(door: RestDoor) -> None:
    """One by its id, or all of a user; never all by leaving something out."""

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["memories", *arguments, "--url", door.url])
        if done.exception is not None:
            raise done.exception
        return done.stdout

    with OpspawnClient(door.url, "key") as client:
        tea = client.memories.add("Ada drinks tea", user="ada")
        for text in ("Ada has a cat", "Ada sings"):
            client.memories.add(text, user="ada")
        client.memories.add("rain", agent="support")
    assert "rain" in run("list", "--agent", "support")
    assert "Ada" not in run("list", "--agent", "support")
    [best] = json.loads(run("search", "drinks tea", "--limit", "1", "--json"))["memories"]
    assert (tea.memory_id, "ada") == (best["memory_id"], best["user"])
    assert f"Forgotten: {tea.memory_id}\n" == run("forget", tea.memory_id)
    assert "Forgotten: 2\n" == run("forget", "--user", "ada")
    for arguments in ([], [tea.memory_id, "--user", "ada"]):
        with pytest.raises(CommandError, match="Say what to forget"):
            run("forget", *arguments)
    assert "rain" in run("list")
