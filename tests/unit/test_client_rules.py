"""How the client behaves when a server does not answer as it should: the rules alone, no connection."""

import inspect
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from opspawn.client import (
    AsyncOpspawnClient,
    Conflict,
    Forbidden,
    IdempotencyConflict,
    NotFound,
    OpspawnClient,
    OpspawnError,
    Patience,
    Refused,
    Task,
    Unavailable,
    Unreachable,
    WaitTimedOut,
    api_keys,
    async_resources,
    blocking_resources,
    calls,
    schedules,
    threads,
    webhooks,
)
from opspawn.client.call import Call
from opspawn.client.following import Following
from opspawn.client.rules import (
    Came,
    Ended,
    Give,
    Lost,
    Open,
    Opened,
    ReadLine,
    Reply,
    Rest,
    Send,
    answered,
)
from opspawn.client.settling import settled

AT = "2026-01-01T12:00:00Z"
TASK = {"task_id": "task_1", "task_type": "agent_run", "created_at": AT, "updated_at": AT}
AWAY = Reply(
    503, {"retry-after": "2"}, {"type": "urn:opspawn:problem:store_unavailable", "title": ""}
)
BROKEN = Lost("broke off", sent=True)
PATIENCE = Patience()


def task(status: str = "running", **headers: str) -> Reply:
    return Reply(200, headers, {**TASK, "status": status})


def problem(status: int, type_: str) -> Reply:
    body = {"type": f"urn:opspawn:problem:{type_}", "title": "t", "detail": "d"}
    return Reply(status, {}, body)


def page(*seqs: int) -> Reply:
    return Reply(200, {}, {"events": [event(seq) for seq in seqs]})


def event(seq: int) -> dict[str, Any]:
    return {"seq": seq, "type": "llm.completed", "at": AT, "data": {}}


def frame(seq: int) -> list[str]:
    return [f"id: {seq}", f'data: {{"seq": {seq}, "type": "llm.completed", "at": "{AT}"}}', ""]


class Played:
    """Carries rules out with prepared answers to all but rests, and keeps what it was told to do."""

    def __init__(self, rules: Any, *came: Came) -> None:
        self.did: list[Any] = []
        self.given: list[Any] = []
        self._rules = rules
        self._came = list(came)

    def value(self) -> Any:
        came: Came = None
        while True:
            try:
                step = self._rules.send(came)
            except StopIteration as done:
                return done.value
            came = None
            if isinstance(step, Give):
                self.given.append(step.item.seq)
                continue
            self.did.append(step)
            if not isinstance(step, Rest):
                came = self._came.pop(0)

    @property
    def rests(self) -> list[float]:
        return [one.seconds for one in self.did if isinstance(one, Rest)]


def test_a_submit_is_repeated_with_its_key_after_the_rest_that_the_server_asks_for() -> None:
    """What was stored although its answer was lost is found by the key."""
    played = Played(answered(calls.submit({}, None), PATIENCE), AWAY, BROKEN, task())
    assert "task_1" == played.value().task_id
    keys = {one.call.headers["Idempotency-Key"] for one in played.did if isinstance(one, Send)}
    assert 1 == len(keys)
    assert 2.0 == played.rests[0]
    assert 0.2 <= played.rests[1] <= 0.4


def test_a_date_to_come_again_at_is_understood() -> None:
    """RFC 9110 has both forms."""
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    busy = Reply(429, {"retry-after": soon}, {"title": ""})
    played = Played(answered(calls.task("t"), PATIENCE), busy, task())
    played.value()
    assert 25 < played.rests[0] <= 30


def test_a_longer_rest_than_the_patience_allows_is_an_error_at_once() -> None:
    """A program that hangs for an hour is worse than one that says why it does not go on."""
    busy = Reply(429, {"retry-after": "3600"}, {"title": ""})
    with pytest.raises(Refused) as raised:
        Played(answered(calls.task("t"), PATIENCE), busy).value()
    assert 3600 == raised.value.retry_after_s


def test_what_the_server_cannot_know_again_is_not_sent_again() -> None:
    """A second retry of a task might open another generation."""
    with pytest.raises(Unreachable):
        Played(answered(calls.retry("t"), PATIENCE), BROKEN).value()
    with pytest.raises(Unavailable):
        Played(answered(calls.retry("t"), PATIENCE), AWAY).value()


