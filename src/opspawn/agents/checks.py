"""What the settings say of agents, checked before anything is opened.

A door that closes again at once tells its clients nothing, and a task that fails for a setting tells the
wrong person. Only what this machine itself knows is looked at: a server that is away is no wrong setting.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from opspawn.agents import toolbox
from opspawn.agents.mcp_servers import McpConfigError
from opspawn.agents.mcp_tools import McpTools
from opspawn.agents.memory import missing_parts
from opspawn.settings import Settings, SettingsError, env_name


def check(settings: Settings) -> None:
    """Raises `SettingsError`, with one line for each setting that cannot work here."""
    wrong = [
        *of_tools(settings),
        *of_mcp_servers(settings),
        *of_memory(settings),
        *of_summaries(settings),
    ]
    if wrong:
        raise SettingsError("\n".join(wrong))


def of_tools(settings: Settings) -> Iterator[str]:
    """What is wrong with the operator's own tools, and with the folder of tasks."""
    path = settings.workspaces
    folder = [] if path is None else list(_folder("workspaces", path))
    try:
        # Where there can be no folder, there are no tools for it either.
        toolbox.load(settings.tool_names, None if folder else settings)
    except toolbox.ToolError as error:
        yield f"OPSPAWN_TOOLS: {error}"
    yield from folder


def of_mcp_servers(settings: Settings) -> Iterator[str]:
    """What is wrong with the file of MCP servers."""
    try:
        McpTools(settings)
    except McpConfigError as error:
        yield from (f"OPSPAWN_MCP_SERVERS: {line}" for line in str(error).splitlines())


def of_memory(settings: Settings) -> Iterator[str]:
    """What the long-term memory lacks."""
    missing = missing_parts(settings)
    if missing:
        yield f"AGENTKIT_LTM_PROVIDER: {', '.join(missing)} is not installed; install opspawn[all]"
    embedder = settings.ltm_embedder if settings.ltm_provider == "chroma" else None
    if embedder == "openai" and settings.openai_api_key is None:
        yield "AGENTKIT_LTM_EMBEDDER: openai needs a key; set OPENAI_API_KEY"
    if settings.memory_in_folder:
        yield from _folder("ltm_chroma_path", settings.ltm_chroma_path)


def of_summaries(settings: Settings) -> Iterator[str]:
    """Whether the model that sums up can be asked: every long run would fail for it."""
    provider, _ = settings.summaries_by or ("local", "")
    if provider != "local" and settings.key_for(provider) is None:
        key = env_name(f"{provider}_api_key")
        yield f"OPSPAWN_AGENT_SUMMARY_MODEL: {provider} has no key; set {key}"


def _folder(field: str, path: Path) -> Iterator[str]:
    """Why nothing can be kept in the folder, if nothing can; what is missing of it is made later."""
    here = path.absolute()
    existing = next(place for place in (here, *here.parents) if os.path.exists(place))  # noqa: PTH110  never raises
    if not existing.is_dir():
        yield f"{env_name(field)}: {existing} is no folder; name one that can be written"
    elif not os.access(existing, os.W_OK | os.X_OK):
        yield f"{env_name(field)}: {existing} cannot be written; name a folder that can"
