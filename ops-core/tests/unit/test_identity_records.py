"""What a guard counts and writes down of those who come."""

import pytest
from guarded_house import House

from ops_core.errors import MissingScope, NotAuthenticated, RateLimited, StoreUnavailable
from ops_core.identity.gate import Attempt
from ops_core.identity.guard import DENIED
from ops_core.identity.keys import Rate, new_key_text
from ops_core.scopes import Scope

pytestmark = pytest.mark.unit


async def test_a_key_asks_no_more_often_than_its_rate() -> None:
    """The burst at once, then one each time the rate brings one; the answer says when."""
    house = House()
    text = await house.key(requests_per_minute=6, burst=2)
    for _ in range(2):
        await house.admit(text)
    with pytest.raises(RateLimited) as refused:
        await house.admit(text)
    assert 10 == refused.value.retry_after_s
    house.now += 10
    await house.admit(text)


async def test_a_limit_for_all_binds_keys_without_a_rate_and_each_for_itself() -> None:
    house = House(rate=Rate(60, 1))
    one, other, own = await house.key(), await house.key(), await house.key(requests_per_minute=600)
    await house.admit(one)
    with pytest.raises(RateLimited):
        await house.admit(one)
    await house.admit(other)
    for _ in range(5):
        await house.admit(own)


async def test_denied_attempts_are_written_down() -> None:
    """Those of strangers as well, for the operator; who sent no credentials at all did not try."""
    house = House()
    reader = await house.key(Scope.TASKS_READ)
    for sent in (reader, new_key_text(), None):
        with pytest.raises((MissingScope, NotAuthenticated)):
            await house.admit(sent, "cancel_task")
    assert [(reader.key_id, "missing_scope"), ("unknown", "unauthenticated")] == house.denied()


async def test_denied_attempts_do_not_fill_the_log() -> None:
    """More than so many a minute say nothing new."""
    house = House()
    for _ in range(DENIED.burst + 10):
        with pytest.raises(NotAuthenticated):
            await house.admit(new_key_text())
    assert DENIED.burst == len(house.denied())


async def test_an_audited_operation_is_written_down_before_it_is_done() -> None:
    """One that only reads is not."""
    house = House()
    who = await house.admit(await house.key())
    for operation in ("cancel_task", "get_task"):
        attempt = Attempt(operation=operation, authorization=None, request_id="r7")
        await house.guard.record(attempt, who, "task_1\x1b[31m")
    [entry] = [r.entry for r in house.state.records if r.entry.action != "create_api_key"]
    assert ("cancel_task", "task_1[31m", who.subject, "r7") == (
        entry.action,
        entry.object,
        entry.subject,
        entry.request_id,
    )


async def test_the_last_use_of_a_key_is_written_down_with_others() -> None:
    """Not with the request; a store that was away is told the next time."""
    house = House()
    text = await house.key()
    await house.admit(text)
    assert house.state.keys[text.key_id].key.last_used_at is None
    house.credentials.is_away = True
    with pytest.raises(StoreUnavailable):
        await house.authenticator.flush()
    house.credentials.is_away = False
    await house.authenticator.flush()
    assert house.state.keys[text.key_id].key.last_used_at is not None
