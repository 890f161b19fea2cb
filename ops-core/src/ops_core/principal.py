"""Who asks: the doors make it of a request, and every call of a service acts for it."""

from dataclasses import dataclass
from typing import Final

from ops_core.scopes import Scope, allows


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated caller."""

    tenant_id: str
    """Whose tasks it sees and whose name its own carry."""

    subject: str
    """Who it is, for logs and audit: never a secret."""

    scopes: frozenset[Scope] = frozenset()

    def may(self, scope: Scope) -> bool:
        return allows(self.scopes, scope)


#: One tenant for all, where nobody is asked who he is.
EVERYBODY: Final = Principal(
    tenant_id="default", subject="anonymous", scopes=frozenset({Scope.ADMIN})
)
