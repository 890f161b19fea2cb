"""The commands that the documents name exist, with the exit codes that they list."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from opspawn.cli import app, exits
from opspawn.cli.options import OUTCOME_HELP
from support.documents import ROOT, blocks, documents, names, prose, read, rows, section

CLI = read("docs/reference/cli.md")
TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in documents()}

#: What may follow `opspawn` and is no command.
GROUPS = {
    "tasks",
    "dead-letters",
    "approvals",
    "agents",
    "schedules",
    "memories",
    "keys",
    "workers",
}

NO_COMMANDS = ["--help", "--debug COMMAND", "COMMAND --help", *sorted(GROUPS)]


def commands() -> dict[str, list[str]]:
    """Each command with the names of its options, a command of a group as `tasks list`."""
    found: dict[str, Any] = {}
    for name, command in vars(get_command(app))["commands"].items():
        children = vars(command).get("commands")
        if children is None:
            found[name] = command
        else:
            found |= {f"{name} {child}": of_group for child, of_group in children.items()}
    return {
        name: [option for parameter in command.params for option in parameter.opts]
        for name, command in found.items()
    }


def written_commands(text: str) -> Iterator[str]:
    """Command lines of `opspawn` in code blocks and in `backticks`."""
    lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
    for line in [*lines, *names(prose(text))]:
        found = re.match(r"(?:\.venv/bin/)?opspawn (.+)", line.strip())
        if found:
            yield found[1].partition("#")[0].strip()


def is_known(line: str) -> bool:
    if line in NO_COMMANDS:
        return True
    words = re.findall(r'"[^"]*"|\S+', line)
    known = commands()
    name = " ".join(words[:2]) if words[0] in GROUPS else words[0]
    options = [word for word in words if word.startswith("--")]
    return name in known and set(options) <= set(known[name])


@pytest.mark.parametrize("document", TEXTS)
def test_every_opspawn_command_that_is_written_exists(document: str) -> None:
    assert [line for line in written_commands(TEXTS[document]) if not is_known(line)] == []


@pytest.mark.parametrize("document", TEXTS)
def test_every_make_target_that_is_written_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", read("Makefile"), flags=re.MULTILINE))
    text = TEXTS[document]
    lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
    written = {
        m[1] for line in [*lines, *names(prose(text))] if (m := re.match(r"make ([a-z]+)", line))
    }
    assert written <= targets


def test_the_reference_has_every_command() -> None:
    written = {name for row in rows(CLI) for cell in row[:1] for name in names(cell)}
    listed = {re.sub(r"( \[?[A-Z_]+\]?)+$", "", name.removeprefix("opspawn ")) for name in written}
    assert set(commands()) == {name for name in listed if not name.isdecimal()}


def test_the_reference_has_every_exit_code() -> None:
    codes = {
        value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)
    }
    assert codes == {int(row[0]) for row in rows(section(CLI, "Exit codes"))}


def test_the_readme_says_the_outcomes_as_the_command_does() -> None:
    said = dict(re.findall(r"(\d+) (completed|failed|cancelled|waiting)", OUTCOME_HELP))
    assert said == dict(
        re.findall(r"(\d+) (completed|failed|cancelled|waiting)", read("README.md"))
    )
