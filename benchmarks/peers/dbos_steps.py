"""DBOS: workflows of five steps from a queue. Run in the peers' environment.

`python -m benchmarks.peers.dbos_steps DATABASE_URL TASKS IN_FLIGHT SAMPLES`. Enqueued and run by one process,
as its users do; `IN_FLIGHT` is the queue's concurrency for a worker.
"""

import sys
import time

from benchmarks.peers.measured import say
from dbos import DBOS, DBOSConfig, Queue

STEPS = 5
POLL_S = 0.1


@DBOS.step()
def step(number: int) -> int:
    return number


@DBOS.workflow()
def five_steps() -> int:
    for number in range(STEPS):
        step(number)
    return STEPS


def _all(queue: Queue, tasks: int) -> None:
    for handle in [queue.enqueue(five_steps) for _ in range(tasks)]:
        handle.get_result()


def main(url: str, tasks: int, in_flight: int, samples: int) -> None:
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": url,
        "run_admin_server": False,
        "log_level": "ERROR",
    }
    DBOS(config=config)
    DBOS.launch()
    queue = DBOS.register_queue("bench", worker_concurrency=in_flight, polling_interval_sec=POLL_S)
    _all(queue, in_flight)
    took = []
    for _ in range(samples):
        began = time.perf_counter()
        five_steps()
        took.append(time.perf_counter() - began)
    began = time.perf_counter()
    _all(queue, tasks)
    say(tasks / (time.perf_counter() - began), took)
    DBOS.destroy()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
