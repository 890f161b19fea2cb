"""The journal: where the effects of a run are recorded, so that none is repeated."""

from agentkit.journal.children import ChildResult
from agentkit.journal.in_memory import InMemoryJournal, Record
from agentkit.journal.port import IN_DOUBT, Journal, Step, StepKind, UnknownOutcome, failure_first

__all__ = [
    "IN_DOUBT",
    "ChildResult",
    "InMemoryJournal",
    "Journal",
    "Record",
    "Step",
    "StepKind",
    "UnknownOutcome",
    "failure_first",
]
