"""Which tools a worker has: the built-in ones and those that its operator names."""

from pathlib import Path

import pytest

from agentkit.mcp.native import LISTING, PROXY
from agentkit.testing import answer, call
from agentkit.tools import Tool
from agentkit.tools.builtin import MEMORY_TOOLS
from ops_core.errors import TaskFailed
from opspawn.agents.toolbox import (
    BUILTIN,
    OFFERED_BY,
    ToolError,
    chosen,
    load,
    of_task,
    only_to_look_at,
    opened,
)
from opspawn.replay.recording import Recording
from opspawn.replay.replaying import replay
from opspawn.settings import Settings, env_name
from support.agent_desk import AgentDesk

pytestmark = pytest.mark.unit

MODULE = '''
from agentkit.tools import tool

@tool
async def pay(amount: int) -> str:
    """Pay."""
    return "paid"

@tool(effect="pure")
async def look() -> str:
    """Look."""
    return "seen"

both = [pay, look]
mixed = [pay, 7]
number = 7

@tool
async def calculator(expression: str) -> str:
    """Another one."""
    return "0"
'''


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "our_tools.py").write_text(MODULE)
    (tmp_path / "broken_tools.py").write_text("raise RuntimeError('no licence')")
    monkeypatch.syspath_prepend(tmp_path)


def test_without_a_word_a_worker_has_the_built_in_tools() -> None:
    """And nothing else."""
    assert {tool.name for tool in BUILTIN} == set(load([]))


def test_a_name_brings_one_tool_or_several() -> None:
    """A tool, or a sequence of them."""
    assert {"pay"} == set(load(["our_tools:pay"])) - set(load([]))
    assert {"pay", "look"} == set(load(["our_tools:both"])) - set(load([]))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_such_module:pay", "No module named"),
        ("our_tools:no_such_tool", "has no attribute 'no_such_tool'"),
        ("our_tools", "has no attribute"),
        (":pay", "Empty module name"),
        ("our_tools:mixed", "7 is not a tool: decorate the function with @tool"),
        ("our_tools:number", "7 is not a tool: decorate the function with @tool"),
        ("our_tools:calculator", "two tools named calculator"),
        ("broken_tools:pay", "no licence"),
    ],
)
def test_a_name_that_brings_no_tool_is_told_with_the_reason(name: str, why: str) -> None:
    """The operator reads which name it is and what to do."""
    with pytest.raises(ToolError) as error:
        load([name])
    assert str(error.value).startswith(f"{name}: ")
    assert why in str(error.value)


def test_the_setting_is_a_list_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """OPSPAWN_TOOLS, separated by commas; blanks do not matter."""
    monkeypatch.setenv("OPSPAWN_TOOLS", " our_tools:pay , our_tools:look,")
    assert ["our_tools:pay", "our_tools:look"] == Settings().tool_names
    assert {"pay", "look"} == set(load(Settings().tool_names)) - set(load([]))
    monkeypatch.delenv("OPSPAWN_TOOLS")
    assert [] == Settings().tool_names


def configured(**given: object) -> Settings:
    return Settings(_env_file=None, **given)  # type: ignore[arg-type]


FILES = {"list_files", "read_file", "write_file", "delete_file"}


def test_what_reaches_out_is_there_only_when_a_setting_says_so(tmp_path: Path) -> None:
    """The web, files and code are nobody's until the operator gives them; code asks a person."""
    assert set() == set(load([], configured())) - set(load([]))
    given = configured(http_fetch_hosts="example.org, *.example.net", python_code=True)
    more = load([], given)
    assert {"http_fetch", "python_code"} == set(more) - set(load([]))
    assert more["python_code"].asks({"code": "1"})
    assert not more["http_fetch"].asks({"url": "https://example.org/"})


async def test_what_is_fetched_is_bounded_by_the_setting() -> None:
    """Another host than those named is refused before anything is sent."""
    fetch = load([], configured(http_fetch_hosts="example.org"))["http_fetch"]
    with pytest.raises(ValueError, match=r"allowed: example\.org"):
        await fetch.call({"url": "https://other.test/"})


async def test_each_task_has_files_of_its_own(tmp_path: Path) -> None:
    """In a folder named after it, where no other task reads."""
    settings = configured(workspaces=tmp_path)
    first, second = (of_task(load([], settings), settings, task) for task in ("a", "b"))
    assert FILES == set(first) - set(load([], settings))
    await first["write_file"].call({"path": "note", "content": "1"})
    assert "1" == (tmp_path / "a" / "note").read_text()
    assert "(no files)" == await second["list_files"].call({})


