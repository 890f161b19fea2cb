"""docs/how-to/mcp-servers.md: its file is one, and its table has every key with its default."""

from pathlib import Path

from opspawn.agents.mcp_servers import load
from support.documents import blocks, names, read, rows

PAGE = read("docs/how-to/mcp-servers.md")

KEYS = {
    *("enabled", "command", "args", "cwd", "env", "url", "headers", "effect", "legacy"),
    *("tools.allow", "tools.deny", "tools.effects", "tools.pins"),
    *("connect_timeout_s", "call_timeout_s"),
}


def test_the_example_is_a_file_of_servers(tmp_path: Path) -> None:
    [example] = blocks(PAGE, "yaml")
    (tmp_path / "servers.yaml").write_text(example)
    servers, pins = load(tmp_path / "servers.yaml", {"TRACKER_TOKEN": "t"})
    assert (["git", "tracker"], {}) == ([server.name for server in servers], pins)


def test_the_table_has_every_key() -> None:
    assert KEYS == {name for row in rows(PAGE) for name in names(row[0])}


def test_every_key_of_the_table_can_be_written(tmp_path: Path) -> None:
    flat = {key for key in KEYS if not key.startswith("tools.")} - {"url", "headers"}
    values = {"enabled": "true", "command": "x", "args": "[a]", "cwd": "/", "env": "{A: b}"}
    values |= {"effect": "pure", "legacy": "true", "connect_timeout_s": "1", "call_timeout_s": "2"}
    digest = "b" * 64
    tools = f"{{allow: [a], deny: [b], effects: {{a: pure}}, pins: {{a: {digest}}}}}"
    entry = ", ".join(f"{key}: {values[key]}" for key in sorted(flat))
    (tmp_path / "servers.yaml").write_text(f"servers: {{a: {{{entry}, tools: {tools}}}}}")
    servers, pins = load(tmp_path / "servers.yaml", {})
    assert (1, {"a__a": digest}) == (len(servers), pins)
