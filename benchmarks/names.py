"""The names of what is measured, as the table and the JSON show them; README.md says what each includes."""

from typing import Final

SUBMIT_REST: Final = "submit over REST"
SUBMIT_GRPC: Final = "submit over gRPC"
PICKUP: Final = "call → task's code starts"
PICKUP_GRPC: Final = "gRPC call → task's code starts"
DONE: Final = "call → GET says completed"
OWN_STARTED: Final = "created_at → started_at"
OWN_COMPLETED: Final = "created_at → completed_at"
DONE_STEPS: Final = "five steps: call → GET says completed"
OWN_COMPLETED_STEPS: Final = "five steps: created_at → completed_at"

NOOP: Final = "no-op tasks, submitted and done"
ACCEPTED: Final = "no-op tasks accepted meanwhile"
STEPS: Final = "five-step tasks, submitted and done"
REFUSED: Final = "submissions answered 503 and sent again"
SENDS_1: Final = "confirmed sends, 1 thread"
SENDS_8: Final = "confirmed sends, 8 threads"
DRAIN: Final = "no-op backlog drained"

DEMO_NEW: Final = "`opspawn demo`, new data folder"
DEMO_AGAIN: Final = "`opspawn demo`, again"
COLD_INSTALL: Final = "cold `make demo`: installation"
COLD_DEMO: Final = "cold `make demo`: the demo"
COLD_TOTAL: Final = "cold `make demo`: in all"
WARM_DEMO: Final = "warm `make demo`"
