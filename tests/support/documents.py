"""Reads the project's documents: their tables, code blocks and links."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def documents() -> list[Path]:
    """Every Markdown file that people read; prompts are for models, and environments are not ours."""
    found = [*ROOT.glob("*.md")]
    for folder in ("docs", "agentkit", "ops-core", "tests", "benchmarks"):
        found += (ROOT / folder).rglob("*.md")
    return sorted(path for path in found if "prompts" not in path.parts)


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """The fenced code blocks of one language."""
    return [body for name, body in _FENCE.findall(text) if name == language]


def prose(text: str) -> str:
    """The text without its code blocks."""
    return _FENCE.sub("", text)


def section(text: str, heading: str) -> str:
    """What is below a heading of the second level, up to the next one."""
    parts = re.split(rf"^## {re.escape(heading)}\n", text, flags=re.MULTILINE)
    assert len(parts) == 2, f"there is not one section {heading!r}"
    return re.split(r"^## ", parts[1], flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of every table row in the text, headings and rulers left out."""
    lines = [line.strip() for line in prose(text).splitlines()]
    found = []
    for before, line in zip(["", *lines], [*lines, ""], strict=False):
        if line.startswith("|") and before.startswith("|") and not _is_ruler(line):
            found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def names(cell: str) -> list[str]:
    """What a cell names in `backticks`."""
    return re.findall(r"`([^`]+)`", cell)


def anchors(text: str) -> set[str]:
    """The fragments that a link may end with, as GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", prose(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _is_ruler(line: str) -> bool:
    return set(line) <= set("|-: ")
