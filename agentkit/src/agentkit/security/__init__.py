"""Who decides, outside the model, whether a tool call may happen."""

from agentkit.decisions import Allow, Decision, Deny, NeedApproval
from agentkit.security.allow_list import AllowList
from agentkit.security.constraints import (
    Constraint,
    above,
    between,
    equals,
    every,
    matching,
    one_of,
    some,
)
from agentkit.security.port import CallContext, SecurityManager
from agentkit.security.rules import Rule, Rules, allow, ask, deny, untrusted
from agentkit.security.within import Within

__all__ = [
    "Allow",
    "AllowList",
    "CallContext",
    "Constraint",
    "Decision",
    "Deny",
    "NeedApproval",
    "Rule",
    "Rules",
    "SecurityManager",
    "Within",
    "above",
    "allow",
    "ask",
    "between",
    "deny",
    "equals",
    "every",
    "matching",
    "one_of",
    "some",
    "untrusted",
]
