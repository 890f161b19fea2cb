"""docs/events.md lists every event that a run can tell, with its fields."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

from agentkit.events import Event, FinishReason, Limit

PAGE = (Path(__file__).parents[1] / "docs" / "events.md").read_text(encoding="utf-8")

ROWS = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.*?) \|", PAGE, re.MULTILINE)


def test_every_event_is_listed_with_its_fields() -> None:
    """In the order of the code, each field by its name."""
    listed = [(kind, name, re.findall(r"`(\w+)`", cell)) for kind, name, cell in ROWS]
    assert [
        (event.__dataclass_fields__["kind"].default, event.__name__, names(event))
        for event in get_args(Event)
    ] == listed


def names(event: type) -> list[str]:
    return [field.name for field in fields(event) if field.name != "kind"]


def test_every_reason_and_limit_is_named() -> None:
    """Whoever matches on them finds them here."""
    words = {*get_args(FinishReason), *get_args(Limit)}
    assert set() == {word for word in words if f"`{word}`" not in PAGE}
