"""What a handler waits for ends it, and it comes back by replaying; nothing else is done twice."""

from datetime import timedelta

import pytest
from journal_support import Program, a_program

from ops_core.answers import answer, decision, resolution
from ops_core.ask import AskKind, ask_id
from ops_core.children import Children
from ops_core.errors import InvalidRequest, NothingAsked, TaskFailed
from ops_core.journal import Journal, together
from ops_core.log import EventType
from ops_core.task import Reason, Status

pytestmark = pytest.mark.unit


@pytest.fixture
async def program() -> Program:
    return await a_program()


async def test_a_sleep_counts_from_when_it_was_first_made(program: Program) -> None:
    """Started again halfway, it does not sleep anew; when its time has come, it goes on for ever."""

    async def body(journal: Journal, _: Children) -> str:
        await journal.sleep("1", 60)
        return "awake"

    start = program.kept.clock
    [first] = await program.waits(body)
    assert "2026-01-01T00:01:00.000000Z" == first.public()["until"]
    assert "2026-01-01T00:01:00.000000Z" == program.kept.events[0].data["until"]
    program.later(59)
    [second] = await program.waits(body)
    assert [(Reason.TIMER, start + timedelta(seconds=60))] * 2 == [
        (wait.reason, wait.until) for wait in (first, second)
    ]
    program.later(1)
    assert "awake" == await program.run(body)
    assert [EventType.TIMER_SET, EventType.TIMER_FIRED] == program.kept.types()
    assert "awake" == await program.run(body)
    assert 2 == len(program.kept.events)


async def test_a_sleep_of_nothing_does_not_wait(program: Program) -> None:
    """Nothing to wait for: the handler goes on."""

    async def body(journal: Journal, _: Children) -> str:
        await journal.sleep("1", 0)
        return "awake"

    assert "awake" == await program.run(body)


async def test_a_sleep_of_another_length_is_another_program(program: Program) -> None:
    """Also while it is only begun."""

    async def body(journal: Journal, _: Children) -> None:
        await journal.sleep("1", seconds)

    seconds = 60
    await program.waits(body)
    seconds = 61
    with pytest.raises(TaskFailed, match=r"1 \(timer sleep\)"):
        await program.run(body)


async def test_two_branches_each_say_what_they_wait_for(program: Program) -> None:
    """The earlier timer wakes both; the later one goes on waiting for its own time."""

    async def body(journal: Journal, _: Children) -> list[object]:
        return await together(journal.sleep("1/a", 60), journal.sleep("1/b", 30))

    start = program.kept.clock
    waits = await program.waits(body)
    assert [60, 30] == [(wait.until - start).total_seconds() for wait in waits if wait.until]
    program.later(30)
    assert ["1/a"] == [wait.step for wait in await program.waits(body)]
    program.later(30)
    assert [None, None] == await program.run(body)


async def test_a_question_is_asked_once_and_its_answer_kept(program: Program) -> None:
    """However often the task starts again; the answer is what was brought, null too."""

    async def body(journal: Journal, _: Children) -> object:
        return await journal.ask("1", {"question": "Who?"})

    for _ in range(2):
        [wait] = await program.waits(body)
        name = ask_id(AskKind.INPUT, "t", "1", 1)
        assert (Reason.INPUT, {"question": "Who?", "input_id": name}) == (wait.reason, wait.detail)
    assert [EventType.INPUT_REQUESTED] == program.kept.types()
    program.kept.bring(answer(None, None))
    assert None is await program.run(body)
    assert None is await program.run(body)


async def test_another_question_at_the_same_place_is_another_program(program: Program) -> None:
    """An answer must not be taken for another question's, answered or not."""

    async def body(journal: Journal, _: Children) -> object:
        return await journal.ask("1", {"question": question})

    question = "Who?"
    await program.waits(body)
    question = "How much?"
    with pytest.raises(TaskFailed, match="1 "):
        await program.run(body)
    program.kept.answer("1", "Ada")
    with pytest.raises(TaskFailed, match="1 "):
        await program.run(body)


async def test_an_approval_gives_the_decision(program: Program) -> None:
    """Decided once, by whoever comes first."""

    async def body(journal: Journal, _: Children) -> object:
        return await journal.approve("1", {"tool": "pay"})

    [wait] = await program.waits(body)
    assert Reason.APPROVAL == wait.reason
    program.kept.bring(decision("1", "reject", "too much"))
    said = {"decision": "reject", "comment": "too much"}
    assert said == await program.run(body)
    with pytest.raises(NothingAsked):
        program.kept.bring(decision("1", "approve", None))
    assert said == await program.run(body)


