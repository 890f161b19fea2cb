"""Who asks: the doors make it of a request, and every call of a service acts for it."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated caller."""

    tenant_id: str
    """Whose tasks it sees and whose name its own carry."""

    subject: str
    """Who it is, for logs and audit: never a secret."""


#: One tenant for all, until there are identities to tell them apart by.
EVERYBODY: Final = Principal(tenant_id="default", subject="anonymous")
