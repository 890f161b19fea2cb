"""Named agents: definitions that are written once, numbered, and never changed again.

A task names an agent and is tied to one version of it, and of every agent that it may hand work over to, when
it is submitted. What runs it is given those definitions, whatever was defined since.
"""

from ops_core.agents.pins import NO_PINS, Pins
from ops_core.agents.port import AgentPage, AgentStore, AgentVersion, NewVersion
from ops_core.agents.reference import AgentRef
from ops_core.agents.service import AgentService, Saved

__all__ = [
    "NO_PINS",
    "AgentPage",
    "AgentRef",
    "AgentService",
    "AgentStore",
    "AgentVersion",
    "NewVersion",
    "Pins",
    "Saved",
]
