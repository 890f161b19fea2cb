"""What a security manager may answer: a closed union.

Here, below both the events that show a decision and the managers that make one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Allow:
    """The call may be made; `rule` is the id of the rule that said so."""

    rule: str
    kind: Literal["allow"] = "allow"


@dataclass(frozen=True, slots=True)
class Deny:
    """The call is not made; the model is shown `reason`."""

    rule: str
    reason: str
    kind: Literal["deny"] = "deny"


@dataclass(frozen=True, slots=True)
class NeedApproval:
    """A person must agree first; `question` is what they are asked."""

    rule: str
    question: str
    kind: Literal["need_approval"] = "need_approval"


Decision: TypeAlias = Allow | Deny | NeedApproval
