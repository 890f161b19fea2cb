"""Who decides, outside the model, whether a tool call may happen."""

from agentkit.decisions import Allow, Decision, Deny, NeedApproval
from agentkit.security.allow_list import AllowList
from agentkit.security.port import CallContext, SecurityManager
from agentkit.security.within import Within

__all__ = [
    "Allow",
    "AllowList",
    "CallContext",
    "Decision",
    "Deny",
    "NeedApproval",
    "SecurityManager",
    "Within",
]
