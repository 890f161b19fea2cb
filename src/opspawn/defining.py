"""Defines the agents of an operator's files, when the doors of a process open."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ops_core.agents import AgentService
from ops_core.agents.checking import DefinitionCheck
from ops_core.agents.request import VersionRequest
from ops_core.bodies import parsed
from ops_core.errors import InvalidRequest
from opspawn.agents.contract import AGENT_KIND
from opspawn.settings import Settings, SettingsError

if TYPE_CHECKING:  # most processes have no such file, and then no use for a YAML parser
    from opspawn.agents.definitions import Written

#: Whose agents those of the files are.
TENANT: Final = "default"

#: Who defines them, as clients see it.
AUTHOR: Final = "file"


def written_agents(settings: Settings) -> "Sequence[Written]":
    """The agents of OPSPAWN_AGENTS, before anything is opened. Raises `SettingsError`."""
    if settings.agents is None:
        return ()
    from opspawn.agents.definitions import DefinitionsError, load  # see above

    try:
        return load(settings.agents, DefinitionCheck(AGENT_KIND))
    except DefinitionsError as error:
        raise _wrong(error) from None


async def define(agents: AgentService, written: "Sequence[Written]") -> None:
    """Stores what is new in them; what is stored already stays its version. Raises `SettingsError`."""
    for agent in written:
        try:
            request = parsed(VersionRequest, {"definition": agent.definition})
            await agents.put(agent.name, request, tenant_id=TENANT, by=AUTHOR)
        except InvalidRequest as error:
            raise _wrong(agent.mistakes(error)) from None


def _wrong(error: Exception) -> SettingsError:
    return SettingsError("\n".join(f"OPSPAWN_AGENTS: {line}" for line in str(error).splitlines()))
