"""Tasks that name tools of MCP servers: connected when they are needed, in doubt when they die."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentkit.testing import call
from ops_core.log import EventType
from ops_core.ports import TaskKey
from ops_core.task import Status
from opspawn.agents.mcp_servers import McpConfigError
from opspawn.agents.mcp_tools import McpTools
from opspawn.replay import Difference, Recording
from opspawn.replay.replaying import replay
from opspawn.settings import Settings
from support.agent_desk import AgentDesk

ODD_SERVER = Path(__file__).parents[2] / "agentkit/tests/mcp_servers/odd_server.py"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a worker with two servers, of which one is not there."""
    monkeypatch.setenv("LEDGER_FILE", str(tmp_path / "ledger"))
    servers = {
        "odd": {
            "command": sys.executable,
            "args": ["-I", str(ODD_SERVER)],
            "env": {"LEDGER": "${LEDGER_FILE}"},
        },
        "gone": {"command": "/no/such/program"},
    }
    # JSON is YAML.
    (tmp_path / "servers.yaml").write_text(json.dumps({"servers": servers}))
    return Settings(_env_file=None, mcp_servers=tmp_path / "servers.yaml", llm_provider="local")


@pytest.fixture
async def desk(settings: Settings) -> AsyncIterator[AgentDesk]:
    async with McpTools(settings) as mcp:
        desk = AgentDesk()
        desk.mcp = mcp
        yield desk


async def test_a_task_uses_the_tool_that_it_names(desk: AgentDesk, settings: Settings) -> None:
    """And its run replays, without a call and without the server."""
    task = await desk.submit(tools=["odd__act", "calculator"])
    await desk.run(call(("odd__act", {})), "Done.")
    assert Status.COMPLETED is (await desk.task(task)).status
    ledger = settings.mcp_servers.parent / "ledger" if settings.mcp_servers else Path()
    recording = Recording.of(await desk.task(task), await desk.log(task), desk.settings)
    replayed = await replay(recording, desk.tools)
    assert (4, 1) == (replayed.steps, ledger.read_text().count("acted"))


async def test_a_log_without_the_tools_is_replayed_with_the_servers(desk: AgentDesk) -> None:
    """Older builds did not record what they saw."""
    task = await desk.submit(tools=["odd__act"])
    await desk.run(call(("odd__act", {})), "Done.")
    log = [e for e in await desk.log(task) if e.type != EventType.STEP_RECORDED]
    recording = Recording.of(await desk.task(task), log, desk.settings)
    assert 3 == (await replay(recording, desk.tools, desk.mcp)).steps
    with pytest.raises(Difference, match="has no tool 'odd__act'"):
        await replay(recording, desk.tools)


async def test_what_the_servers_offered_is_recorded_once(desk: AgentDesk) -> None:
    """A run that goes on elsewhere finds it in its log."""
    task = await desk.submit(tools=["odd__act", "ask_user"])
    await desk.run(call(("ask_user", {"question": "Who?"})))
    await desk.answer(task, "Ada")
    await desk.run("Done.")
    seen = [e for e in await desk.log(task) if e.data.get("path") == "0/tools"]
    assert ["mcp_tools"] == [event.data["name"] for event in seen]


async def test_a_run_that_an_older_build_began_goes_on(desk: AgentDesk) -> None:
    """It did not record what the servers offered: that is recorded where the run goes on."""
    task = await desk.submit(tools=["odd__act", "ask_user"])
    await desk.run(call(("odd__act", {}), ("ask_user", {"question": "Who?"})))
    log = desk.store._log[TaskKey("default", task)]
    log[:] = [event for event in log if event.data.get("path") != "0/tools"]
    await desk.answer(task, "Ada")
    await desk.run("Done.")
    assert Status.COMPLETED is (await desk.task(task)).status
    recording = Recording.of(await desk.task(task), await desk.log(task), desk.settings)
    assert 5 == (await replay(recording, desk.tools)).steps


async def test_an_unsafe_call_whose_server_dies_waits_for_a_person(desk: AgentDesk) -> None:
    """It may have happened: nobody repeats it without being told to."""
    task = await desk.submit(tools=["odd__die"])
    await desk.run(call(("odd__die", {})))
    waiting = await desk.task(task)
    assert (Status.WAITING, 1) == (waiting.status, await desk.count(task, EventType.TOOL_UNKNOWN))


async def test_the_words_of_a_failed_tool_reach_the_model_and_nobody_is_asked(
    desk: AgentDesk,
) -> None:
    """The server has answered."""
    task = await desk.submit(tools=["odd__fail"])
    llm = await desk.run(call(("odd__fail", {})), "The disk is full.")
    assert Status.COMPLETED is (await desk.task(task)).status
    assert "the disk is full" == llm.requests[-1].messages[-1].text


@pytest.mark.parametrize(
    ("tool", "why", "retryable"),
    [
        ("odd__fly", "no tool odd__fly: the server does not offer it", False),
        ("gone__fly", "gone cannot be started: No such file or directory", True),
    ],
)
async def test_a_tool_that_cannot_be_had_fails_the_task(
    desk: AgentDesk, tool: str, why: str, retryable: bool
) -> None:
    """Retryable when the server may come back."""
    task = await desk.submit(tools=[tool])
    await desk.run()
    last = [event for event in await desk.log(task) if "error" in event.data][-1]
    error = last.data["error"]
    assert ("mcp_error", retryable) == (error["type"], error["retryable"])
    assert why in error["message"]


async def test_a_name_of_an_unknown_server_is_an_unknown_tool(desk: AgentDesk) -> None:
    """As any other name that the worker does not know."""
    task = await desk.submit(tools=["bank__pay"])
    await desk.run()
    error = (await desk.task(task)).error
    assert error is not None
    assert "unknown_tool" == error.type


async def test_the_proxy_is_there_for_who_names_it(desk: AgentDesk) -> None:
    """All tools behind two."""
    task = await desk.submit(tools=["mcp_proxy_tool", "mcp_list_tools"])
    arguments = {"server_name": "odd", "tool_name": "structured", "arguments": {}}
    llm = await desk.run(call(("mcp_proxy_tool", arguments)), "42.")
    assert Status.COMPLETED is (await desk.task(task)).status
    assert '{"answer": 42}' in llm.requests[-1].messages[-1].text


def test_a_wrong_file_is_told_when_the_worker_starts(settings: Settings) -> None:
    """Not when the first task comes."""
    assert settings.mcp_servers is not None
    settings.mcp_servers.write_text("servers: {a: {comand: x}}")
    with pytest.raises(McpConfigError, match=r"servers\.a\.comand: Extra inputs"):
        McpTools(settings)


async def test_without_a_file_there_is_nothing(tmp_path: Path) -> None:
    """No client, no server."""
    async with McpTools(Settings(_env_file=None)) as mcp:
        assert {} == await mcp.named(["odd__act", "mcp_proxy_tool"])
