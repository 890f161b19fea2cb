"""Work that is handed over: how an inner run ends, waits or fails, and what the outer one makes of it."""

from __future__ import annotations

from typing import Any

import pytest
from handing_over import ASK, DONE, FOUND, LOOK, PAID, boss, observation, scout

from agentkit import Agent, AllowList, InMemoryJournal, RunContext, Step, Tool, tool
from agentkit.errors import AuthenticationFailed
from agentkit.messages import Reply
from agentkit.testing import ScriptedLlm, call
from agentkit.tools.builtin import ask_user


class Suspended(BaseException):
    """Of a journal whose run must wait."""


class Waiting(InMemoryJournal):
    """Lets a run end where it must wait, until `answers` has what it waits for."""

    answers: dict[str, str]

    async def wait(self, step: Step) -> Any:
        if step.path not in self.answers:
            raise Suspended

        async def answered() -> Any:
            return self.answers[step.path]

        return await self.record(step, answered)


async def test_a_wait_inside_ends_the_run_and_a_replay_goes_on() -> None:
    """As a durable journal does it: the person's answer finds its way into the inner run."""
    question = call(("ask_user", {"question": "Which Ada?"}), usage=PAID)

    def asking(*script: Any) -> Agent:
        policy = AllowList(["ask_user"])
        return scout(*script, tools=[ask_user], security=policy)

    policy = AllowList(["scout", "ask_user"])
    journal = Waiting()
    journal.answers = {}
    with pytest.raises(Suspended):
        await boss(ASK, inner=asking(question), security=policy, journal=journal).run("goal")
    replay = Waiting(journal.records)
    replay.answers = {"1/tool/1/run/1/1/tool/1/input/1": "The countess."}
    inner = asking(FOUND)
    result = await boss(DONE, inner=inner, security=policy, journal=replay).run("goal")
    assert ("Done.", 4 * 15) == (result.output, result.usage.total_tokens)


async def test_what_the_journal_raises_inside_ends_the_run() -> None:
    """No tool, and no agent around it, can take it for a failure."""

    class Lost(Exception):
        """The run is no longer ours."""

    class Losing(InMemoryJournal):
        async def record(self, step: Step, run: Any) -> Any:
            if step.path.endswith("run/1/1/tool/1"):
                raise Lost
            return await super().record(step, run)

    with pytest.raises(Lost):
        await boss(ASK, inner=scout(LOOK), journal=Losing()).run("goal")


async def test_a_provider_that_fails_ends_both_runs() -> None:
    """The outer model is not left to make something up for a wrong key."""
    error = AuthenticationFailed("check the key")
    with pytest.raises(AuthenticationFailed) as caught:
        await boss(ASK, inner=scout(error)).run("goal")
    assert error is caught.value


def trying(inner: Agent) -> Tool:
    """A tool that has an agent, and whatever goes wrong with it has an answer of its own."""

    @tool(name="scout", effect="pure")
    async def attempt(ctx: RunContext, goal: str) -> str:
        """Try."""
        try:
            return (await inner.run(goal, inside=ctx)).output
        except Exception as error:  # noqa: BLE001  as a careless tool does
            return f"I could not: {error}"

    return attempt


async def test_a_tool_may_catch_what_its_agent_raises() -> None:
    """A provider that fails, for one: the run around goes on."""
    attempt = trying(scout(AuthenticationFailed("check the key")))
    outer = Agent(ScriptedLlm([ASK, DONE]), tools=[attempt], security=AllowList(["scout"]))
    assert "I could not: check the key" == observation(await outer.run("goal")).text


async def test_a_tool_cannot_catch_what_the_journal_raises() -> None:
    """As for anything else that a tool asks of its run."""

    class Lost(Exception):
        """The run is no longer ours."""

    class Losing(InMemoryJournal):
        async def record(self, step: Step, run: Any) -> Any:
            if "run" in step.path:
                raise Lost
            return await super().record(step, run)

    outer = Agent(
        ScriptedLlm([ASK]),
        tools=[trying(scout(FOUND))],
        security=AllowList(["scout"]),
        journal=Losing(),
    )
    with pytest.raises(Lost):
        await outer.run("goal")


@pytest.mark.parametrize(
    ("script", "seen"),
    [
        ([Reply(FOUND.message, PAID, "refused", "m")], "without an answer (refused)"),
        ([LOOK, LOOK, LOOK], "without an answer (repeated_call)"),
    ],
)
async def test_an_end_without_an_answer_is_an_error(script: list[Reply], seen: str) -> None:
    """The calling model is told why there is none, and what it cost is counted."""
    result = await boss(ASK, DONE, inner=scout(*script)).run("goal")
    assert observation(result).is_error
    assert seen in observation(result).text
    assert (len(script) + 2) * PAID.total_tokens == result.usage.total_tokens
