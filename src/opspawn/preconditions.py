"""What must be so before a process can serve, told in a line that names the setting.

Imports nothing that serves: it is looked at before all else, and what serves takes a second to import.
"""

import ipaddress

from opspawn.defining import written_agents
from opspawn.settings import Settings, SettingsError


class StartError(Exception):
    """Something needed is missing; the message is one line that names the setting and the remedy."""


def check_agents(settings: Settings) -> None:
    """Whether agents can be defined and run with these settings at all. Raises `SettingsError`."""
    written_agents(settings)
    # Imported here: no other process imports agents and SDKs.
    from opspawn.agents.checks import check

    check(settings)


def refuse_strangers(settings: Settings) -> None:
    """A door that asks nobody who he is may be opened to this machine alone. Raises `StartError`."""
    if settings.auth == "none" and not is_loopback(settings.host):
        raise StartError(
            f"OPSPAWN_HOST: {settings.host} can be reached from elsewhere, and OPSPAWN_AUTH=none lets "
            "everybody do everything; unset OPSPAWN_AUTH, or listen on 127.0.0.1."
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def required_url(settings: Settings) -> str:
    if settings.database_url is None:
        raise StartError(
            "DATABASE_URL is not set: separate processes share a PostgreSQL server "
            "(`opspawn up` brings its own)."
        )
    return settings.database_url.get_secret_value()


def check_memory_is_shared(settings: Settings) -> None:
    if settings.memory_in_folder:
        raise SettingsError(
            "AGENTKIT_LTM_CHROMA_URL is not set: separate workers share a Chroma server (`chroma run`), "
            "because two processes in one folder do not see what the other saves (`opspawn up` alone "
            "may use a folder)."
        )


def mistakes(error: Exception) -> StartError:
    return StartError("\n".join(f"OPSPAWN_MCP_SERVERS: {line}" for line in str(error).splitlines()))