def test_what_was_never_sent_is_sent_again() -> None:
    """Nobody listened: nothing can be done twice."""
    refused = Lost("refused", sent=False)
    assert "task_1" == Played(answered(calls.retry("t"), PATIENCE), refused, task()).value().task_id


def test_patience_ends() -> None:
    """The last error is raised."""
    played = Played(answered(calls.task("t"), Patience(attempts=3)), AWAY, AWAY, AWAY)
    with pytest.raises(Unavailable):
        played.value()
    assert 2 == len(played.rests)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (problem(409, "idempotency_conflict"), IdempotencyConflict),
        (problem(409, "of_a_newer_server"), Conflict),
        (problem(403, "missing_scope"), Forbidden),
        (problem(500, "internal"), Unavailable),
        (problem(418, "teapot"), Refused),
        (Reply(502, {}, None), Unavailable),
    ],
)
def test_a_no_is_an_error_of_its_type(reply: Reply, expected: type[Refused]) -> None:
    """By `type`, and by status where the type is not known."""
    with pytest.raises(Refused) as raised:
        Played(answered(calls.cancel("t"), Patience(attempts=1)), reply).value()
    assert expected is type(raised.value)


def test_unknown_fields_are_kept() -> None:
    """A newer server does not break an older client."""
    assert {"colour": "red"} == Task.model_validate(
        {**TASK, "status": "running", "colour": "red"}
    ).model_extra


@pytest.mark.parametrize(
    ("status", "expected"), [("completed", ("391.", None)), ("failed", (None, "391."))]
)
def test_half_an_answer_is_not_taken_for_a_whole_one(
    status: str, expected: tuple[str | None, str | None]
) -> None:
    """What there was of a task that was cut short has a name of its own."""
    task = Task.model_validate({**TASK, "status": status, "result": {"output": "391."}})
    assert expected == (task.output, task.partial_output)


def test_waiting_is_left_to_a_server_that_holds_requests() -> None:
    """No look in between, and no rest."""
    applied = {"preference-applied": "wait=30"}
    rules = settled("t", PATIENCE, timeout_s=None, through_waiting=False)
    played = Played(rules, task(**applied), task("completed", **applied))
    assert "completed" == played.value().status
    assert ["wait=30", "wait=30"] == [one.call.headers["Prefer"] for one in played.did]


def test_waiting_looks_again_where_requests_are_not_held() -> None:
    """Less and less often."""
    rules = settled("t", PATIENCE, timeout_s=None, through_waiting=False)
    played = Played(rules, task(), task(), task("waiting"))
    assert "waiting" == played.value().status
    assert played.rests[0] < played.rests[1]


def test_waiting_ends_with_its_time() -> None:
    """The task goes on; only we do not wait any more."""
    now = iter([0.0, 0.0, 1.0, 6.0, 6.0])
    rules = settled("t", PATIENCE, timeout_s=5, through_waiting=True, clock=lambda: next(now, 6.0))
    with pytest.raises(WaitTimedOut, match="still running"):
        Played(rules, task(), task(), task()).value()


def test_a_broken_stream_goes_on_after_the_last_event_that_was_given() -> None:
    """Each event once, in order."""
    following = Following("t", 0, PATIENCE)
    played = Played(
        following.events(),
        Opened(), *frame(1), *frame(2), "id: 3", BROKEN,
        Opened(), *frame(2), *frame(3), Ended(),
        task("completed"), page(),
    )  # fmt: skip
    played.value()
    assert [1, 2, 3] == played.given
    opened = [one.call.headers["Last-Event-ID"] for one in played.did if isinstance(one, Open)]
    assert ["0", "2"] == opened


def test_a_task_that_was_retried_is_followed_past_its_first_end() -> None:
    """That a stream ends is not enough: the task must have ended, and its log must have no more."""
    played = Played(
        Following("t", 0, PATIENCE).events(),
        Opened(), *frame(1), Ended(), task("running"), page(),
        Opened(), *frame(2), Ended(), task("completed"), page(3), task("completed"), page(),
    )  # fmt: skip
    played.value()
    assert [1, 2, 3] == played.given


def test_a_server_that_does_not_stream_is_read_page_by_page() -> None:
    """It answers the request for a stream with a page."""
    played = Played(
        Following("t", 4, PATIENCE).events(),
        page(5), task(), page(5, 6), task(), page(), page(), task("failed"), page(7),
        task("failed"), page(),
    )  # fmt: skip
    played.value()
    assert [5, 6, 7] == played.given


