"""Examples of the documents that need no server are run as they are written."""

import asyncio
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from ops_core.answers import answer
from ops_core.api.views import TaskView
from ops_core.execute import Executor
from ops_core.ports import TaskHandler
from ops_core.request import parse_request_json
from ops_core.task import NewTask, Reason, Status, Task
from ops_core.testing import FrozenClock, MemoryStore
from ops_core.writer import StepWriter
from support.documents import ROOT, blocks, read


def test_the_example_of_a_tool_prints_what_its_page_says(tmp_path: Path) -> None:
    page = read("docs/how-to/write-a-tool.md")
    [example] = blocks(page, "python")
    script = tmp_path / "example.py"
    script.write_text(example, encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"It prints `{done.stdout.strip()}`" in page


def test_the_example_of_a_replay_passes(tmp_path: Path) -> None:
    [example] = blocks(read("docs/how-to/replay-a-run.md"), "python")
    (tmp_path / "test_example.py").write_text(example, encoding="utf-8")
    run = (ROOT / "tests/data/runs/calculates.json").read_text(encoding="utf-8")
    (tmp_path / "run.json").write_text(run, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout


def test_the_example_of_grpc_fits_the_stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops where it needs a server: at the call, not at a name that the stubs do not have."""
    monkeypatch.setenv("OPSPAWN_API_KEY", "osk_0123456789abcdef_")
    [example] = blocks(read("docs/reference/grpc.md"), "python")
    with pytest.raises(grpc.RpcError) as stopped:
        exec(example.replace("127.0.0.1:50051", "127.0.0.1:1"), {})  # noqa: S102  # our own page
    assert grpc.StatusCode.UNAVAILABLE is stopped.value.code()


async def test_the_example_of_a_handler_completes_a_task() -> None:
    example, _ = blocks(read("ops-core/README.md"), "python")
    done = await _run_once(MemoryStore(), _class(example, "Shout"), {"text": "hello"})
    assert (Status.COMPLETED, {"said": "HELLO"}) == (done.status, done.result)


async def test_the_example_of_a_durable_handler_pays_sleeps_asks_and_ends() -> None:
    _, example = blocks(read("ops-core/README.md"), "python")
    clock = FrozenClock()
    store, handler = MemoryStore(clock), _class(example, "Order")
    sleeping = await _run_once(store, handler, {"article": "A-17"})
    assert (Status.WAITING, Reason.TIMER) == (sleeping.status, sleeping.reason)
    clock.advance(14 * 86_400 + 1)
    await store.wake(1)
    asking = await _run_once(store, handler)
    assert (Status.WAITING, Reason.INPUT) == (asking.status, asking.reason)
    await store.signal("d", "t", answer(None, "yes"))
    done = await _run_once(store, handler)
    assert {"receipt": "receipt for A-17", "shipped": True} == done.result


def _class(example: str, name: str) -> TaskHandler:
    names: dict[str, Any] = {}
    exec(example, names)  # noqa: S102  # our own page
    handler: TaskHandler = names[name]()
    return handler


async def _run_once(
    store: MemoryStore, handler: TaskHandler, input_data: dict[str, Any] | None = None
) -> Task:
    """Submits the task if it gets an input, and runs it to wherever it comes."""
    await store.beat("worker", ["default"], slots=1, running=0)
    if input_data is not None:
        await store.submit(
            NewTask(task_id="t", tenant_id="d", task_type="x", input_data=input_data)
        )
    [task] = await store.claim("worker", ["default"], 1)
    writer = StepWriter(store)
    writing = asyncio.create_task(writer.run())
    executor = Executor(store, writer, {"x": handler})
    await executor.execute(executor.open(task))
    writing.cancel()
    return await store.get("d", "t")


def test_the_first_request_of_the_readme_is_accepted() -> None:
    [command] = [block for block in blocks(read("README.md"), "sh") if "curl" in block]
    body = shlex.split(command)[-1]
    assert {"goal": "What is 17 * 23?"} == parse_request_json(body.encode()).input_data


def test_the_first_answer_of_the_readme_has_the_fields_of_a_task() -> None:
    [answer] = [block for block in blocks(read("README.md"), "text") if "201 Created" in block]
    shown = json.loads(answer.partition("\n\n")[2])
    assert list(TaskView.model_fields) == list(shown)
