"""What becomes of a delivery: attempts, rests, and the ends of patience."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from structlog.testing import capture_logs
from webhook_support import Office

from ops_core.upkeep.pruning import Pruning
from ops_core.webhooks.deliverer import Deliverer
from ops_core.webhooks.model import DeliveryStatus
from ops_core.webhooks.payload import MAX_BODY
from ops_core.webhooks.port import Answer, NoAnswer, Refused
from ops_core.webhooks.verdict import Patience

pytestmark = pytest.mark.unit


def answered(code: int, **more: object) -> Answer:
    return Answer(status_code=code, **more)  # type: ignore[arg-type]


async def test_what_fails_is_sent_again_under_the_same_id_until_it_is_taken() -> None:
    """500, no answer, 302 and then 200: three rests, each longer; one id."""
    office = Office(answered(500, body=b"oh\0no"), NoAnswer("no host"), answered(302))
    await office.subscribe()
    await office.submit()
    for after_s in (0, 6, 11, 21):
        await office.send(after_s)
    delivery = await office.delivery()
    assert (DeliveryStatus.DELIVERED, 4) == (delivery.status, delivery.tries)
    assert {delivery.delivery_id} == {
        headers["webhook-id"] for _, _, headers in office.receiver.came
    }
    assert [500, None, 302, 200] == [attempt.status_code for attempt in delivery.attempts]
    assert "oh\N{REPLACEMENT CHARACTER}no" == delivery.attempts[0].response
    assert "the receiver answered 302" == delivery.attempts[2].error


async def test_a_receiver_says_when_it_wants_to_be_asked_again() -> None:
    """Retry-After is honoured where it is longer than our own rest."""
    office = Office(answered(503, retry_after_s=600.0))
    await office.subscribe()
    await office.submit()
    await office.send()
    await office.send(after_s=599)
    assert 1 == len(office.receiver.came)
    await office.send(after_s=1)
    assert 2 == len(office.receiver.came)


async def test_gone_is_the_end_of_a_webhook() -> None:
    """410: what it is, nobody wants any more of it; the log says so."""
    office = Office(answered(410))
    webhook = await office.subscribe()
    await office.submit()
    with capture_logs() as said:
        await office.send()
    found = await office.webhook(webhook)
    assert (False, "gone") == (found.spec.enabled, found.disabled_reason)
    assert DeliveryStatus.FAILED is (await office.delivery()).status
    assert ["a webhook was disabled"] == [line["event"] for line in said]


async def test_a_destination_that_is_refused_is_not_tried_again() -> None:
    """The policy would say the same tomorrow."""
    office = Office(Refused("example.org does not lead to a public address"))
    await office.subscribe()
    await office.submit()
    await office.send()
    delivery = await office.delivery()
    assert (DeliveryStatus.FAILED, 1) == (delivery.status, delivery.tries)
    assert "example.org does not lead to a public address" == delivery.attempts[0].error


@pytest.mark.parametrize(
    "patience", [Patience(max_attempts=2), Patience(give_up_s=12.0)], ids=["tries", "time"]
)
async def test_patience_ends(patience: Patience) -> None:
    """After so many tries, or when the next one would come too late."""
    office = Office(*[answered(500)] * 3, patience=patience)
    await office.subscribe()
    await office.submit()
    await office.send()
    assert DeliveryStatus.PENDING is (await office.delivery()).status
    await office.send(after_s=8)
    assert DeliveryStatus.FAILED is (await office.delivery()).status


async def test_a_webhook_that_fails_for_days_is_disabled() -> None:
    """It is not one delivery that decides, but since when none was taken."""
    office = Office(*[answered(500)] * 3, patience=Patience(disable_after_s=100.0))
    webhook = await office.subscribe()
    await office.submit()
    await office.send()
    await office.send(after_s=50)
    assert (await office.webhook(webhook)).spec.enabled
    with capture_logs():
        await office.send(after_s=51)
    assert "failing" == (await office.webhook(webhook)).disabled_reason


async def test_the_body_says_what_happened_and_how_the_task_is() -> None:
    """The input is not told: a receiver may be somebody else than who submitted it."""
    office = Office()
    await office.subscribe("task.cancelled")
    task = await office.submit(secret="hunter2")
    await office.tasks.cancel("default", task.task_id)
    await office.send()
    [(_, body, _)] = office.receiver.came
    found = json.loads(body)
    assert {"type", "timestamp", "data"} == found.keys()
    assert ("task.cancelled", 2) == (found["type"], found["data"]["seq"])
    assert (task.task_id, "cancelled") == (
        found["data"]["task_id"],
        found["data"]["task"]["status"],
    )
    assert b"hunter2" not in body


async def test_a_body_that_would_be_large_leaves_out_what_is_large() -> None:
    """And says so."""
    office = Office()
    await office.subscribe("task.submitted")
    await office.submit(text="x" * MAX_BODY)
    await office.send()
    [(_, body, _)] = office.receiver.came
    found = json.loads(body)["data"]
    assert (True, None) == (found["truncated"], found["event"])
    assert len(body) < 2000


async def test_a_deleted_task_ends_its_deliveries() -> None:
    """There is nothing left to send."""
    office = Office()
    await office.subscribe("task.cancelled")
    task = await office.submit()
    await office.tasks.cancel("default", task.task_id)
    office.clock.advance(100)
    await office.tasks.prune(50, 10)
    await office.send()
    assert "its task was deleted meanwhile" == (await office.delivery()).attempts[0].error
    assert [] == office.receiver.came


async def test_the_loop_sends_until_it_is_stopped() -> None:
    """What was under way at the stop is still recorded."""
    office = Office()
    await office.subscribe()
    await office.submit()
    stop, sent, answering = asyncio.Event(), asyncio.Event(), asyncio.Event()
    post = office.receiver.post

    async def posted(*args: object) -> Answer:
        sent.set()
        await answering.wait()
        return await post(*args)  # type: ignore[arg-type]

    office.receiver.post = posted  # type: ignore[method-assign,assignment]
    running = asyncio.create_task(office.loop.run(stop))
    await sent.wait()
    stop.set()
    asyncio.get_running_loop().call_later(0.05, answering.set)
    await running
    assert DeliveryStatus.DELIVERED is (await office.delivery()).status


async def test_the_loop_goes_on_at_once_where_a_disabled_webhook_was_in_the_way() -> None:
    """More than one claim looks at is due for it: the deliveries behind it are sent without a rest."""
    office = Office()
    dead = await office.subscribe()
    for _ in range(501):
        await office.submit()
    await office.webhooks.change("default", dead.webhook_id, replace(dead.spec, enabled=False))
    await office.subscribe()
    office.clock.advance(1)
    await office.submit()
    stop, came = asyncio.Event(), asyncio.Event()

    class Signalling:
        async def post(self, *_: object) -> Answer:
            came.set()
            return answered(200)

    running = asyncio.create_task(Deliverer(office.webhooks, Signalling(), idle_s=3600).run(stop))
    async with asyncio.timeout(5):
        await came.wait()
        stop.set()
        await running


async def test_old_deliveries_are_looked_for_once_a_minute() -> None:
    """And deleted some time after their end."""
    office = Office()
    webhook = await office.subscribe()
    now = [0.0]
    upkeep = Pruning(office.webhooks, kept_s=100, clock=lambda: now[0])
    await office.submit()
    await office.send()
    assert 0 == await upkeep.prune()
    office.clock.advance(101)
    assert 0 == await upkeep.prune()
    now[0] += 60
    assert 1 == await upkeep.prune()
    page = await office.webhooks.deliveries(
        "default", webhook_id=webhook.webhook_id, limit=9, cursor=None
    )
    assert [] == page.deliveries


async def test_one_tenant_leaves_places_to_others() -> None:
    """Eight webhooks of one tenant that all hang take three of four places, and no more."""
    office, over = Office(), asyncio.Event()

    class Hanging:
        async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
            await over.wait()
            return Answer(status_code=200)

    loop = Deliverer(office.webhooks, Hanging(), concurrency=4)
    for _ in range(8):
        webhook = await office.subscribe()
        await office.webhooks.ping("default", webhook.webhook_id)
    assert [(3, 0), (0, 0)] == [await loop.begin(), await loop.begin()]
    over.set()
    await loop.settled()
    assert (3, 0) == await loop.begin()
    await loop.settled()
