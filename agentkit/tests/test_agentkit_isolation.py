"""Tools in processes of their own: what travels, what ends, and that nothing is left running."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import isolated_tools
import pytest

from agentkit import Agent, AllowList, RunContext, tool
from agentkit.errors import FailedBeforeEffect, ToolFailed, UsageError
from agentkit.events import ToolFinished
from agentkit.testing import ScriptedLlm, answer, call
from agentkit.tools import RaisedElsewhere, TimedOut, Tool, ToolRegistry


def running(pids: list[int]) -> list[int]:
    """Those that the process table still has; a zombie has ended."""
    alive = []
    for pid in pids:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if stat.rpartition(")")[2].split()[0] != "Z":
            alive.append(pid)
    return alive


async def written(path: Path) -> list[int]:
    """The ids in the file, once it is there."""
    while not (ids := read(path)):
        await asyncio.sleep(0.02)
    return ids


def read(path: Path) -> list[int]:
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


async def called(isolated: Tool, **arguments: Any) -> str:
    return await isolated.call(isolated.parse(arguments))


async def test_arguments_and_results_travel() -> None:
    """Models and defaults arrive as such in another process; what it prints is no part of it."""
    trip = {"day": "2026-07-01", "stops": ["Oslo"]}
    told = json.loads(await called(isolated_tools.describe, trip=trip))
    assert told.pop("pid") != os.getpid()
    assert {"year": 2026, "stops": ["Oslo"], "nights": 1} == told


async def test_an_async_function() -> None:
    """It gets an event loop of its own there."""
    assert "A" == await called(isolated_tools.shout, text="a")


@pytest.mark.skipif(sys.platform != "linux", reason="finds its descriptors in /proc")
@pytest.mark.parametrize("line", ['{"text": 5}', '{"failed": []}', "[]", "null"])
async def test_a_result_that_the_function_wrote_itself_is_checked(line: str) -> None:
    """It is foreign, so it has failed like a process without a result."""
    with pytest.raises(RaisedElsewhere, match="no result that can be read"):
        await called(isolated_tools.forge, line=line)


@pytest.mark.skipif(sys.platform != "linux", reason="finds its descriptors in /proc")
async def test_a_result_that_the_function_wrote_itself_is_bounded() -> None:
    """The bound is kept here, where the function cannot reach."""
    told = await called(isolated_tools.forge, line=json.dumps({"text": "x" * 19_000}))
    assert 1_200 > len(told)


async def test_the_result_is_bounded_once() -> None:
    """The cut is told with the length that there was, as in this process."""
    assert "ééééé\n[cut: 5 of 100000 characters shown]" == await called(
        isolated_tools.talk, length=100_000
    )


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raise", r"^ConnectionError: reset$"),
        ("exit", r"^SystemExit: 3$"),
        ("die", r"^its process ended by signal 9: about to die$"),
        ("flood", r"^its process ended with code 4: x+$"),
    ],
)
async def test_what_goes_wrong_there_is_told_here(how: str, said: str) -> None:
    """An exception with its name, a dead process with its last words, of which few are kept."""
    with pytest.raises(RaisedElsewhere, match=said) as caught:
        await called(isolated_tools.fail, how=how)
    assert len(str(caught.value)) < 3_000


async def test_a_failure_without_effect_stays_one() -> None:
    """It is the one exception that says what nothing else can."""
    with pytest.raises(FailedBeforeEffect, match="no paper"):
        await called(isolated_tools.fail, how="no effect")


async def test_a_failure_in_the_tool_s_own_words_keeps_them() -> None:
    """They are what the model reads, and nothing is in doubt."""
    with pytest.raises(ToolFailed, match=r"^out of stock$"):
        await called(isolated_tools.fail, how="own words")


async def test_its_surroundings_hold_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a program needs and what was given; a folder of its own, gone afterwards."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    told = json.loads(await called(isolated_tools.surroundings))
    environment = told["environment"]
    assert "yes" == environment.pop("GIVEN")
    allowed = {"PATH", "LANG", "LC_CTYPE", "HOME", "TMPDIR"}  # LC_CTYPE: by Python itself
    assert set() == set(environment) - allowed
    assert "" == told["stdin"]
    assert told["folder"] == environment["HOME"]
    assert [] == read(Path(told["folder"]) / "left-behind")


async def test_memory_can_be_bounded() -> None:
    """What takes more than it may fails, and not the machine."""
    with pytest.raises(RaisedElsewhere, match="MemoryError"):
        await called(isolated_tools.hoard)


async def test_a_timeout_leaves_nothing_running(tmp_path: Path) -> None:
    """The sync function, its child, and what it detached are gone when the timeout is told."""
    with pytest.raises(TimedOut, match="stay took longer than 5 s"):
        await called(isolated_tools.stay_a_second, pids=str(tmp_path / "pids"))
    pids = await written(tmp_path / "pids")
    assert 5 == len(pids)
    assert [] == running(pids)


async def test_a_cancelled_call_leaves_nothing_running(tmp_path: Path) -> None:
    """Cancelling the run ends the processes of its calls before it goes on."""
    waiting = asyncio.create_task(
        called(isolated_tools.stay_long, pids=str(tmp_path / "pids")),
    )
    pids = await written(tmp_path / "pids")
    assert sorted(pids) == sorted(running(pids))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert [] == running(pids)


async def test_a_call_that_has_returned_leaves_nothing_running(tmp_path: Path) -> None:
    """A result is no licence for a process that outlives it."""
    assert "left" == await called(isolated_tools.leave_behind, pids=str(tmp_path / "pids"))
    assert [] == running(await written(tmp_path / "pids"))


async def test_our_own_death_leaves_nothing_running(tmp_path: Path) -> None:
    """Killed as hard as can be, we leave nobody behind: the supervisor notices."""
    script = (
        "import asyncio, isolated_tools as t\n"
        f"asyncio.run(t.stay_long.call({{'pids': {str(tmp_path / 'pids')!r}}}))\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=Path(__file__).parent
    )
    try:
        pids = await written(tmp_path / "pids")
    finally:
        process.kill()
        await process.wait()
    async with asyncio.timeout(10):
        while running(pids):
            await asyncio.sleep(0.02)
    assert -signal.SIGKILL == process.returncode


async def test_an_unsafe_call_that_timed_out_is_in_doubt(tmp_path: Path) -> None:
    """What was killed may have had its effect before: the model reads so."""
    wish = call(("stay", {"pids": str(tmp_path / "pids")}))
    llm = ScriptedLlm([wish, answer("done")])
    agent = Agent(llm, tools=[isolated_tools.stay_unsafe], security=AllowList(["stay"]))
    events = (await agent.run("goal")).events
    finished = next(event for event in events if isinstance(event, ToolFinished))
    assert "stay took longer than 5 s. It may have taken effect" in finished.observation.text
    assert [] == running(await written(tmp_path / "pids"))


async def test_a_failure_there_reads_as_one_here() -> None:
    """The model sees the same words as of a tool in this process."""
    llm = ScriptedLlm([call(("fail", {"how": "raise"})), answer("done")])
    agent = Agent(llm, tools=[isolated_tools.fail], security=AllowList(["fail"]))
    events = (await agent.run("goal")).events
    finished = next(event for event in events if isinstance(event, ToolFinished))
    assert "fail failed: ConnectionError: reset." == finished.observation.text


def test_a_function_that_cannot_be_imported_is_refused() -> None:
    """When the tool is made, and not when a model calls it."""
    with pytest.raises(UsageError, match="define it at the top of a module"):

        @tool(isolation="subprocess")
        def local() -> None:
            """Do nothing."""


def with_context(context: RunContext) -> None:
    """Do nothing."""


def test_a_run_cannot_travel() -> None:
    """A context answers from a journal that lives here."""
    with pytest.raises(UsageError, match="takes a RunContext, which lives in this process"):
        tool(effect="pure", isolation="subprocess")(with_context)


def plain(text: str) -> str:
    """Repeat."""
    return text


async def test_a_sandbox_has_to_be_given() -> None:
    """A tool that asked for one is refused without, and never runs elsewhere."""
    sandboxed = tool(effect="pure", isolation="sandbox")(plain)
    with pytest.raises(UsageError, match=r"there is none: pass ToolRegistry\(tools, sandbox="):
        ToolRegistry([sandboxed])
    with pytest.raises(UsageError, match="there is none"):
        await sandboxed.call({"text": "a"})


class Recorded:
    """A sandbox that runs nothing and keeps what it was asked to run."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def check(self, tool: Tool) -> None:
        pass

    async def run(self, tool: Tool, keywords: dict[str, Any]) -> str:
        self.asked.append((tool.name, keywords))
        return "held"


async def test_a_sandbox_that_is_given_runs_what_asked_for_it() -> None:
    """And nothing else."""
    sandbox = Recorded()
    plainly = tool(name="plainly", effect="pure")(plain)
    registry = ToolRegistry(
        [tool(effect="pure", isolation="sandbox")(plain), plainly], sandbox=sandbox
    )
    held, free = registry
    assert "held" == await held.call({"text": "a"})
    assert "b" == await free.call({"text": "b"})
    assert [("plain", {"text": "a"})] == sandbox.asked
