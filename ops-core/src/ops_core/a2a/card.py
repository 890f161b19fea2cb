"""The card of an agent: what it is called, where it is, what it can do."""

from typing import Final

from ops_core.agent_tasks import AgentInfo
from ops_core.task import JsonObject

VERSION: Final = "1.0"


def card_of(agent: AgentInfo, url: str, version: str, security: JsonObject) -> JsonObject:
    """`url`: where the agent's requests go; `security`: as `a2a.security` says it."""
    skill = {
        "id": agent.name,
        "name": agent.name,
        "description": agent.description,
        "tags": ["agent", "durable"],
    }
    return {
        "name": agent.name,
        "description": agent.description,
        "version": version,
        "supportedInterfaces": [
            {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": VERSION}
        ],
        "capabilities": {
            "streaming": True,
            "pushNotifications": True,
            "extendedAgentCard": False,
        },
        "defaultInputModes": ["text/plain", "application/json"],
        "defaultOutputModes": ["text/plain", "application/json"],
        "skills": [skill],
        **security,
    }
