"""The steps of a task as clients see them: its log folded into one row for each, the ledger of its effects.

Only what is public is read, so a log that this build could not replay can still be looked at.
"""

from ops_core.steps.entry import MAX_SHOWN, StepEntry, StepStatus
from ops_core.steps.ledger import StepLedger, steps_of

__all__ = ["MAX_SHOWN", "StepEntry", "StepLedger", "StepStatus", "steps_of"]
