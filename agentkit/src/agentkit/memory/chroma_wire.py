"""Records and conditions in the shapes of Chroma, and what it finds in ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from agentkit.memory.admission import RESERVED, Record
from agentkit.memory.long_term import MemoryMatch, Namespace, Scalar

_NAMESPACE = f"{RESERVED}namespace"
_SOURCE = f"{RESERVED}source"
_SAVED_AT = f"{RESERVED}saved_at"


def rows(namespace: Namespace, records: Sequence[Record]) -> dict[str, Any]:
    """The columns of these records, but for their vectors."""
    return {
        "ids": [record.id for record in records],
        "documents": [record.text for record in records],
        "metadatas": [
            {
                **record.metadata,
                _NAMESPACE: namespace.key,
                _SOURCE: record.source,
                _SAVED_AT: record.saved_at.isoformat(),
            }
            for record in records
        ],
    }


def where_of(namespace: Namespace, conditions: Mapping[str, list[Scalar]]) -> dict[str, Any]:
    """The filter: the namespace always, then each condition."""
    parts: list[dict[str, Any]] = [{_NAMESPACE: namespace.key}]
    for key, values in conditions.items():
        either = [{key: value} for value in values]
        parts.append(either[0] if len(either) == 1 else {"$or": either})
    return parts[0] if len(parts) == 1 else {"$and": parts}


def metadata_of(stored: Mapping[str, Any]) -> dict[str, Scalar]:
    """The metadata that the caller gave."""
    return {key: value for key, value in stored.items() if not key.startswith(RESERVED)}


def matches(found: Mapping[str, Any]) -> tuple[MemoryMatch, ...]:
    """What one query found, best first."""
    columns = (found[name][0] for name in ("ids", "documents", "distances", "metadatas"))
    return tuple(
        MemoryMatch(
            each,
            text,
            1.0 - float(distance),
            str(stored[_SOURCE]),
            datetime.fromisoformat(stored[_SAVED_AT]),
            metadata_of(stored),
        )
        for each, text, distance, stored in zip(*columns, strict=True)
    )
