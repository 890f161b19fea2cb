"""What a server says beside the protocol: the end of its standard error, the last failure of HTTP."""

from __future__ import annotations

from collections.abc import Iterable

_KEPT = 2_000
"""Characters: enough for a traceback's last lines."""

_SHORTEST_SECRET = 6
"""Characters. What is shorter is no secret, and would tear holes into every sentence."""

_SCHEMES = {"Bearer", "bearer"}
"""Long enough for a secret, and part of many, but none."""


class Remarks:
    """Keeps the end of it, within bounds; secrets that the operator gave are blotted out."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The parts too: of `Bearer <key>`, a server repeats the key alone.
        parts = {part for secret in secrets for part in (secret, *secret.split())}
        long_enough = {part for part in parts if len(part) >= _SHORTEST_SECRET} - _SCHEMES
        self._secrets = sorted(long_enough, key=len, reverse=True)
        # A secret that begins before the kept end is still found whole.
        self._room = _KEPT + max(map(len, self._secrets), default=0)
        self._text = ""

    def add(self, text: str) -> None:
        """Remember this, and forget the beginning of what is too long."""
        self._text = (self._text + text)[-self._room :]

    @property
    def text(self) -> str:
        """The end of what was said."""
        return self.blotted(self._text)[-_KEPT:].strip()

    def blotted(self, text: str) -> str:
        """The text without the secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return text
