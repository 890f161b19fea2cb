"""Plugins: real distributions, built as wheels, found by their entry points.

A wheel of pure Python can be put on `sys.path` as it is: no installer is needed.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from agentkit import plugins
from agentkit.errors import UsageError

ACME = '''
from agentkit import Toolset, tool
from agentkit.testing import ScriptedLlm

@tool(effect="pure")
def weigh(article: str) -> str:
    """Weigh an article."""
    return f"{article}: 3 kg"

class Shop(Toolset):
    @tool
    def order(self, article: str) -> str:
        """Order an article."""
        return "ordered"

shop = Shop("shop")
several = [weigh]
number = 7
mixed = [weigh, 7]

def client(model):
    return ScriptedLlm([], model=model)
'''

ENTRY_POINTS = """
[agentkit.tools]
weigh = acme_tools:weigh
shop = acme_tools:shop
several = acme_tools:several
number = acme_tools:number
mixed = acme_tools:mixed
absent = acme_tools:absent
broken = acme_broken:tools
[agentkit.llm]
scripted = acme_tools:client
number = acme_tools:number
"""


def wheel(folder: Path, name: str, entry_points: str, modules: dict[str, str]) -> Path:
    """A wheel as a build tool would write it."""
    info = f"{name.replace('-', '_')}-1.2.dist-info"
    files = {f"{module}.py": code for module, code in modules.items()} | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
        f"{info}/entry_points.txt": entry_points,
    }
    path = folder / f"{name.replace('-', '_')}-1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in files))
    return path


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    modules = {"acme_tools": ACME, "acme_broken": "raise OSError('no licence')"}
    return wheel(tmp_path_factory.mktemp("wheels"), "acme-tools", ENTRY_POINTS, modules)


@pytest.fixture(autouse=True)
def _installed(acme: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(acme)
    monkeypatch.delitem(sys.modules, "acme_tools", raising=False)


def test_what_is_installed_is_known_without_being_imported() -> None:
    """Names only: nothing of a plugin runs before it is asked for."""
    known = {"weigh", "shop", "several", "number", "mixed", "absent", "broken"}
    assert known == set(plugins.names("agentkit.tools"))
    assert ("number", "scripted") == plugins.names("agentkit.llm")
    assert not {"acme_tools", "acme_broken"} & set(sys.modules)


@pytest.mark.parametrize(
    ("name", "brought"), [("weigh", ["weigh"]), ("shop", ["order"]), ("several", ["weigh"])]
)
async def test_a_plugin_brings_tools(name: str, brought: list[str]) -> None:
    """A tool, a toolset or a list; they are tools like others."""
    assert brought == [tool.name for tool in plugins.tools(name)]


async def test_a_tool_of_a_plugin_can_be_called() -> None:
    """It comes from the installed wheel."""
    [weigh] = plugins.tools("weigh")
    assert "brick: 3 kg" == await weigh.call({"article": "brick"})


def test_a_plugin_makes_a_client() -> None:
    """It is given what its maker asks for."""
    assert "large" == plugins.llm("scripted")("large").model


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("number", r"Plugin number of acme-tools 1\.2 \(acme_tools:number\): 7 is no tool"),
        ("mixed", r"Plugin mixed of acme-tools 1\.2 .*: 7 is no tool: decorate"),
        ("absent", r"Plugin absent of acme-tools 1\.2 .*: AttributeError"),
        ("broken", r"Plugin broken of acme-tools 1\.2 .*: OSError: no licence"),
        ("nothing", r"There is no plugin 'nothing' in agentkit\.tools; installed: absent, "),
    ],
)
def test_what_cannot_be_used_names_its_distribution(name: str, said: str) -> None:
    """Who reads the error knows what to upgrade or to uninstall."""
    with pytest.raises(UsageError, match=said):
        plugins.tools(name)


async def test_a_plugin_s_own_toolset_can_be_opened() -> None:
    """It is the one that its module made."""
    async with plugins.tools("shop") as shop:
        assert sys.modules["acme_tools"].shop is shop


def test_what_makes_no_client_is_told() -> None:
    """By the name of its distribution as well."""
    with pytest.raises(UsageError, match=r"Plugin number of acme-tools .* makes no client"):
        plugins.llm("number")
    with pytest.raises(UsageError, match=r"no plugin 'nothing' in agentkit\.llm"):
        plugins.llm("nothing")


def test_two_distributions_with_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of them was meant is for a person to say."""
    other = "[agentkit.tools]\nweigh = other_tools:weigh\n"
    monkeypatch.syspath_prepend(wheel(tmp_path, "other-tools", other, {"other_tools": ACME}))
    with pytest.raises(UsageError, match=r"acme-tools 1\.2 and other-tools 1\.2 both bring"):
        plugins.tools("weigh")
