"""The gate of a server that asks who comes, over the fakes of its ports."""

import re

import pytest
from guarded_house import ROOT, House

from ops_core.errors import MissingScope, NotAuthenticated, StoreUnavailable
from ops_core.identity.authenticator import BELIEVED_S
from ops_core.identity.gate import Attempt, OpenGate
from ops_core.identity.keys import KeyText, Rate, new_key_text, read_key_text
from ops_core.identity.requests import RotationRequest
from ops_core.principal import EVERYBODY, Principal
from ops_core.scopes import Scope

pytestmark = pytest.mark.unit


async def test_a_key_lets_its_tenant_in_with_its_scopes() -> None:
    """The subject is the key's id, never its secret."""
    house = House()
    text = await house.key(Scope.TASKS_READ)
    expected = Principal(
        tenant_id="default", subject=text.key_id, scopes=frozenset({Scope.TASKS_READ})
    )
    assert expected == await house.admit(text)


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "osk_0123456789abcdef_x"],
)
async def test_who_sends_no_credentials_is_asked_for_them(authorization: str | None) -> None:
    """The answer says what to send."""
    attempt = Attempt(operation="get_task", authorization=authorization, request_id="r")
    with pytest.raises(NotAuthenticated, match="Send an API key or a token"):
        await House().guard.admit(attempt)


async def test_a_wrong_secret_an_unknown_key_and_half_a_key_are_refused_alike() -> None:
    """A stranger does not learn which keys there are."""
    house = House()
    text = await house.key()
    said = set()
    for sent in (KeyText(text.key_id, new_key_text().secret), new_key_text()):
        with pytest.raises(NotAuthenticated) as refused:
            await house.admit(sent)
        said.add(str(refused.value))
    assert {"This API key is not known here."} == said
    with pytest.raises(NotAuthenticated, match="not an API key"):
        await house.admit(str(text)[:-1])


async def test_a_key_that_was_revoked_is_refused_within_seconds() -> None:
    """What was heard of it before is believed no longer than that."""
    house = House()
    text = await house.key()
    await house.admit(text)
    await house.keys.revoke(text.key_id, by=ROOT, request_id="r")
    house.now += BELIEVED_S + 0.1
    with pytest.raises(NotAuthenticated, match="was revoked"):
        await house.admit(text)


async def test_a_key_is_asked_for_once_in_a_while() -> None:
    """Not with every request; a wrong secret is not believed because the right one was."""
    house = House()
    text = await house.key()
    for _ in range(3):
        await house.admit(text)
    assert 1 == house.credentials.asked
    with pytest.raises(NotAuthenticated):
        await house.admit(KeyText(text.key_id, new_key_text().secret))


async def test_a_rotated_key_is_good_with_its_new_secret() -> None:
    """And with the old one for the grace."""
    house = House()
    old = await house.key()
    told = await house.keys.rotate(old.key_id, RotationRequest(grace_s=60), by=ROOT, request_id="r")
    assert old.key_id == told.text.key_id
    for text in (old, told.text):
        assert old.key_id == (await house.admit(text)).subject


async def test_a_scope_that_is_missing_is_named() -> None:
    """`admin` is all of them."""
    house = House()
    reader, admin = await house.key(Scope.TASKS_READ), await house.key(Scope.ADMIN)
    with pytest.raises(MissingScope, match="tasks:write") as refused:
        await house.admit(reader, "cancel_task")
    assert "tasks:write" == refused.value.scope
    await house.admit(admin, "cancel_task")


async def test_an_operation_that_nobody_wrote_down_is_let_in_for_nobody() -> None:
    house = House()
    with pytest.raises(KeyError):
        await house.admit(await house.key(Scope.ADMIN), "steal_everything")


async def test_a_token_lets_its_subject_in() -> None:
    house = House()
    assert "user:ada" == (await house.admit("good")).subject
    with pytest.raises(NotAuthenticated):
        await house.admit("bad")


async def test_a_token_of_a_tenant_that_is_disabled_is_refused() -> None:
    """Within seconds, as keys are."""
    house = House()
    await house.admit("good")
    stored = house.state.tenants["default"]
    closed = stored.__class__(
        tenant_id="default", name="x", created_at=stored.created_at, disabled_at=stored.created_at
    )
    house.state.tenants["default"] = closed
    house.now += BELIEVED_S + 0.1
    with pytest.raises(NotAuthenticated, match="tenant"):
        await house.admit("good")


async def test_an_open_gate_lets_everybody_do_everything() -> None:
    attempt = Attempt(operation="create_tenant", authorization=None, request_id="r")
    assert EVERYBODY == await OpenGate().admit(attempt)
    assert EVERYBODY.may(Scope.TENANTS_ADMIN)


def test_a_key_is_known_by_its_looks_and_hides_its_secret() -> None:
    """256 random bits, an id apart from them, and nothing of it where values are shown."""
    text = new_key_text()
    assert re.fullmatch(r"osk_[0-9a-f]{16}_[\w-]{43}", str(text))
    assert text == read_key_text(str(text))
    assert text.secret not in repr(text)


async def test_who_it_is_can_be_asked_again_and_again() -> None:
    """For what goes on: it costs nothing of the rate, needs no scope, and hears of a revocation."""
    house = House(Rate(per_minute=1, burst=1))
    text = await house.key(Scope.TASKS_READ)
    attempt = Attempt(operation="list_task_events", authorization=f"Bearer {text}", request_id="r")
    for _ in range(3):
        assert text.key_id == (await house.guard.identify(attempt)).subject
    await house.admit(text)
    await house.keys.revoke(text.key_id, by=ROOT, request_id="r")
    house.now += BELIEVED_S
    with pytest.raises(NotAuthenticated):
        await house.guard.identify(attempt)
    assert [("unknown", "unauthenticated")] == house.denied()


async def test_who_scraped_last_may_go_on_while_the_store_is_away() -> None:
    """Metrics are of use above all then; nothing else is answered, and to nobody else."""
    house = House()
    scraper, other = await house.key(Scope.METRICS_READ), await house.key()
    await house.admit(other, "metrics")
    await house.admit(scraper, "metrics")
    house.now += BELIEVED_S + 1
    house.credentials.is_away = True
    assert scraper.key_id == (await house.admit(scraper, "metrics")).subject
    for sent, operation in ((scraper, "get_task"), (other, "metrics")):
        with pytest.raises(StoreUnavailable):
            await house.admit(sent, operation)


async def test_a_scraper_whose_key_was_revoked_is_refused_for_good() -> None:
    """Also when the store goes away after that."""
    house = House()
    scraper = await house.key(Scope.METRICS_READ)
    await house.admit(scraper, "metrics")
    await house.keys.revoke(scraper.key_id, by=ROOT, request_id="r")
    house.now += BELIEVED_S + 1
    for is_away in (False, True):
        house.credentials.is_away = is_away
        with pytest.raises(StoreUnavailable if is_away else NotAuthenticated):
            await house.admit(scraper, "metrics")
