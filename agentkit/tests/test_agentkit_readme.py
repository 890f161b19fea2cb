"""Every script of the README and of docs/ runs as it is printed."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from agentkit.testing import ChatServer, completion

HOME = Path(__file__).parents[1]


def scripts(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


SCRIPTS = scripts(HOME / "README.md")

OTHERS = [
    pytest.param(script, id=f"{page.stem}-{number}")
    for page in (HOME / "README.md", *sorted((HOME / "docs").glob("*.md")))
    for number, script in enumerate(scripts(page), start=1)
    if script != SCRIPTS[0]
]


async def output_of(script: str, **environment: str) -> str:
    """What a fresh interpreter prints for `script`, which must succeed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert 0 == process.returncode, err.decode()
    return out.decode()


async def test_the_first_script() -> None:
    """Ten lines and a key: the answer is printed, made from what the calculator found."""
    calls = completion(calls=[("calculator", '{"expression": "17 * 23"}')])
    async with ChatServer([calls, completion("It is 391.")]) as server:
        environment = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": server.base_url}
        assert "It is 391.\n" == await output_of(SCRIPTS[0], **environment)
    assert "391" == server.requests[1]["messages"][-1]["content"]


def test_the_first_script_is_ten_lines() -> None:
    """What is promised on the first screen is short."""
    assert 10 >= len([line for line in SCRIPTS[0].splitlines() if line.strip()])


@pytest.mark.parametrize("script", OTHERS)
async def test_the_other_scripts(script: str) -> None:
    """They need no key and no server, and end without an error."""
    await output_of(script)
