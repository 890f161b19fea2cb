"""What a receiver that speaks A2A says of itself: its name for a webhook, and by what it knows us."""

from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

MEDIA_TYPE: Final = "application/a2a+json"

#: Where the protocol's SDKs, ours and others, look for the token.
TOKEN_HEADER: Final = "x-a2a-notification-token"  # noqa: S105  # a header's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A push notification config of A2A, but for its URL. It has secrets, which no door shows again."""

    config_id: str
    """Of one task there is one with this id."""

    token: SecretStr | None = None
    scheme: str | None = None
    credentials: SecretStr | None = None
    """With `scheme` they are the Authorization header."""

    def headers(self) -> dict[str, str]:
        """What each notification carries."""
        found = {"content-type": MEDIA_TYPE}
        if self.token is not None:
            found[TOKEN_HEADER] = self.token.get_secret_value()
        if self.scheme is not None and self.credentials is not None:
            found["authorization"] = f"{self.scheme} {self.credentials.get_secret_value()}"
        return found
