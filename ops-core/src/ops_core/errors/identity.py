"""Who asks, and whether they may."""

from ops_core.errors.kinds import CallerError


class NotAuthenticated(CallerError):
    """Nobody knows who asks. What is wrong with a key is told only to whoever has its secret."""

    type = "unauthenticated"

    def __init__(self, why: str = "") -> None:
        self.has_credentials = bool(why)
        super().__init__(
            why
            or "Who are you? Send an API key or a token: Authorization: Bearer osk_… "
            "(`opspawn keys create` makes a key)."
        )


class MissingScope(CallerError):
    """Who asks is known, and its key or token lacks the scope that this needs."""

    type = "missing_scope"

    def __init__(self, scope: str) -> None:
        super().__init__(f"This needs the scope {scope}, which your key or token does not have.")
        self.scope = scope


class RateLimited(CallerError):
    """The caller has used up how often it may ask."""

    type = "too_many_requests"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"Your key or token asks too often; come back in {retry_after_s} s.")
        self.retry_after_s = retry_after_s


class ApiKeyNotFound(CallerError):
    """There is no such key, or it belongs to another tenant (the answer is the same)."""

    type = "api_key_not_found"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"There is no API key {key_id[:100]!r}.")


class ApiKeyRevoked(CallerError):
    """A revoked key was to be rotated."""

    type = "api_key_revoked"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"The API key {key_id} is revoked for ever; create another one.")


class TenantNotFound(CallerError):
    """There is no such tenant."""

    type = "tenant_not_found"

    def __init__(self, tenant_id: str) -> None:
        super().__init__(f"There is no tenant {tenant_id[:100]!r}.")


class TenantExists(CallerError):
    """The id of a new tenant is taken."""

    type = "tenant_exists"

    def __init__(self, tenant_id: str) -> None:
        super().__init__(f"There is a tenant {tenant_id!r} already; choose another id.")
