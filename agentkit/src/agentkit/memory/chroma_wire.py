"""Records and conditions in the shapes of Chroma, and what it finds in ours.

An entry has the key of its namespace, by which agents find what is theirs, and the namespace's parts, by
which those who browse find what several have; and its time twice, as it is told and as a number, because
Chroma compares numbers only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from agentkit.memory.admission import RESERVED, Record
from agentkit.memory.browsing import KeptEntry, Scope
from agentkit.memory.long_term import MemoryMatch, Namespace, Scalar

_NAMESPACE = f"{RESERVED}namespace"
_SOURCE = f"{RESERVED}source"
_SAVED_AT = f"{RESERVED}saved_at"
_SAVED_US = f"{RESERVED}saved_us"
EVER_US = 2**53
"""The year 2255, and the largest integer that stays the same in JSON."""

_TENANT = f"{RESERVED}tenant"
_AGENT = f"{RESERVED}agent"
_USER = f"{RESERVED}user"


def rows(namespace: Namespace, records: Sequence[Record]) -> dict[str, Any]:
    """The columns of these records, but for their vectors."""
    return {
        "ids": [record.id for record in records],
        "documents": [record.text for record in records],
        "metadatas": [
            {
                **record.metadata,
                _NAMESPACE: namespace.key,
                _TENANT: namespace.tenant,
                _AGENT: namespace.agent,
                _USER: namespace.user,
                _SOURCE: record.source,
                _SAVED_AT: record.saved_at.isoformat(),
                _SAVED_US: microseconds(record.saved_at),
            }
            for record in records
        ],
    }


def where_of(namespace: Namespace, conditions: Mapping[str, list[Scalar]]) -> dict[str, Any]:
    """The filter: the namespace always, then each condition."""
    return _all([{_NAMESPACE: namespace.key}, *map(_either, conditions.items())])


def within(scope: Scope, conditions: Mapping[str, list[Scalar]]) -> dict[str, Any]:
    """The filter: the tenant always, agent and user when the scope names them, then each condition."""
    parts: list[dict[str, Any]] = [{_TENANT: scope.tenant}]
    parts += [{_AGENT: scope.agent}] if scope.agent is not None else []
    parts += [{_USER: scope.user}] if scope.user is not None else []
    return _all([*parts, *map(_either, conditions.items())])


def saved_between(condition: dict[str, Any], first: int, last: int) -> dict[str, Any]:
    """The filter, and that it was saved from the one to the other; microseconds, both included."""
    return _all([condition, {_SAVED_US: {"$gte": first}}, {_SAVED_US: {"$lte": last}}])


def microseconds(moment: datetime) -> int:
    """Since 1970, within `EVER_US`. A float of seconds holds them: its steps are a quarter of one."""
    return max(-EVER_US, min(EVER_US, round(moment.timestamp() * 1_000_000)))


def saved_at(stored: Mapping[str, Any]) -> datetime:
    """When an entry was saved."""
    return datetime.fromisoformat(stored[_SAVED_AT])


def metadata_of(stored: Mapping[str, Any]) -> dict[str, Scalar]:
    """The metadata that the caller gave."""
    return {key: value for key, value in stored.items() if not key.startswith(RESERVED)}


def kept(
    each: str, text: str, stored: Mapping[str, Any], distance: float | None = None
) -> KeptEntry:
    """One entry, and whose it is."""
    return KeptEntry(
        each,
        Namespace(stored[_TENANT], stored[_AGENT], stored[_USER]),
        text,
        str(stored[_SOURCE]),
        saved_at(stored),
        metadata_of(stored),
        None if distance is None else 1.0 - float(distance),
    )


def matches(found: Mapping[str, Any]) -> tuple[MemoryMatch, ...]:
    """What one query found, best first."""
    columns = (found[name][0] for name in ("ids", "documents", "distances", "metadatas"))
    return tuple(
        MemoryMatch(
            each,
            text,
            1.0 - float(distance),
            str(stored[_SOURCE]),
            saved_at(stored),
            metadata_of(stored),
        )
        for each, text, distance, stored in zip(*columns, strict=True)
    )


def _either(condition: tuple[str, list[Scalar]]) -> dict[str, Any]:
    key, values = condition
    either = [{key: value} for value in values]
    return either[0] if len(either) == 1 else {"$or": either}


def _all(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return parts[0] if len(parts) == 1 else {"$and": parts}
