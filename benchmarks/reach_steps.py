"""Tasks of five durable steps, end to end: Opspawn over REST, and its peers on the same services."""

import time
from collections.abc import Iterator
from uuid import uuid4

from benchmarks.completed import all_completed
from benchmarks.flood import Flooded, flood, request
from benchmarks.results import Results
from benchmarks.systems import Opspawn

STEPS = "five steps: tasks a second"
DONE = "five steps, idle: call → done"
NOOP = "no-op tasks a second"
OURS, RESTATE, LANGGRAPH, DBOS, DRAMATIQ = "opspawn", "restate", "langgraph", "dbos", "dramatiq"
EMBEDDED = "opspawn up"

#: They keep nothing, as Dramatiq does.
QUEUES = ("celery", "taskiq")

#: Requests in flight. Restate answers when a task is done, so that its number is also that of its tasks
#: under way: in one look it did more a second with 64 than with 32, 128 or 256. Opspawn did not less with
#: 64 than with 32, in looks on a busy machine.
IN_FLIGHT = RESTATE_IN_FLIGHT = 64

#: Graphs of LangGraph at once, and DBOS's concurrency for a worker.
LANGGRAPH_IN_FLIGHT, DBOS_IN_FLIGHT = 32, 50


async def opspawn(system: Opspawn, tasks: int, results: Results, of: str = OURS) -> None:
    """From the first request to the last task's `completed_at`."""
    name = f"reach-{uuid4().hex[:8]}"
    system.starts.clear()  # a pipe that is full would stop the worker
    began = time.time()  # the database's clock is this machine's
    flooded = await flood(system.api_port, _requests(name, tasks), IN_FLIGHT)
    last_at = await all_completed(system, name, tasks)
    results.add(STEPS, of, "tasks/s", tasks / (last_at - began))
    results.add("five steps: submits answered 503 and sent again", of, "", flooded.sent_again)


def _requests(name: str, tasks: int) -> Iterator[bytes]:
    """Each is made before the first is sent."""
    body = {"task_type": "five_steps", "input_data": {}, "name": name}
    made = [
        request("/api/v1/tasks/", body, [f"Idempotency-Key: {name}-{number}"])
        for number in range(tasks)
    ]
    return iter(made)


async def restate(port: int, path: str, tasks: int, results: Results) -> None:
    flooded = await flood(port, [request(path)] * tasks, RESTATE_IN_FLIGHT)
    results.add(STEPS, RESTATE, "tasks/s", tasks / flooded.seconds)


async def restate_idle(port: int, path: str, samples: int) -> Flooded:
    """One at a time: the answer comes when the task is done."""
    return await flood(port, [request(path)] * samples, 1)
