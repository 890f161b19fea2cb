"""The time, which a model cannot know. Recorded by the journal, so a replay sees the same one."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from agentkit.clock import Clock, SystemClock
from agentkit.tools.decorator import tool
from agentkit.tools.tool import Tool


def current_time_of(clock: Clock) -> Tool:
    """The tool `current_time` on a clock of one's own."""

    @tool(effect="pure", timeout_s=5.0)
    def current_time(
        zone: Annotated[str, "UTC, or an IANA time zone such as Europe/Paris"] = "UTC",
    ) -> str:
        """Tell the current date and time in a time zone, as ISO 8601."""
        try:
            moment = clock.now().astimezone(ZoneInfo(zone))
        # ValueError: an absolute path or one with dots; OSError: a folder such as "Europe".
        except (KeyError, ValueError, OSError):
            raise ValueError(
                f"{zone!r} is not an IANA time zone; try Europe/Paris or UTC"
            ) from None
        return f"{moment.isoformat(timespec='seconds')} {zone}"

    return current_time


current_time = current_time_of(SystemClock())
