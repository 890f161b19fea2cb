"""What many ask at once is asked together."""

import asyncio
from collections.abc import Sequence

import pytest

from ops_core import gathering
from ops_core.errors import StoreUnavailable
from ops_core.gathering import Gathering, Take


class Desk:
    """Answers each question with itself, one batch at a time, when it is let."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[str]]] = []
        self.free = asyncio.Semaphore(0)
        self.began = asyncio.Semaphore(0)
        self.broken: Exception | None = None

    async def ask(self, group: str, take: Take[str]) -> Sequence[str]:
        questions = list(take())
        self.batches.append((group, questions))
        self.began.release()
        await self.free.acquire()
        if self.broken is not None:
            raise self.broken
        return questions


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def gathered(desk: Desk) -> Gathering[str, str]:
    return Gathering(desk.ask)


def asking(gathered: Gathering[str, str], *questions: str) -> list["asyncio.Task[str]"]:
    return [asyncio.create_task(gathered.answer("a", question)) for question in questions]


async def busy(desk: Desk, gathered: Gathering[str, str]) -> "asyncio.Task[str]":
    """A batch of the group is under way."""
    [first] = asking(gathered, "first")
    await desk.began.acquire()
    return first


async def test_a_lone_question_is_asked_at_once(desk: Desk, gathered: Gathering[str, str]) -> None:
    """There is no timer: nobody has to come after it."""
    desk.free.release()
    assert "one" == await gathered.answer("a", "one")


async def test_who_comes_until_a_batch_is_taken_goes_with_it(
    desk: Desk, gathered: Gathering[str, str]
) -> None:
    """The questions of one turn of the loop are one batch."""
    desk.free.release()
    assert ["1", "2", "3"] == await asyncio.gather(*asking(gathered, "1", "2", "3"))
    assert [("a", ["1", "2", "3"])] == desk.batches


async def test_who_comes_meanwhile_goes_with_the_next(
    desk: Desk, gathered: Gathering[str, str]
) -> None:
    """All of them, in one batch, and in their order."""
    await busy(desk, gathered)
    rest = asking(gathered, "x", "y", "z")
    for _ in range(2):
        desk.free.release()
    assert ["x", "y", "z"] == await asyncio.gather(*rest)
    assert ("a", ["x", "y", "z"]) == desk.batches[-1]


async def test_many_do_not_wait_for_the_first_batch(
    desk: Desk, gathered: Gathering[str, str]
) -> None:
    """They are worth a second one beside it; one fewer is not."""
    await busy(desk, gathered)
    many = [str(number) for number in range(gathering.WORTH_A_SECOND)]
    waiting = asking(gathered, *many[:-1])
    await asyncio.sleep(0)  # all have asked
    await asyncio.sleep(0)  # and a batch would have been taken
    assert 1 == len(desk.batches)
    waiting += asking(gathered, many[-1])
    await desk.began.acquire()
    assert ("a", many) == desk.batches[-1]
    for _ in range(2):
        desk.free.release()
    assert many == await asyncio.gather(*waiting)


async def test_a_batch_has_a_bound(
    desk: Desk, gathered: Gathering[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too much for it is asked in the next one."""
    monkeypatch.setattr(gathering, "MAX_BATCH", 2)
    for _ in range(3):
        desk.free.release()
    await asyncio.gather(*asking(gathered, "1", "2", "3", "4", "5"))
    assert [["1", "2"], ["3", "4"], ["5"]] == [batch for _, batch in desk.batches]


async def test_a_batch_has_a_bound_in_bytes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that is larger by itself is asked alone."""
    monkeypatch.setattr(gathering, "MAX_BATCH_BYTES", 4)
    gathered = Gathering(desk.ask, len)
    for _ in range(4):
        desk.free.release()
    await asyncio.gather(*asking(gathered, "11", "22", "33", "far too large", "5"))
    assert [["11", "22"], ["33"], ["far too large"], ["5"]] == [batch for _, batch in desk.batches]


async def test_who_waits_too_long_is_refused(
    desk: Desk, gathered: Gathering[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind frozen connections each batch would take its own time, one after the other."""
    monkeypatch.setattr(gathering, "WAIT_S", 0.01)
    first = await busy(desk, gathered)
    refused = await asyncio.gather(first, *asking(gathered, "1", "2"), return_exceptions=True)
    assert [StoreUnavailable] * 3 == [type(error) for error in refused]
    for _ in range(2):
        desk.free.release()
    monkeypatch.undo()
    assert "3" == await gathered.answer("a", "3")
    assert ("a", ["3"]) == desk.batches[-1]


