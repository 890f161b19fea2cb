"""A batch of appends as columns: one array a parameter, whatever number of tasks it is for."""

from collections.abc import Sequence
from typing import Any

from ops_core.ports import Append, Lease
from ops_core.store.blobs import Journaled
from ops_core.store.database import dump_json


def lease_columns(leases: Sequence[Lease]) -> list[list[Any]]:
    """Whose rows, and under which lease."""
    return [
        [lease.tenant_id for lease in leases],
        [lease.task_id for lease in leases],
        [lease.owner for lease in leases],
        [lease.epoch for lease in leases],
    ]


def task_columns(batch: Sequence[Append]) -> list[list[Any]]:
    """What changes in each task's row, and whether that begins an effect."""
    return [
        *lease_columns([append.lease for append in batch]),
        [len(append.events) for append in batch],
        [append.usage.input_tokens for append in batch],
        [append.usage.output_tokens for append in batch],
        [str(append.usage.cost_usd) for append in batch],  # the driver's numerics take it long
        [append.usage.steps for append in batch],
        [any(event.finishes_step for event in append.events) for append in batch],
        [append.opens_effect for append in batch],
    ]


def event_columns(batch: Sequence[Append]) -> list[list[Any]]:
    """Their events, and the large values of their journals, each with the number of its append."""
    placed = [
        (number, place, event)
        for number, append in enumerate(batch, start=1)
        for place, event in enumerate(append.events, start=1)
    ]
    journals = [Journaled.of(event.journal) for _, _, event in placed]
    large = [
        (number, journal)
        for (number, _, _), journal in zip(placed, journals, strict=True)
        if journal.digest is not None
    ]
    return [
        [number for number, _, _ in placed],
        [place for _, place, _ in placed],
        [event.type.value for _, _, event in placed],
        [event.v for _, _, event in placed],
        [dump_json(event.data) for _, _, event in placed],
        [journal.column for journal in journals],
        [number for number, _ in large],
        [journal.digest for _, journal in large],
        [journal.value for _, journal in large],
    ]
