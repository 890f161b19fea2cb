"""Which tools a worker has: the built-in ones and those that its operator names."""

from pathlib import Path

import pytest

from opspawn.agents.toolbox import BUILTIN, ToolError, load
from opspawn.settings import Settings

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
