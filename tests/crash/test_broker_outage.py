"""A broker in trouble is not the user's trouble: submits are answered at once, and when it has healed
everything runs and every process rings and hears again, without a restart."""

import time
from collections.abc import Callable, Iterator

import pytest
from results import record
from standing import Standing, standing

from support.local_servers import local_rabbitmq
from support.model_server import ModelServer
from support.opspawn_processes import until
from support.rabbitmq_server import RabbitmqServer
from support.servers import NewDatabase

pytestmark = pytest.mark.e2e

#: A submit that waited for the broker would take until the broker is back, or its confirmation's time limit
#: (5 s). Seconds.
SOON_S = 2.0

#: Submits while the broker is away.
TASKS = 30

WORKERS = 2


def down(rabbitmq: RabbitmqServer, site: Standing) -> Callable[[], None]:
    rabbitmq.kill()
    return rabbitmq.start


def frozen(rabbitmq: RabbitmqServer, site: Standing) -> Callable[[], None]:
    rabbitmq.freeze()
    return rabbitmq.thaw


def purged(rabbitmq: RabbitmqServer, site: Standing) -> Callable[[], None]:
    site.purge()
    return site.purge


def vhost_deleted(rabbitmq: RabbitmqServer, site: Standing) -> Callable[[], None]:
    rabbitmq.delete_vhost()
    return rabbitmq.create_vhost


@pytest.fixture(scope="module")
def rabbitmq(say_server: Callable[[str], None]) -> Iterator[RabbitmqServer]:
    with local_rabbitmq(say_server) as rabbitmq:
        yield rabbitmq


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase, rabbitmq: RabbitmqServer
) -> Iterator[Standing]:
    """One for all troubles: each begins on what the one before has left."""
    with (
        ModelServer().running() as model,
        standing(
            tmp_path_factory.mktemp("outage"),
            new_database(),
            rabbitmq.url,
            model,
            # A worker that was killed stays on the list, so that the dispatcher has somebody to ring for.
            OPSPAWN_RECONNECT_GRACE_S="100",
        ) as site,
    ):
        site.start(api=1, dispatcher=1, worker=WORKERS)
        yield site


@pytest.mark.parametrize("trouble", [down, frozen, purged, vhost_deleted])
def test_trouble_of_the_broker_costs_no_client_anything(
    site: Standing,
    rabbitmq: RabbitmqServer,
    trouble: Callable[[RabbitmqServer, Standing], Callable[[], None]],
) -> None:
    """Submits are 201 at once; once it has healed all runs, and all processes ring and hear again."""
    started = time.monotonic()
    assert "completed" == site.rest.ended(site.rest.submit())["status"]
    heal = trouble(rabbitmq, site)
    tasks, slowest_s = [], 0.0
    try:
        for _ in range(TASKS):
            asked = time.monotonic()
            tasks.append(site.rest.submit())
            slowest_s = max(slowest_s, time.monotonic() - asked)
    finally:
        heal()
    lost = [task for task in tasks if site.rest.ended(task)["status"] != "completed"]
    record(f"broker {trouble.__name__}", 1, len(lost), time.monotonic() - started)
    assert [] == lost
    assert slowest_s < SOON_S
    until(lambda: site.queue()[1] == WORKERS)
    _everybody_rings(site)


def _everybody_rings(site: Standing) -> None:
    """The API's ring for a submit reaches the queue, and when that is lost the dispatcher's does."""
    site.kill("worker")
    until(lambda: site.queue()[1] == 0)
    site.purge()
    last = site.rest.submit()
    until(lambda: site.queue()[0] > 0)
    site.purge()
    until(lambda: site.queue()[0] > 0)
    site.start(worker=WORKERS)
    assert "completed" == site.rest.ended(last)["status"]
