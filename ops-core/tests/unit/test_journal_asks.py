"""What a handler asks people: bound, expiring, and asked anew by the next generation."""

from dataclasses import replace
from typing import Any

import pytest
from journal_support import Program, a_program

from ops_core.answers import answer, decision
from ops_core.ask import Ask, AskKind, AskStatus, ask_id, asks_of, binding, expiry
from ops_core.children import Children
from ops_core.errors import NothingAsked, TaskFailed
from ops_core.journal import Journal
from ops_core.log import EventType
from ops_core.moves import cancel, reopen

pytestmark = pytest.mark.unit

PAY = {"question": "May it?", "tool": "pay", "arguments": {"eur": 5}}


@pytest.fixture
async def program() -> Program:
    return await a_program()


async def pay(journal: Journal, _: Children) -> Any:
    return await journal.approve("1", PAY, about={"sources": [{"source": "user"}]}, expires_in_s=60)


async def who(journal: Journal, _: Children) -> Any:
    return await journal.ask("1", {"question": "Who?"}, expires_in_s=60)


def only_ask(program: Program) -> Ask:
    [ask] = asks_of("default", program.kept.events)
    return ask


async def test_an_approval_says_what_it_is_bound_to_and_until_when(program: Program) -> None:
    """Name, hash, sources and end are in the event, and in what the task waits for, in every run."""
    name = ask_id(AskKind.APPROVAL, "t", "1", 1)
    about = {
        "approval_id": name,
        "hash": binding("t", "1", "pay", {"eur": 5}),
        "sources": [{"source": "user"}],
    }
    until = "2026-01-01T00:01:00.000000Z"
    for _ in range(2):
        [wait] = await program.waits(pay)
        assert PAY | about | {"until": until} == wait.detail
        assert wait.until is None  # it is the dispatcher that ends it
        program.later(10)
    [asked] = program.kept.data(EventType.APPROVAL_REQUESTED)
    assert {"path": "1", "step": 1, "expires_at": until, **PAY, **about} == asked


async def test_what_an_approval_is_bound_to_is_all_of_it() -> None:
    """Another task, step, tool or argument is another hash; the order of keys is not."""
    args = {"a": 1, "b": [2]}
    others = [
        binding("u", "1", "pay", args),
        binding("t", "2", "pay", args),
        binding("t", "1", "send", args),
        binding("t", "1", "pay", {"a": 1, "b": [3]}),
    ]
    first = binding("t", "1", "pay", args)
    assert first == binding("t", "1", "pay", {"b": [2], "a": 1})
    assert 5 == len({first, *others})


async def test_an_approval_that_expired_is_a_rejection_for_ever(program: Program) -> None:
    """The handler reads it from the log, whatever its own clock says, and nobody can decide any more."""
    await program.waits(pay)
    program.later(61)
    await program.waits(pay)  # its own clock ends nothing
    program.kept.add(expiry(only_ask(program)))
    for _ in range(2):
        said = await program.run(pay)
        assert {"decision": "reject", "comment": "nobody decided in time"} == said
    assert AskStatus.EXPIRED is only_ask(program).status
    with pytest.raises(NothingAsked):
        program.kept.bring(decision("1", "approve", None))


async def test_a_question_that_expired_says_that_nobody_answered(program: Program) -> None:
    """In words, which an agent reads."""
    await program.waits(who)
    program.kept.add(expiry(only_ask(program)))
    assert "Nobody answered in time." == await program.run(who)


async def test_arguments_of_a_person_come_with_the_decision(program: Program) -> None:
    """And stay in the log as theirs."""
    await program.waits(pay)
    program.kept.bring(decision("1", "approve", None, arguments={"eur": 4}))
    said = {"decision": "approve", "comment": None, "arguments": {"eur": 4}}
    assert said == await program.run(pay)
    assert said == only_ask(program).resolution


async def test_the_next_generation_asks_anew(program: Program) -> None:
    """What ended unanswered with its task is asked again, under another name and with its own time."""
    await program.waits(pay)
    program.kept.add(cancel().event)
    program.kept.add(reopen(2).event)
    program.kept.task = replace(program.kept.task, generation=2)
    program.later(3600)
    for _ in range(2):
        [wait] = await program.waits(pay)
        assert ask_id(AskKind.APPROVAL, "t", "1", 2) == wait.detail["approval_id"]
        assert "2026-01-01T01:01:00.000000Z" == wait.detail["until"]
    first, second = asks_of("default", program.kept.events)
    assert (AskStatus.CANCELLED, AskStatus.PENDING) == (first.status, second.status)


async def test_leave_given_between_two_generations_is_for_the_same_call(program: Program) -> None:
    """A program that now would call something else is told so, and not let through."""
    await program.waits(pay)
    program.kept.add(cancel().event)
    program.kept.add(reopen(2).event)
    program.kept.bring(decision("1", "approve", None))

    async def more(journal: Journal, _: Children) -> Any:
        return await journal.approve("1", PAY | {"arguments": {"eur": 500}})

    with pytest.raises(TaskFailed, match="recorded with other input"):
        await program.run(more)
    assert "approve" == (await program.run(pay))["decision"]


async def test_a_log_of_before_there_were_expiries_is_read(program: Program) -> None:
    """An event that says neither name nor hash is the same ask."""
    await program.waits(who)
    bare = replace(program.kept.events[0], data={"path": "1", "question": "Who?"})
    program.kept.events[:] = [bare]
    assert ask_id(AskKind.INPUT, "t", "1", 1) == only_ask(program).ask_id
    program.kept.bring(answer(None, "Ada"))
    assert "Ada" == await program.run(who)
    assert (AskStatus.ANSWERED, {"answer": "Ada"}) == (
        only_ask(program).status,
        only_ask(program).resolution,
    )
