"""Runs a recorded task again without calling anything, and reports the first difference.

What the models, the tools and the world said comes from the log; what the agent makes of it is what this
build makes of it. Any run can so be kept as a regression test:

    def test_that_run() -> None:
        opspawn.replay.check("run.json")
"""

from opspawn.replay.difference import Difference
from opspawn.replay.recording import Recording, RecordingError, load, save
from opspawn.replay.replaying import Replayed, check, replay

__all__ = [
    "Difference",
    "Recording",
    "RecordingError",
    "Replayed",
    "check",
    "load",
    "replay",
    "save",
]