async def test_nothing_can_be_brought_that_was_not_asked_for(program: Program) -> None:
    """Neither answers nor words on calls; with two questions open the step must be named."""
    for decide in (answer(None, 1), answer("1", 1), decision("1", "approve", None)):
        with pytest.raises(NothingAsked):
            program.kept.bring(decide)
    with pytest.raises(NothingAsked):
        program.kept.bring(resolution("1", "happened", None))
    with pytest.raises(NothingAsked, match=r"No question of the task .* is open"):
        program.kept.bring(answer(None, 1))

    async def body(journal: Journal, _: Children) -> object:
        return await together(*(journal.ask(path, {}) for path in ("1/a", "1/b")))

    await program.waits(body)
    with pytest.raises(InvalidRequest, match="1/a, 1/b"):
        program.kept.bring(answer(None, 1))
    program.kept.answer("1/b", "b")
    assert ["1/a"] == [wait.step for wait in await program.waits(body)]
    program.kept.bring(answer(None, "a"))
    assert ["a", "b"] == await program.run(body)


async def start_three(journal: Journal, children: Children) -> list[str]:
    return [await children.start(f"1/child/{n}", {"goal": n}) for n in (1, 2, 3)]


async def test_a_child_is_started_once(program: Program) -> None:
    """Its key is the step's: a parent that died before it noted the child finds it by that."""
    ids = await program.run(start_three)
    program.kept.events.pop()  # the parent died before this was on disk
    assert ids == await program.run(start_three) == await program.run(start_three)
    assert (3, 3) == (len(program.kept.started), program.kept.types().count("child.started"))
    assert all(key.startswith("child:") for key in program.kept.started)


async def test_another_child_at_the_same_place_is_another_program(program: Program) -> None:
    """The request is part of the step."""
    await program.run(start_three)

    async def other(_: Journal, children: Children) -> str:
        return await children.start("1/child/1", {"goal": "other"})

    with pytest.raises(TaskFailed, match="1/child/1"):
        await program.run(other)


@pytest.mark.parametrize(
    ("need", "ending", "missing"), [(None, "123", 3), (1, "2", 1), (2, "31", 2), (9, "123", 3)]
)
async def test_a_parent_waits_for_all_any_or_some(
    program: Program, need: int | None, ending: str, missing: int
) -> None:
    """It says how many must end before it is worth looking again, and gets those that have, in order."""

    async def body(journal: Journal, children: Children) -> list[str]:
        ids = await start_three(journal, children)
        return [end.task_id for end in await children.wait("1/wait", ids, need)]

    for place, n in enumerate(ending):
        [wait] = await program.waits(body)
        assert (Reason.CHILD, missing - place) == (wait.reason, wait.children_needed)
        program.kept.end(f"child{n}", Status.FAILED if n == "3" else Status.COMPLETED)
    ended = [f"child{n}" for n in sorted(ending)]
    assert ended == await program.run(body)
    for n in "123":  # more have ended since: the program goes the same way all the same
        program.kept.end(f"child{n}")
    assert ended == await program.run(body)


async def test_a_childs_end_is_told_to_the_log_once(program: Program) -> None:
    """What a parent has seen of a child stays as it was, should the child be retried."""

    async def body(journal: Journal, children: Children) -> list[Status]:
        ids = await start_three(journal, children)
        return [end.status for end in await children.wait("1/wait", ids)]

    program.kept.end("child1", Status.FAILED)
    await program.waits(body)
    for n in "123":
        program.kept.end(f"child{n}")
    expected = [Status.FAILED, Status.COMPLETED, Status.COMPLETED]
    assert expected == await program.run(body) == await program.run(body)
    assert 3 == program.kept.types().count(EventType.CHILD_FINISHED)


async def test_a_child_that_is_named_twice_ends_once(program: Program) -> None:
    """A program that waits for the same child twice does not wait for ever."""

    async def body(journal: Journal, children: Children) -> list[str]:
        child = await children.start("1/child/1", {})
        return [end.task_id for end in await children.wait("1/wait", [child, child])]

    [wait] = await program.waits(body)
    assert 1 == wait.children_needed
    program.kept.end("child1")
    assert {"child1"} == set(await program.run(body))


async def test_a_parent_that_waits_for_nobody_goes_on(program: Program) -> None:
    """No children, nothing to wait for."""

    async def body(_: Journal, children: Children) -> list[object]:
        return list(await children.wait("1/wait", []))

    assert [] == await program.run(body)
