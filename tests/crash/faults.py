"""What a storm can do to a site: each fault is one function, which leaves something for the site to heal."""

import asyncio
import json
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import asyncpg
import pika
import psutil
from storm import Site

Fault = Callable[[Site], None]

#: A ring as Dramatiq writes it.
RING: dict[str, Any] = {
    "queue_name": "default",
    "actor_name": "ring",
    "args": [],
    "kwargs": {},
    "options": {},
}

# Processes.


def kill_a_worker(site: Site) -> None:
    site.one_of("worker").send_signal(signal.SIGKILL)


def drain_a_worker(site: Site) -> None:
    site.one_of("worker").send_signal(signal.SIGTERM)


def freeze_a_worker(site: Site) -> None:
    """Long enough for others to take its tasks, then it comes back as a zombie."""
    frozen = site.one_of("worker")
    frozen.send_signal(signal.SIGSTOP)
    site.later(site.chance.uniform(0.5, 5.0), lambda: frozen.send_signal(signal.SIGCONT))


def kill_a_dispatcher(site: Site) -> None:
    site.one_of("dispatcher").send_signal(signal.SIGKILL)


def kill_the_api(site: Site) -> None:
    site.one_of("api").send_signal(signal.SIGKILL)


# PostgreSQL.


def crash_postgresql(site: Site) -> None:
    """As `pg_ctl stop -m immediate`, but harder: nothing is told, the log is replayed at the next start."""
    site.postgres.kill()
    site.postgres.start()


def restart_postgresql(site: Site) -> None:
    """An orderly restart, as for an upgrade: every transaction under way is rolled back."""
    site.undo_all()  # a frozen backend would not hear that it has to end
    site.postgres.stop()
    site.postgres.start()


def terminate_backends(site: Site) -> None:
    """Ends a random share of the connections, in whatever transaction they are."""
    asyncio.run(_terminate(site, site.chance.uniform(0.1, 1.0)))


async def _terminate(site: Site, share: float) -> None:
    connection = await asyncpg.connect(site.postgres.url.replace("+asyncpg", ""))
    try:
        rows = await connection.fetch(
            "SELECT pid FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY pid"
        )
        chosen = [row["pid"] for row in rows if site.chance.random() < share]
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) pid", chosen
        )
    finally:
        await connection.close()


def freeze_a_backend(site: Site) -> None:
    """One connection's server process stops answering, perhaps with row locks in its hand."""

    def thaw() -> None:
        with suppress(psutil.NoSuchProcess):
            frozen.resume()

    with suppress(psutil.NoSuchProcess):
        frozen = site.chance.choice(psutil.Process(site.postgres.pid).children())
        frozen.suspend()
        site.later(site.chance.uniform(0.2, 3.0), thaw)


# RabbitMQ.


def kill_rabbitmq(site: Site) -> None:
    site.rabbitmq.kill()
    site.rabbitmq.start()


def restart_rabbitmq(site: Site) -> None:
    site.rabbitmq.stop()
    site.rabbitmq.start()


def freeze_rabbitmq(site: Site) -> None:
    site.rabbitmq.freeze()
    time.sleep(site.chance.uniform(0.2, 2.0))
    site.rabbitmq.thaw()


def delete_the_vhost(site: Site) -> None:
    """Queues, messages and connections are gone; an operator makes it again after a while."""
    site.rabbitmq.delete_vhost()
    time.sleep(site.chance.uniform(0.0, 1.0))
    site.rabbitmq.create_vhost()


def purge_the_queue(site: Site) -> None:
    """Every ring that waits is lost."""
    with suppress(pika.exceptions.AMQPError), _connected(site) as connection:
        connection.channel().queue_purge("default")  # unless nobody has declared it yet


def ring_for_nothing(site: Site) -> None:
    """Duplicate and stale rings: for tasks that are running, that have ended, that never were."""
    known = sorted(site.known())
    hints = [*site.chance.choices(known, k=20), "task_unknown"] if known else ["task_unknown"]
    _publish(site, [RING | {"kwargs": {"hint": hint}} for hint in hints for _ in range(2)])


def forge_rings(site: Site) -> None:
    """Messages that no process of ours would write."""
    _publish(
        site,
        [
            *(RING | {"actor_name": name} for name in ("nobody", 17, None, ["ring"], "")),
            *(RING | {"kwargs": wrong} for wrong in ({"hint": {"task_id": 1}}, {"hint": 3}, 3)),
            *(None, [], {}, "ring", RING | {"queue_name": 5}, RING | {"more": 1}),
        ],
    )


def _publish(site: Site, messages: Sequence[object]) -> None:
    with suppress(pika.exceptions.AMQPError), _connected(site) as connection:
        channel = connection.channel()
        for message in messages:
            channel.basic_publish("", "default", json.dumps(message).encode())


def _connected(site: Site) -> pika.BlockingConnection:
    return pika.BlockingConnection(pika.URLParameters(site.rabbitmq.url))


#: Each with how often it comes: those that take seconds of the machine come seldom.
WEIGHTS: dict[Fault, int] = {
    kill_a_worker: 12,
    drain_a_worker: 5,
    freeze_a_worker: 4,
    kill_a_dispatcher: 4,
    kill_the_api: 4,
    crash_postgresql: 4,
    restart_postgresql: 2,
    terminate_backends: 10,
    freeze_a_backend: 6,
    kill_rabbitmq: 2,
    restart_rabbitmq: 1,
    freeze_rabbitmq: 3,
    delete_the_vhost: 2,
    purge_the_queue: 8,
    ring_for_nothing: 8,
    forge_rings: 6,
}
