"""The tools of MCP servers in a replay: those that the log has; of an older log, those that are there now."""

from collections.abc import Mapping, Sequence

from agentkit.journal import Journal
from agentkit.tools import Tool
from opspawn.agents.mcp_tools import McpTools
from opspawn.agents.seen_tools import SEEN, kept
from opspawn.replay.tape import Tape


class RecordedServers:
    """`ServerTools` over a tape. The servers themselves are asked for what the tape does not have."""

    def __init__(self, tape: Tape, servers: McpTools | None) -> None:
        self._tape = tape
        self._servers = servers

    async def of_run(self, names: Sequence[str], journal: Journal) -> Mapping[str, Tool]:
        """See `ServerTools`."""
        known = await kept(journal) if self._tape.has(SEEN) else {}
        left = [name for name in names if name not in known]
        now = await self._servers.named(left) if self._servers is not None else {}
        return {**now, **known}
