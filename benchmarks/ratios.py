"""What survives a change of machine: the quotient of two systems, round by round, in one run."""

from typing import Final

from benchmarks import names
from benchmarks.results import Results, Row

PEER: Final = "dramatiq"

#: What each Opspawn is compared in, and what of the peer it is divided by.
COMPARED: Final = [
    (f"{names.PICKUP}, p50", f"{names.PICKUP}, p50"),
    (f"{names.PICKUP}, p99", f"{names.PICKUP}, p99"),
    (names.NOOP, names.NOOP),
    (names.ACCEPTED, names.SENDS_1),
]


def ratios(results: Results) -> list[Row]:
    """Those that both sides were measured for."""
    rows = []
    for above, below in COMPARED:
        title = f"{above} ÷ {PEER}" + (f"'s {below}" if below != above else "")
        for system in ("embedded", "servers"):
            ours, theirs = results.get(above, system), results.get(below, PEER)
            if ours is not None and theirs is not None:
                # An interrupted round may have measured only one of the two.
                pairs = zip(ours.values, theirs.values, strict=False)
                rows.append(Row(title, system, "×", [a / b for a, b in pairs]))
    return rows
