"""Large journals: kept once, beside the log that names them."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from ops_core.store.database import dump_json

#: Journals of more than so many characters of JSON are kept beside the log: listing events does not read
#: them, and a value that comes twice in one task is stored once.
LARGE: Final = 16_384

#: The key under which a journal names what stands beside the log.
BLOB: Final = "blob"


@dataclass(frozen=True, slots=True)
class Journaled:
    """A journal as it is stored: what goes into the event's column, and what beside it."""

    column: str | None
    digest: str | None = None
    value: str | None = None

    @classmethod
    def of(cls, journal: dict[str, Any] | None) -> "Journaled":
        if journal is None:
            return cls(None)
        text = dump_json(journal)
        if len(text) <= LARGE:
            return cls(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return cls(dump_json({BLOB: digest}), digest, text)
