"""What must be so before a process can serve, told in a line that names the setting."""

from ops_core.errors import StoreUnavailable
from opspawn.database_errors import explain
from opspawn.doors import StartError
from opspawn.settings import Settings, SettingsError


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


def explained(error: BaseException, url: str) -> str:
    """As `opspawn migrate` says it, when the database itself said something; else what the store says."""
    if isinstance(error, StoreUnavailable) and error.__cause__ is None:
        return f"DATABASE_URL: {error}"
    return f"DATABASE_URL: {explain(error, url)}"
