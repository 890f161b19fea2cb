"""The files of agents: what can be written, and how a mistake is told."""

import asyncio
from pathlib import Path

import pytest

from ops_core.agents import AgentService
from ops_core.agents.checking import DefinitionCheck
from ops_core.testing import MemoryAgentStore
from opspawn.agents.contract import AGENT_KIND
from opspawn.agents.definitions import DefinitionsError, load
from opspawn.cli import run
from opspawn.defining import define, written_agents
from opspawn.settings import Settings, SettingsError
from support.documents import blocks, read

pytestmark = pytest.mark.unit

CHECK = DefinitionCheck(AGENT_KIND)

WHOLE = """\
agents:
  scout:
    description: Finds things out.
    instructions: |
      You scout.
    tools: [calculator]
    handoffs:
      - writer
  writer:
    tools: []
    policy:
      deny:
        - {id: quiet, tools: ["send*"], where: {amount: {between: [0, 5]}}, after_untrusted: true}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "agents.yaml"


def mistakes(file: Path, text: str) -> list[str]:
    """What is told of a file, without its name."""
    file.write_text(text)
    with pytest.raises(DefinitionsError) as error:
        load(file, CHECK)
    lines = str(error.value).splitlines()
    assert all(line.startswith(str(file)) for line in lines)
    return [line.removeprefix(f"{file}:").strip() for line in lines]


def test_agents_are_read_with_those_that_work_is_handed_over_to_first(file: Path) -> None:
    """So that each is there when another one names it."""
    file.write_text(WHOLE)
    assert ["writer", "scout"] == [agent.name for agent in load(file, CHECK)]


def test_a_folder_is_all_its_files(tmp_path: Path) -> None:
    """What is no YAML file is left alone."""
    (tmp_path / "a.yaml").write_text("agents: {a: {handoffs: [b]}}")
    (tmp_path / "b.yml").write_text("agents: {b: {}}")
    (tmp_path / "notes.txt").write_text("none")
    assert ["b", "a"] == [agent.name for agent in load(tmp_path, CHECK)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("agents:\n  a:\n    tool: [x]\n", "3: agents.a.tool: is not a known field"),
        (
            "agents:\n  a:\n    tools:\n    - x\n    - 'y y'\n",
            "5: agents.a.tools.1: 'y y' does not match '^[A-Za-z0-9_-]{1,64}$'",
        ),
        ("agents:\n  default: {}\n", "2: agents.default: is the agent of the server's settings"),
        ("agents:\n  a: {handoffs: [a]}\n", "2: agents.a.handoffs.0: is the agent itself"),
        ("agents:\n  a: {approve: [x]}\n", "2: agents.a.approve.0: is not among its tools"),
        ("agents:\n  a: {planner_type: simple, handoffs: [b]}\n", "2: agents.a.handoffs: must be"),
        (
            'agents:\n  a: {output_schema: {$ref: "#/$defs/x"}}\n',
            "2: agents.a.output_schema: refers to #/$defs/x, which is not in it",
        ),
        ("agents:\n  a: {}\n  a: {}\n", "3: a is written twice"),
        ("agents:\n  a: 1\n", "2: agents.a: must be a name with fields below it"),
        ("a: 1\n", "1: must hold `agents:` with names below it, and nothing else"),
        ("agents: [\n", "2: is no YAML"),
        ("", "1: is empty"),
        ("agents:\n  a: &x {}\n  b: *x\n", "3: aliases (*x) are not taken"),
        (
            "agents:\n  a: {policy: {deny: [{id: q, tools: [x], where: {n: {between: [2, 1]}}}]}}",
            "2: agents.a.policy.deny.0.where.n.between: holds for no number",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_field(file: Path, text: str, expected: str) -> None:
    """Where an editor finds it."""
    [found] = mistakes(file, text)
    assert found.startswith(expected)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    """Those of several agents in several files, and a name that is in two of them."""
    (tmp_path / "a.yaml").write_text("agents:\n  a: {tool: x}\n")
    (tmp_path / "b.yaml").write_text("agents:\n  b: {tool: x}\n  a: {}\n")
    with pytest.raises(DefinitionsError) as error:
        load(tmp_path, CHECK)
    assert 3 == len(str(error.value).splitlines())


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """With the reason."""
    with pytest.raises(DefinitionsError, match=r"nowhere.yaml cannot be read: No such file"):
        load(tmp_path / "nowhere.yaml", CHECK)


def defined(agents: AgentService, file: Path) -> None:
    """As a start with this file does."""
    written = written_agents(Settings(_env_file=None, agents=file))
    asyncio.run(define(agents, written))


def test_a_start_with_the_same_file_stores_nothing_new(file: Path) -> None:
    """What changed is the next version, and only that."""
    agents = AgentService(MemoryAgentStore(), AGENT_KIND)
    file.write_text(WHOLE)
    defined(agents, file)
    defined(agents, file)
    file.write_text(WHOLE.replace("You scout.", "You look."))
    defined(agents, file)
    page = asyncio.run(agents.list(tenant_id="default"))
    assert {"scout": 2, "writer": 1} == {agent.name: agent.version for agent in page.agents}
    assert {"file"} == {agent.created_by for agent in page.agents}


def test_a_handoff_to_nobody_is_told_with_its_place(file: Path) -> None:
    """It is known only when the store is asked."""
    file.write_text("agents:\n  a:\n    handoffs: [nobody]\n")
    with pytest.raises(SettingsError, match=r":3: agents.a.handoffs: hands work over to nobody"):
        defined(AgentService(MemoryAgentStore(), AGENT_KIND), file)


@pytest.mark.parametrize("command", ["api", "up"])
def test_a_wrong_file_stops_the_start(
    command: str,
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With exit code 64, before anything is opened."""
    file.write_text("agents:\n  a: {tool: x}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPSPAWN_AGENTS", str(file))
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("RABBITMQ_URL", "amqp://127.0.0.1:1")
    assert 64 == run([command])
    expected = (
        f"opspawn: wrong setting: OPSPAWN_AGENTS: {file}:2: agents.a.tool: is not a known field\n"
    )
    assert expected == capsys.readouterr().err


def test_the_file_of_the_manual_is_one(file: Path) -> None:
    """As it stands there, all of it."""
    [example] = blocks(read("docs/how-to/define-agents.md"), "yaml")
    file.write_text(example)
    agents = AgentService(MemoryAgentStore(), AGENT_KIND)
    defined(agents, file)
    page = asyncio.run(agents.list(tenant_id="default"))
    assert {"researcher", "writer"} == {agent.name for agent in page.agents}
