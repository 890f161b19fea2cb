"""The key of a provider, looked at before anything is asked with it."""

from __future__ import annotations

from agentkit.errors import UsageError


def checked_key(provider: str, key: str, missing: str = "give one") -> None:
    """Raises UsageError for a key that cannot be sent; `missing` says what to do when there is none."""
    if not key:
        raise UsageError(f"No API key for {provider}: {missing}.")
    # No header takes it, and the failure would look like one of the network's.
    if not (key.isascii() and key.isprintable()):
        raise UsageError(
            f"The API key for {provider} has a line break or a sign in it that no key has: strip "
            "what was read from a file, or copy it again."
        )
