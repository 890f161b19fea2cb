"""The audit log: who was let in to do what, and who was not. Never bodies, never secrets."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import uuid4

from ops_core.principal import Principal

Outcome: TypeAlias = Literal["allowed", "denied"]

#: The longest name of an object, which comes from clients. Characters.
MAX_OBJECT_LENGTH: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line, to be written before what it tells of is done."""

    tenant_id: str
    subject: str
    action: str
    """The operation, as in `identity.needs`."""

    object: str
    """What it is done to: `task_…`, `task_…/1/tool/1`, `key_…`; empty when the caller was not let in."""

    request_id: str
    outcome: Outcome = "allowed"
    reason: str | None = None
    """Why it was denied: the type of the error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One line as it stands in the log."""

    audit_id: str
    at: datetime
    entry: AuditEntry


def shown(text: str) -> str:
    """What comes from a client, as it may stand in a log: bounded, and nothing that a terminal would obey."""
    return "".join(sign for sign in text[:MAX_OBJECT_LENGTH] if sign.isprintable())


def new_audit_id() -> str:
    return f"aud_{uuid4().hex}"


def change_of(by: Principal, action: str, object_: str, request_id: str) -> AuditEntry:
    """The line for a change that its store writes down in the same transaction."""
    return AuditEntry(
        tenant_id=by.tenant_id,
        subject=by.subject,
        action=action,
        object=shown(object_),
        request_id=request_id,
    )
