"""What may be remembered: entries and queries within limits, in the form that every store keeps."""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from agentkit.clock import Clock
from agentkit.errors import UsageError
from agentkit.memory.long_term import MemoryEntry, Namespace, Scalar, Where
from agentkit.messages import clean

MAX_TEXT = 4_000
"""Characters of one entry or query: about 1,000 tokens, more than an embedder tells apart."""

MAX_BATCH = 500
"""Entries of one `add`, ids of one `forget`, values of one condition."""

MAX_MATCHES = 100

MAX_PAGE = 1_000
"""Entries of one page of a list."""

MAX_KEYS = 16
"""Metadata of one entry, and conditions of one search."""

MAX_KEY = 64
MAX_VALUE = 500
"""Characters of one metadata key, and of a text that is its value or of a source."""

RESERVED = "agentkit_"
"""What metadata keys may not begin with: stores keep namespaces and sources under such names."""

_BIGGEST_INT = 2**53
"""Beyond it, a store that keeps numbers as JSON does not give back the same one."""


@dataclass(frozen=True, slots=True)
class Record:
    """An entry as a store keeps it. `id` is made of namespace and text, so adding is idempotent."""

    id: str
    text: str
    source: str
    saved_at: datetime
    metadata: dict[str, Scalar]


def records(namespace: Namespace, entries: Sequence[MemoryEntry], clock: Clock) -> list[Record]:
    """The records of these entries, each once. Raises UsageError for what is over the limits."""
    if len(entries) > MAX_BATCH:
        raise UsageError(f"{len(entries)} entries at once: {MAX_BATCH} are allowed.")
    found: dict[str, Record] = {}
    for entry in entries:
        text = checked_text(entry.text, "An entry")
        record = Record(
            _id(namespace, text),
            text,
            _bounded(clean(entry.source), "The source of an entry"),
            (entry.saved_at or clock.now()).astimezone(UTC),
            _metadata(entry.metadata),
        )
        earlier = found.get(record.id)
        found[record.id] = record if earlier is None else merged(earlier.metadata, record)
    return list(found.values())


def merged(earlier: Mapping[str, Scalar], record: Record) -> Record:
    """The record over an entry of the same text that has this metadata."""
    metadata = {**earlier, **record.metadata}
    if len(metadata) > MAX_KEYS:
        raise UsageError(
            f"An entry would have {len(metadata)} metadata keys: {MAX_KEYS} are allowed."
        )
    return replace(record, metadata=metadata)


def checked_text(text: str, what: str) -> str:
    """The text without blanks around it. Raises UsageError when it is empty or too long."""
    text = clean(text).strip()
    if not text:
        raise UsageError(f"{what} has no text.")
    if len(text) > MAX_TEXT:
        raise UsageError(f"{what} has {len(text)} characters: {MAX_TEXT} are allowed.")
    return text


def checked_k(k: int) -> int:
    """How many matches may be asked for."""
    if not 1 <= k <= MAX_MATCHES:
        raise UsageError(f"search(k={k}): ask for 1 to {MAX_MATCHES} matches.")
    return k


def checked_page(limit: int) -> int:
    """How many entries a page may have."""
    if not 1 <= limit <= MAX_PAGE:
        raise UsageError(f"page(limit={limit}): ask for 1 to {MAX_PAGE} entries.")
    return limit


def checked_ids(ids: Sequence[str]) -> list[str]:
    """Each id once."""
    if len(ids) > MAX_BATCH:
        raise UsageError(f"{len(ids)} ids at once: {MAX_BATCH} are allowed.")
    return list(dict.fromkeys(map(clean, ids)))


def conditions(where: Where | None) -> dict[str, list[Scalar]]:
    """For each key of the filter the values that will do."""
    where = where or {}
    _check_keys(where)
    found: dict[str, list[Scalar]] = {}
    for key, wanted in where.items():
        values = [wanted] if isinstance(wanted, str) or not isinstance(wanted, Sequence) else wanted
        if not 1 <= len(values) <= MAX_BATCH:
            raise UsageError(f"where {key!r}: give 1 to {MAX_BATCH} values.")
        if len({_kind(value) for value in values}) > 1:
            raise UsageError(f"where {key!r}: give values of one type.")
        found[key] = [_scalar(key, value) for value in values]
    return found


def _id(namespace: Namespace, text: str) -> str:
    same = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return hashlib.sha256(f"{namespace.key}\n{same}".encode()).hexdigest()[:32]


def _metadata(given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    _check_keys(given)
    return {key: _scalar(key, value) for key, value in given.items()}


def _check_keys(keys: Mapping[str, object]) -> None:
    if len(keys) > MAX_KEYS:
        raise UsageError(f"{len(keys)} metadata keys: {MAX_KEYS} are allowed.")
    for key in keys:
        if not 1 <= len(key) <= MAX_KEY or clean(key) != key or key.startswith((RESERVED, "$")):
            raise UsageError(
                f"Metadata key {key[:MAX_KEY]!r}: use 1 to {MAX_KEY} characters, not beginning with "
                f"{RESERVED} or $."
            )


def _scalar(key: str, value: object) -> Scalar:
    match value:
        case str():
            return _bounded(clean(value), f"Metadata {key!r}")
        case bool():
            return value
        case int() if abs(value) <= _BIGGEST_INT:
            return value
        case float() if math.isfinite(value):
            return value
        case _:
            raise UsageError(
                f"Metadata {key!r}: give a text, a bool, a finite float or an int within 2**53."
            )


def _kind(value: object) -> type:
    return float if type(value) is int else type(value)


def _bounded(text: str, what: str) -> str:
    if len(text) > MAX_VALUE:
        raise UsageError(f"{what} has {len(text)} characters: {MAX_VALUE} are allowed.")
    return text