async def test_patience_is_everybodys_own(
    desk: Desk, gathered: Gathering[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes later is refused later, and not with those who came before."""
    monkeypatch.setattr(gathering, "WAIT_S", 0.02)
    loop, later = asyncio.get_running_loop(), asyncio.Event()
    loop.call_later(0.01, later.set)
    first = await busy(desk, gathered)
    await later.wait()
    began_s = loop.time()
    refused = await asyncio.gather(first, *asking(gathered, "2"), return_exceptions=True)
    assert [StoreUnavailable] * 2 == [type(error) for error in refused]
    assert 0.02 <= loop.time() - began_s + 0.001


async def test_an_answer_that_took_too_long_itself_is_told_as_it_is(
    desk: Desk, gathered: Gathering[str, str]
) -> None:
    """What a batch raises is not taken for the end of somebody's patience."""
    desk.broken = TimeoutError("the statement")
    desk.free.release()
    [error] = await asyncio.gather(*asking(gathered, "1"), return_exceptions=True)
    assert desk.broken is error


async def test_another_group_is_not_held_up(desk: Desk, gathered: Gathering[str, str]) -> None:
    """Each has batches of its own."""
    await busy(desk, gathered)
    other = asyncio.create_task(gathered.answer("b", "other"))
    await desk.began.acquire()
    assert ("b", ["other"]) == desk.batches[-1]
    other.cancel()


async def test_who_goes_before_the_batch_is_not_asked_for(
    desk: Desk, gathered: Gathering[str, str]
) -> None:
    """And whoever waits beside it gets his answer."""
    await busy(desk, gathered)
    gone, stays = asking(gathered, "gone", "stays")
    await asyncio.sleep(0)  # both have asked
    gone.cancel()
    for _ in range(2):
        desk.free.release()
    assert "stays" == await stays
    assert ("a", ["stays"]) == desk.batches[-1]


async def test_who_goes_meanwhile_harms_nobody(desk: Desk, gathered: Gathering[str, str]) -> None:
    """The batch goes on for the others."""
    gone, stays = asking(gathered, "gone", "stays")
    await desk.began.acquire()
    gone.cancel()
    desk.free.release()
    assert "stays" == await stays


async def test_an_error_is_everybodys(desk: Desk, gathered: Gathering[str, str]) -> None:
    """And the next batch is asked as if nothing had been."""
    desk.broken = ConnectionError("away")
    desk.free.release()
    errors = await asyncio.gather(*asking(gathered, "1", "2"), return_exceptions=True)
    assert [desk.broken, desk.broken] == errors
    desk.broken = None
    desk.free.release()
    assert "3" == await gathered.answer("a", "3")


async def test_who_waits_hears_of_an_error_before_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A connection that cannot be had concerns all who wait for it, however many: it is waited for once."""
    monkeypatch.setattr(gathering, "MAX_BATCH", 1)
    tries: list[str] = []

    async def away(group: str, _take: Take[str]) -> Sequence[str]:
        tries.append(group)
        raise ConnectionError("away")

    errors = await asyncio.gather(*asking(Gathering(away), "1", "2"), return_exceptions=True)
    assert ([ConnectionError] * 2, ["a"]) == ([type(error) for error in errors], tries)


async def test_an_error_of_nobodys_batch_is_nobodys() -> None:
    """Who comes while a batch fails whose callers have all gone is asked for in the next one."""
    commit, began = asyncio.Event(), asyncio.Event()

    async def ask(_group: str, take: Take[str]) -> Sequence[str]:
        questions = take()
        if questions:
            return questions
        began.set()
        await commit.wait()
        raise ConnectionError("away")

    gathered = Gathering(ask)
    [gone] = asking(gathered, "gone")
    await asyncio.sleep(0)  # it has asked
    gone.cancel()
    await began.wait()
    [comes] = asking(gathered, "comes")
    await asyncio.sleep(0)  # it waits beside the empty batch
    commit.set()
    assert "comes" == await comes
