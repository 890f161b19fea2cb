"""The branches of the tree: by whose fault it is, and what is translated or tried again as one kind."""

from typing import ClassVar


class OpsError(Exception):
    """Base of all errors of `ops_core`."""

    type: ClassVar[str] = "internal"


class CallerError(OpsError):
    """The request cannot be carried out as it stands."""


class NotNow(CallerError):
    """Too much is under way; nothing was stored, and the same request may succeed later."""

    retry_after_s: ClassVar[int] = 5


class Unavailable(OpsError):
    """Something we depend on is away; the same request may succeed later."""

    retry_after_s: ClassVar[int] = 2

    is_public: ClassVar[bool] = False
    """Whether its own words may reach clients: those of a server behind ours name hosts and users."""