def test_an_error_within_a_stream_is_one_of_the_connection_or_of_ours() -> None:
    """A server that stops is come back to; a task that is gone is not."""
    stops = ["event: error", 'data: {"status": 503, "title": "t", "type": "store_unavailable"}', ""]
    gone = ["event: error", 'data: {"status": 404, "title": "t", "type": "task_not_found"}', ""]
    played = Played(
        Following("t", 0, PATIENCE).events(), Opened(), *stops, Opened(), *frame(1), *gone
    )
    with pytest.raises(Refused, match="task_not_found"):
        played.value()
    assert [1] == played.given


def test_a_server_that_stays_away_ends_the_following() -> None:
    """After the patience for streams."""
    now = iter([0.0, 30.0, 61.0])
    following = Following("t", 0, PATIENCE, clock=lambda: next(now))
    with pytest.raises(Unreachable):
        Played(following.events(), BROKEN, BROKEN).value()


def test_deltas_and_comments_are_no_events() -> None:
    """They have no place in the log."""
    lines = [": still here", "", "event: llm.delta", 'data: {"type": "llm.delta", "data": {}}', ""]
    played = Played(
        Following("t", 0, PATIENCE).events(), Opened(), *lines, Ended(), task("failed"), page()
    )
    played.value()
    assert [] == played.given
    assert any(isinstance(one, ReadLine) for one in played.did)


@pytest.mark.parametrize(
    ("blocking", "for_asyncio"),
    [
        (OpspawnClient, AsyncOpspawnClient),
        *(
            (getattr(blocking_resources, name), getattr(async_resources, f"Async{name}"))
            for name in ("Agents", "Threads", "Schedules", "Webhooks", "ApiKeys")
        ),
    ],
)
def test_both_clients_have_the_same_methods(blocking: type, for_asyncio: type) -> None:
    """Whoever knows one knows the other."""

    def methods(client: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(method).parameters)
            for name, method in inspect.getmembers(client, inspect.isfunction)
            if not name.startswith("_")
        }

    assert methods(blocking) == methods(for_asyncio)


def test_a_deletion_whose_answer_was_lost_is_not_told_as_one_of_nothing() -> None:
    """Repeated it finds nothing, because the first one has done it; alone that is an error."""
    gone = Reply(404, {}, {"type": "x", "title": "t", "detail": "d"})
    Played(answered(schedules.remove("s"), PATIENCE), BROKEN, gone).value()
    with pytest.raises(NotFound):
        Played(answered(schedules.remove("s"), PATIENCE), gone).value()


@pytest.mark.parametrize(
    "call",
    [
        threads.create({}),
        webhooks.create("https://example.org", {}),
        api_keys.create("n", ["tasks:read"], {}),
        api_keys.rotate("k", None),
    ],
    ids=lambda call: call.path,
)
def test_what_would_be_made_twice_is_not_sent_twice(call: Call[Any]) -> None:
    """The server knows no key there; the error says that the request may have arrived."""
    with pytest.raises(Unreachable) as raised:
        Played(answered(call, PATIENCE), BROKEN).value()
    assert raised.value.sent


def test_an_address_that_is_none_is_refused_before_anything_is_sent() -> None:
    """The error names it."""
    with pytest.raises(OpspawnError, match="not an HTTP address"):
        OpspawnClient("opspawn.example.org", "key")


def test_a_password_in_an_address_is_not_shown() -> None:
    """It is for a proxy before the server; errors go to logs."""
    patience = Patience(attempts=1)
    with (
        OpspawnClient("http://me:the-secret@127.0.0.1:1", "key", patience=patience) as client,
        pytest.raises(Unreachable) as raised,
    ):
        client.get("task_1")
    assert "No Opspawn answers at http://127.0.0.1:1 (" in str(raised.value)
    assert "the-secret" not in str(raised.value)


def test_the_key_is_not_shown() -> None:
    """Not where a program prints its client."""
    with OpspawnClient("http://127.0.0.1:1", "the-secret") as client:
        assert "the-secret" not in repr(client) + repr(vars(client))


def test_importing_the_client_brings_no_server() -> None:
    """Nor a framework, a driver or an SDK."""
    heavy = {"fastapi", "sqlalchemy", "grpc", "openai", "ops_core", "agentkit", "opspawn.settings"}
    code = f"import sys, opspawn.client; print({heavy!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "set()" == done.stdout.strip()
