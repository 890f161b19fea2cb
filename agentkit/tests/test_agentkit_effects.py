"""Unsafe tools: what nobody knows is the journal's to settle, and never passed over."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from agentkit import Agent, AllowList, InMemoryJournal, RunContext, RunResult, Tool, tool
from agentkit.errors import FailedBeforeEffect
from agentkit.events import ToolFinished
from agentkit.journal import Step, UnknownOutcome
from agentkit.messages import Effect, Label, Reply, ToolMessage
from agentkit.testing import ScriptedLlm, answer, call


class Doubtful(InMemoryJournal):
    """Keeps the doubts it was told of; settles them with `said`, or as its base does."""

    def __init__(self, said: str | None = None) -> None:
        super().__init__()
        self.doubts: list[str] = []
        self._said = said

    async def record(self, step: Step, run: Callable[[], Awaitable[Any]]) -> Any:
        async def known() -> Any:
            try:
                return await run()
            except UnknownOutcome as unknown:
                self.doubts.append(unknown.detail)
                if self._said is None:
                    raise
                assert step.reported is not None
                return step.reported(self._said, False)

        return await super().record(step, known)


async def hang() -> None:
    await asyncio.Event().wait()


async def fail() -> None:
    raise OSError("reset")


async def await_what_is_cancelled() -> None:
    cancelled = asyncio.ensure_future(hang())
    cancelled.cancel()
    await cancelled


async def fail_early() -> None:
    raise FailedBeforeEffect("no route")


def sending(body: Callable[[], Awaitable[None]], effect: Effect = "unsafe") -> Tool:
    @tool(effect=effect, timeout_s=0.01)
    async def send(to: str) -> None:
        """Send it."""
        await body()

    return send


WANTED = call(("send", {"to": "Ada"}))


async def observed(
    send: Tool, journal: InMemoryJournal, script: Sequence[Reply | str] = (WANTED, "done")
) -> ToolMessage:
    agent = Agent(ScriptedLlm(script), tools=[send], security=AllowList(["send"]), journal=journal)
    events = (await agent.run("goal")).events
    return next(event.observation for event in events if isinstance(event, ToolFinished))


async def leave() -> None:
    sys.exit(3)


DOUBTS = pytest.mark.parametrize(
    ("body", "detail"),
    [
        (hang, "send took longer than 0.01 s"),
        (fail, "send failed: OSError: reset"),
        (leave, "send failed: SystemExit: 3"),
        (await_what_is_cancelled, "send was cancelled"),
    ],
)


@DOUBTS
async def test_an_unsafe_call_without_a_result_is_in_doubt(body: Any, detail: str) -> None:
    """The journal is told what happened; where nobody can be asked, the model is told of the doubt."""
    journal = Doubtful()
    shown = await observed(sending(body), journal)
    assert [detail] == journal.doubts
    assert shown.is_error
    assert f"{detail}. It may have taken effect all the same" in shown.text


@DOUBTS
@pytest.mark.parametrize("effect", ["pure", "idempotent"])
async def test_a_repeatable_call_is_never_in_doubt(body: Any, detail: str, effect: Effect) -> None:
    """The model reads the error, and may call again."""
    journal = Doubtful()
    shown = await observed(sending(body, effect), journal)
    assert ([], f"{detail}.", True) == (journal.doubts, shown.text, shown.is_error)


async def test_a_failure_before_the_effect_is_no_doubt() -> None:
    """The tool knows that nothing happened: the model reads it as an ordinary error."""
    journal = Doubtful()
    shown = await observed(sending(fail_early), journal)
    assert ([], "send failed and had no effect: no route.") == (journal.doubts, shown.text)
    assert shown.is_error


async def test_wrong_arguments_are_no_doubt() -> None:
    """An unsafe tool that was not reached did nothing."""
    journal = Doubtful()
    shown = await observed(sending(fail), journal, [call(("send", {"too": "Ada"})), "done"])
    assert shown.text.startswith("Not called: wrong arguments")
    assert [] == journal.doubts


async def test_a_person_settles_a_doubt() -> None:
    """What a person found out is what the model reads, as the result of its call."""
    shown = await observed(sending(fail), Doubtful("It was sent."))
    assert ToolMessage("call_1", "send", "It was sent.", label=Label("tool", "send")) == shown


async def test_a_doubt_is_replayed() -> None:
    """What was in doubt is not run again."""
    journal = InMemoryJournal()
    first = await observed(sending(fail), journal)
    assert first == await observed(sending(hang), InMemoryJournal(journal.records))


async def test_a_cancelled_run_passes_an_unsafe_call_by() -> None:
    """Cancellation is not a doubt that a run could go on from: it goes out as it is."""
    started = asyncio.Event()

    async def start() -> None:
        started.set()
        await hang()

    @tool
    async def send(to: str) -> None:
        """Send it."""
        await start()

    journal = Doubtful()
    running = asyncio.create_task(observed(send, journal))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [] == journal.doubts


@pytest.mark.parametrize("where", ["thread", "step"])
async def test_a_tool_cannot_end_the_process(where: str) -> None:
    """What calls sys.exit() has failed, in a thread and inside ctx.step as anywhere."""

    @tool(name="send", effect="pure")
    def outright(to: str) -> None:
        """Leave."""
        sys.exit(3)

    @tool(name="send", effect="pure")
    async def stepwise(ctx: RunContext, to: str) -> None:
        """Leave."""
        await ctx.step("leave", leave)

    send = outright if where == "thread" else stepwise
    assert "SystemExit: 3" in (await observed(send, InMemoryJournal())).text


@pytest.mark.parametrize("in_step", [False, True])
async def test_an_unsafe_effect_that_was_cancelled_is_not_made_again(in_step: bool) -> None:
    """The replay of the cancelled run tells the model of the doubt, and calls nothing."""
    started, made = asyncio.Event(), []

    async def pay() -> None:
        made.append("paid")
        started.set()
        await hang()

    @tool(name="send")
    async def outright(to: str) -> None:
        """Pay."""
        await pay()

    @tool(name="send", effect="pure")
    async def stepwise(ctx: RunContext, to: str) -> str:
        """Pay."""
        return str(await ctx.step("pay", pay))

    send, journal = stepwise if in_step else outright, InMemoryJournal()
    running = asyncio.create_task(observed(send, journal))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    seen = await observed(send, InMemoryJournal(journal.records), ["done"])
    assert (["paid"], True) == (made, seen.is_error)
    assert "was cancelled with its run. It may have taken effect all the same" in seen.text


@pytest.mark.parametrize("seed", range(5))
async def test_records_replay_in_whatever_order_they_were_committed(seed: int) -> None:
    """Parallel calls commit as they please: their paths, not their order, say which is which.

    One of the calls was not recorded: it is run again, and finds what it had asked before.
    """

    @tool(effect="pure")
    async def look(ctx: RunContext, what: str) -> str:
        """Look."""

        async def see() -> str:
            return f"saw {what}"

        return f"{what} {await ctx.random()} {await ctx.step('see', see)}"

    async def run(journal: InMemoryJournal, *lines: Any) -> RunResult:
        agent = Agent(
            ScriptedLlm(lines), tools=[look], security=AllowList(["look"]), journal=journal
        )
        return await agent.run("goal")

    journal = InMemoryJournal()
    first = await run(journal, call(*(("look", {"what": what}) for what in "abc")), answer("done"))
    lost = f"1/tool/{seed % 3 + 1}"
    records = [record for record in journal.records if record.path != lost]
    random.Random(seed).shuffle(records)
    assert first == await run(InMemoryJournal(records))
