"""`opspawn demo`: one command from nothing to an answer."""

import json
import signal
import socket
from pathlib import Path

from support.command import Start
from support.embedded_folder import postmaster_of
from support.model_server import ModelServer


def test_the_demo_shows_a_run_and_prints_the_task(start: Start, data_dir: Path) -> None:
    """The task alone as JSON on standard output; thought, call, observation, tokens and cost beside it."""
    demo = start("demo", "What is 17 * 23?")
    assert 0 == demo.end(), demo.err
    task = json.loads(demo.out)
    assert ("completed", "It is 391.") == (task["status"], task["result"]["output"])
    for words in (
        "openai: gpt-5.4-mini",
        "I shall calculate.",
        "calculator(expression=17 * 23)",
        "observation  391",
        "100 + 10 tokens · $",
        "completed · 2 steps · 200 + 20 tokens",
    ):
        assert words in demo.err
    assert postmaster_of(data_dir / "postgres") is None


def test_the_demo_says_nothing_else(start: Start) -> None:
    """No log line of the server inside the run that is shown."""
    demo = start("demo")
    demo.end()
    assert "worker ready" not in demo.err


def test_the_demo_takes_free_ports_when_its_own_are_taken(
    start: Start, environment: dict[str, str]
) -> None:
    """It runs beside whatever else is there, and says so."""
    ports = [int(environment[key]) for key in ("OPSPAWN_API_PORT", "OPSPAWN_GRPC_PORT")]
    with (
        socket.create_server(("127.0.0.1", ports[0])),
        socket.create_server(("127.0.0.1", ports[1])),
    ):
        demo = start("demo")
        assert 0 == demo.end(), demo.err
    for port in ports:
        assert f"Port {port} is taken" in demo.err


def test_a_demo_that_fails_says_so_with_its_exit_code(start: Start, model: ModelServer) -> None:
    """The provider refuses the key: the task is failed, with what to do."""
    demo = start("demo", OPENAI_API_KEY="sk-wrong")
    assert 1 == demo.end()
    task = json.loads(demo.out)
    assert "failed" == task["status"]
    assert task["error"]["message"] in demo.err
    assert "sk-wrong" not in demo.err + demo.out


def test_ctrl_c_ends_the_demo_and_its_database(
    start: Start, model: ModelServer, data_dir: Path
) -> None:
    """In the middle of a model call: exit code 130, nothing left behind."""
    model.hold(1)
    demo = start("demo", OPSPAWN_DRAIN_GRACE_S="0.1")
    model.wait_for(1)
    demo.signal(signal.SIGINT)
    assert 130 == demo.end()
    assert "" == demo.out
    assert postmaster_of(data_dir / "postgres") is None


def test_the_built_in_model_is_called_what_it_is(start: Start) -> None:
    """Whoever tries it without a key is told that it is a toy."""
    demo = start("demo", AGENTKIT_LLM_PROVIDER="local", AGENTKIT_LLM_MODEL="")
    demo.wait_for("Goal:")
    assert "local: smollm2" in demo.err
    assert "is a toy" in demo.err
