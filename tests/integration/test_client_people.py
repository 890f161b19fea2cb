"""The two clients where people decide, against the real REST door; the test plays the worker."""

from collections.abc import Iterator

import pytest

from ops_core.log import EventType, NewEvent
from ops_core.moves import wait
from ops_core.step import Step
from ops_core.task import JsonObject, Reason, Wait
from opspawn.client import AlreadyResolved, AsyncOpspawnClient, InvalidRequest, OpspawnClient
from support.rest_door import RestDoor, rest_door

CALL: JsonObject = {"question": "May it?", "tool": "pay", "arguments": {"eur": 5}}


@pytest.fixture
def door() -> Iterator[RestDoor]:
    with rest_door() as door:
        yield door


def ask(door: RestDoor) -> None:
    """The task that is there waits for leave to pay, and for an answer."""
    task = door.claim()
    pay, colour = (
        Step(f"1/tool/{n}/{kind}/1", kind, "x") for n, kind in ((1, "approval"), (2, "input"))
    )
    question: JsonObject = {"question": "Which colour?"}
    door.append(
        task,
        NewEvent(type=EventType.APPROVAL_REQUESTED, data=pay.place | CALL, journal=pay.entry),
        NewEvent(
            type=EventType.INPUT_REQUESTED, data=colour.place | question, journal=colour.entry
        ),
    )
    waits = [
        Wait(reason=Reason.APPROVAL, step=pay.path, detail=pay.place | CALL),
        Wait(reason=Reason.INPUT, step=colour.path, detail=colour.place | question),
    ]
    door.settle(task, wait(waits, 0))


def test_people_approve_what_they_have_looked_at_and_answer_once(door: RestDoor) -> None:
    """A decision on another call is refused, and so is a second one."""
    with OpspawnClient(door.url, "key") as client:
        client.run("g")
        ask(door)
        [approval] = client.approvals(status="pending")
        assert ("pay", {"eur": 5}, 1) == (approval.tool, approval.arguments, approval.generation)
        with pytest.raises(InvalidRequest, match="hash"):
            client.approve(approval.approval_id, seen_hash="0" * 64)
        given = client.approve(
            approval.approval_id, arguments={"eur": 4}, seen_hash=approval.hash, idempotency_key="k"
        )
        assert ("approved", {"eur": 4}) == (given.status, given.given_arguments)
        with pytest.raises(AlreadyResolved):
            client.reject(approval.approval_id, comment="No.")
        [question] = client.questions()
        answered = client.answer_question(question.input_id, "Blue.")
        assert answered == client.question(question.input_id)
        assert ("Blue.", "answered") == (answered.answer, answered.status)


async def test_the_client_for_asyncio_does_the_same(door: RestDoor) -> None:
    """Here they reject."""
    async with AsyncOpspawnClient(door.url, "key") as client:
        await client.run("g")
        ask(door)
        [approval] = [one async for one in client.approvals(status="pending")]
        with pytest.raises(InvalidRequest, match="hash"):
            await client.reject(approval.approval_id, seen_hash="0" * 64)
        said = await client.reject(approval.approval_id, comment="No.", seen_hash=approval.hash)
        assert ("rejected", "No.") == (said.status, said.comment)
        [question] = [one async for one in client.questions()]
        await client.answer_question(question.input_id, "Blue.")
        assert "answered" == (await client.question(question.input_id)).status
