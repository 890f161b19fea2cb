"""The examples of the Python client's pages run as they are written, against the real door."""

import json
import threading
from collections.abc import Iterator

import pytest

from ops_core.moves import complete
from opspawn import client
from opspawn.client.views import View
from support.documents import blocks, read
from support.rest_door import RestDoor, rest_door

FIRST, ASYNC, ERRORS, PARTS = blocks(read("docs/how-to/use-the-python-client.md"), "python")
[MEMORIES] = blocks(read("docs/how-to/let-agents-remember.md"), "python")


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[RestDoor]:
    """Where the examples find their server: by OPSPAWN_URL."""
    with rest_door() as door:
        monkeypatch.setenv("OPSPAWN_URL", door.url)
        yield door


@pytest.mark.parametrize("example", [FIRST, ASYNC], ids=["blocking", "asyncio"])
def test_a_goal_is_followed_to_its_answer(
    door: RestDoor, example: str, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = threading.Thread(target=lambda: door.settle(door.claim(), complete({"output": "391"})))
    worker.start()
    exec(example, {})  # noqa: S102  # our own page
    worker.join()
    shown = capsys.readouterr().out.splitlines()
    expected = ["1 task.submitted", "2 task.claimed", "3 task.completed"]
    assert expected == shown[:3]
    assert shown[3].endswith(" 391")


def test_errors_are_told_apart(door: RestDoor, capsys: pytest.CaptureFixture[str]) -> None:
    exec(ERRORS, {})  # noqa: S102  # our own page
    assert "there is no such task\n" == capsys.readouterr().out


def test_the_parts_of_a_client_are_used_as_written(
    door: RestDoor, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(PARTS, {})  # noqa: S102  # our own page
    assert "True 10\n" == capsys.readouterr().out


def test_memories_are_seen_and_forgotten_as_written(
    door: RestDoor, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page on memories: one is found and deleted by its id, and of the user nothing is left."""
    exec(MEMORIES, {})  # noqa: S102  # our own page
    assert "support Ada drinks tea. anonymous\n0\n" == capsys.readouterr().out


#: What the client calls otherwise than the server's document.
OTHERWISE = {
    "Question": "InputView",
    "TaskError": "ErrorView",
    "IssuedWebhook": "IssuedView",
    "StartRate": "RateView",
}
VALUES = [
    value
    for name in client.__all__
    if isinstance(value := getattr(client, name), type)
    and issubclass(value, View)
    and name != "Page"
]


@pytest.mark.parametrize("value", VALUES)
def test_each_field_that_the_server_shows_has_a_type_in_the_client(value: type[View]) -> None:
    """Nobody has to look for it in `model_extra`, where a type checker sees nothing."""
    schemas = json.loads(read("docs/reference/openapi.json"))["components"]["schemas"]
    name = value.__name__
    shown = schemas[OTHERWISE.get(name, f"{name}View")]["properties"]
    assert set() == set(shown) - set(value.model_fields)
