"""The file of MCP servers: what can be written, and what is told of a mistake."""

from pathlib import Path

import pytest

from agentkit.mcp import McpServer
from opspawn.agents.mcp_servers import McpConfigError, load

pytestmark = pytest.mark.unit

WHOLE = """
servers:
  git:
    command: mcp-server-git
    args: [--repository, "${HOME_OF_CODE}/main"]
    env: {TOKEN: "${TOKEN}", PRICE: "$${5}"}
    cwd: /srv
    effect: idempotent
    tools:
      allow: ["git_*"]
      deny: [git_reset]
      effects: {git_status: pure}
      pins: {git_status: "DIGEST"}
    connect_timeout_s: 5
    call_timeout_s: 6
    legacy: true
  remote:
    url: https://${HOST}/mcp
    headers: {Authorization: "Bearer ${TOKEN}"}
  old:
    enabled: false
    command: ${NOT_SET}
""".replace("DIGEST", "ab" * 32)

VARIABLES = {"HOME_OF_CODE": "/srv/code", "TOKEN": "t0ken", "HOST": "example.com"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "servers.yaml"


def mistakes(file: Path, text: str) -> list[str]:
    """What is told of a file, without its name."""
    file.write_text(text)
    with pytest.raises(McpConfigError) as error:
        load(file, VARIABLES)
    lines = str(error.value).splitlines()
    assert all(line.startswith(str(file)) for line in lines)
    return [line.removeprefix(str(file)).removeprefix(": ").strip() for line in lines]


def test_everything_that_can_be_written_is_read(file: Path) -> None:
    """Variables are filled in; what is switched off needs none."""
    file.write_text(WHOLE)
    git = McpServer(
        name="git",
        command="mcp-server-git",
        args=("--repository", "/srv/code/main"),
        env={"TOKEN": "t0ken", "PRICE": "${5}"},
        cwd=Path("/srv"),
        effect="idempotent",
        allow=("git_*",),
        deny=("git_reset",),
        effects={"git_status": "pure"},
        connect_timeout_s=5,
        call_timeout_s=6,
        legacy=True,
    )
    remote = McpServer(
        name="remote", url="https://example.com/mcp", headers={"Authorization": "Bearer t0ken"}
    )
    assert ([git, remote], {"git__git_status": "ab" * 32}) == load(file, VARIABLES)


def test_every_mistake_has_its_line(file: Path) -> None:
    """With the place, and never with a value."""
    told = mistakes(
        file,
        """
servers:
  a: {command: run, comand: s3cret}
  b: {command: run, env: {KEY: "${MISSING}"}}
  c: {url: http://x, call_timeout_s: s3cret, effect: s3cret}
""",
    )
    assert [
        "servers.b.env.KEY: the variable MISSING is not set",
        "servers.a.comand: Extra inputs are not permitted",
        "servers.c.effect: Input should be 'pure', 'idempotent' or 'unsafe'",
        "servers.c.call_timeout_s: Input should be a valid number, unable to parse string as a number",
    ] == told


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("servers: {a__b: {command: x}}", "servers.a__b: MCP server 'a__b': a name is letters"),
        ("servers: {a: {}}", "servers.a: MCP server a: give it one of command, url and app."),
        ("servers: {a: {command: x, url: http://x}}", "give it one of command, url and app."),
        ("servers: [", "is no YAML in line 1"),
        ("servers: {a: 7}", "servers.a: Input should be a valid dictionary"),
        ("server: {}", "servers: Field required"),
        ("", "must begin with `servers:`"),
        ("- a", "must begin with `servers:`"),
        ("servers:", "servers: Input should be a valid dictionary"),
        ("servers: {a: {command: !!python/object:os.system x}}", "is no YAML in line 1"),
    ],
)
def test_what_is_no_file_of_servers_is_told(file: Path, text: str, why: str) -> None:
    """The first thing to correct."""
    assert why in mistakes(file, text)[0]


def test_a_file_that_is_not_there_is_told(file: Path) -> None:
    """With the reason of the system."""
    with pytest.raises(McpConfigError, match="cannot be read: No such file or directory"):
        load(file, VARIABLES)


def test_a_pin_that_is_no_hash_is_refused(file: Path) -> None:
    """No tool could ever be what it says."""
    [line] = mistakes(file, "servers: {a: {command: x, tools: {pins: {b: sha256}}}}")
    assert line.startswith("servers.a.tools.pins.b: ")