async def test_a_run_writes_into_its_task_s_folder(tmp_path: Path) -> None:
    """By the handler, which knows whose run it is; and the log can be replayed without the files."""
    desk = AgentDesk()
    desk.settings = configured(workspaces=tmp_path, llm_provider="local")
    task_id = await desk.submit(tools=["write_file"])
    await desk.run(call(("write_file", {"path": "note", "content": "1"})), answer("done"))
    task = await desk.task(task_id)
    assert "1" == (tmp_path / task_id / "note").read_text()
    (tmp_path / task_id / "note").unlink()
    recording = Recording.of(task, await desk.log(task_id), desk.settings)
    assert "task.completed" == (await replay(recording, {})).end


def test_the_names_of_files_are_taken(tmp_path: Path) -> None:
    """An operator's tool of the same name would be hidden by ours without a word."""
    (tmp_path / "file_tools.py").write_text(
        "from agentkit.tools import tool\n\n"
        "@tool\ndef read_file(path: str) -> str:\n    'Read.'\n    return path\n"
    )
    settings = configured(workspaces=tmp_path)
    assert "read_file" in load(["file_tools:read_file"])
    with pytest.raises(ToolError, match="two tools named read_file"):
        load(["file_tools:read_file"], settings)


def test_a_replay_knows_every_built_in_tool() -> None:
    """They are looked at, so no setting is needed; and what is reached is nothing."""
    expected = {tool.name for tool in BUILTIN} | {"http_fetch", "python_code"} | FILES
    tools: dict[str, Tool] = dict(only_to_look_at())
    assert expected == set(tools)


SETS = '''
from agentkit import Toolset, tool

class Desk(Toolset):
    is_open = False

    async def open(self):
        if self.name == "broken":
            raise OSError("no key")
        self.is_open = True

    async def close(self):
        self.is_open = False

    @tool(effect="pure")
    def state(self) -> bool:
        """Tell whether it is open."""
        return self.is_open

desk = Desk("desk")
broken = Desk("broken").prefixed()
'''


async def test_a_toolset_is_open_while_a_worker_works(tmp_path: Path) -> None:
    """What its tools need is there when they are called, and given back afterwards."""
    (tmp_path / "set_tools.py").write_text(SETS)
    async with opened(configured(tools="set_tools:desk,our_tools:pay")) as tools:
        assert {"pay", "state"} == set(tools) - set(load([]))
        assert "true" == await tools["state"].call({})
    assert "false" == await tools["state"].call({})


async def test_a_toolset_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """As one that cannot be imported; those opened before it are closed."""
    (tmp_path / "more_tools.py").write_text(SETS)
    settings = configured(tools="more_tools:desk,more_tools:broken")
    with pytest.raises(ToolError, match=r"^more_tools:broken: OSError: no key$"):
        async with opened(settings):
            raise AssertionError("not reached")
    assert "false" == await load(["more_tools:desk"])["state"].call({})


@pytest.fixture
def _plugin(tmp_path: Path) -> None:
    info = tmp_path / "acme_tools-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-tools\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[agentkit.tools]\nacme = our_tools:both\nbad = our_tools:number\n"
    )


@pytest.mark.usefixtures("_plugin")
def test_a_plugin_brings_its_tools() -> None:
    """By the name that its distribution gives it."""
    assert {"pay", "look"} == set(load(["plugin:acme"])) - set(load([]))


@pytest.mark.usefixtures("_plugin")
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("plugin:other", "There is no plugin 'other' in agentkit.tools; installed: acme, bad."),
        ("plugin:bad", "Plugin bad of acme-tools 1.2 (our_tools:number): 7 is no tool"),
    ],
)
def test_a_plugin_that_brings_no_tools_is_told(name: str, why: str) -> None:
    """With the name that the operator wrote, and its distribution."""
    with pytest.raises(ToolError) as error:
        load([name])
    assert str(error.value).startswith(f"{name}: {why}")


def test_every_tool_that_needs_a_setting_names_it() -> None:
    """Who is told that it is missing is told how to have it."""
    optional = {*set(only_to_look_at()) - set(load([])), *MEMORY_TOOLS, PROXY, LISTING}
    assert optional == set(OFFERED_BY)
    assert set(OFFERED_BY.values()) <= {env_name(field) for field in Settings.model_fields}


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("read_file", "OPSPAWN_WORKSPACES"),
        ("memory_save", "AGENTKIT_LTM_PROVIDER"),
        ("git__git_log", "OPSPAWN_MCP_SERVERS"),
        ("pay", "OPSPAWN_TOOLS"),
    ],
)
def test_a_tool_that_is_missing_is_told_with_the_setting_that_offers_it(
    name: str, setting: str
) -> None:
    """Its name alone would not say where it comes from."""
    with pytest.raises(TaskFailed, match=f"has no tool '{name}'; .* offer it is {setting}"):
        chosen(load([]), [name])
