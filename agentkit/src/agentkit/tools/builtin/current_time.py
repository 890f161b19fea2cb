"""The time, which a model cannot know: that of the run's clock, the same on every replay."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from agentkit.context import RunContext
from agentkit.tools.decorator import tool


@tool(effect="pure", timeout_s=5.0)
async def current_time(
    context: RunContext,
    zone: Annotated[str, "UTC, or an IANA time zone such as Europe/Paris"] = "UTC",
) -> str:
    """Tell the current date and time in a time zone, as ISO 8601."""
    now = await context.now()
    try:
        moment = now.astimezone(ZoneInfo(zone))
    # ValueError: an absolute path or one with dots; OSError: a folder such as "Europe".
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{zone!r} is not an IANA time zone; try Europe/Paris or UTC") from None
    return f"{moment.isoformat(timespec='seconds')} {zone}"
