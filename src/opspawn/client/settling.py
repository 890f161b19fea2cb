"""Waiting for a task: held by the server where it holds requests, else by looking again."""

from opspawn.client import calls
from opspawn.client.errors import WaitTimedOut
from opspawn.client.rules import CLOCK, Clock, Patience, Rest, Rules, read, replied
from opspawn.client.views import Task

#: The server is asked to hold a request for at most so long; it may choose less. Seconds.
LONGEST_HOLD_S = 30

#: Between two looks at a task whose server does not hold requests. Seconds.
FIRST_REST_S, LONGEST_REST_S = 0.1, 2.0


def settled(
    task_id: str,
    patience: Patience,
    *,
    timeout_s: float | None,
    through_waiting: bool,
    clock: Clock = CLOCK,
) -> Rules[Task]:
    """The task once it has ended or, unless `through_waiting`, waits for something from outside."""
    until = None if timeout_s is None else clock() + timeout_s
    rest_s = FIRST_REST_S
    while True:
        left_s = LONGEST_HOLD_S if until is None else until - clock()
        call = calls.task(task_id, held_s=max(0, min(LONGEST_HOLD_S, int(left_s))))
        reply = yield from replied(call, patience)
        task = read(call, reply)
        if task.ended or (task.status == "waiting" and not through_waiting):
            return task
        if until is not None and clock() >= until:
            raise WaitTimedOut(f"{task_id} is still {task.status} after {timeout_s:g} seconds.")
        was_held = "preference-applied" in reply.headers and task.status != "waiting"
        if not was_held:
            left_s = LONGEST_REST_S if until is None else max(0.0, until - clock())
            yield Rest(min(rest_s, left_s))
            rest_s = min(rest_s * 1.5, LONGEST_REST_S)
