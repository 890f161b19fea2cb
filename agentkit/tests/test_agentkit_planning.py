"""Planners decide the next move from what has happened."""

from __future__ import annotations

import pytest

from agentkit.errors import UsageError
from agentkit.events import FinishReason
from agentkit.messages import (
    AssistantMessage,
    Message,
    Stop,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from agentkit.planning import Act, Ask, Finish, Planner, ReActPlanner, SimplePlanner
from agentkit.prompts import Prompt, newest, read_prompt, versions

PLANNERS = pytest.mark.parametrize("planner", [ReActPlanner(), SimplePlanner()])


def wanting(**arguments: int) -> AssistantMessage:
    return AssistantMessage("", (ToolCall("id", "add", dict(arguments)),))


SEEN = ToolMessage("id", "add", "2")


@PLANNERS
def test_a_conversation_opens_with_instructions_and_goal(planner: Planner) -> None:
    """The operator's instructions come first, the user's goal as it was given."""
    system, goal = planner.open("Be brief.", "What is 1 + 1?", ())
    assert isinstance(system, SystemMessage)
    assert system.text.startswith("Be brief.")
    assert UserMessage("What is 1 + 1?") == goal


@PLANNERS
@pytest.mark.parametrize(
    ("stop", "reason"), [("end", "answered"), ("length", "length"), ("refused", "refused")]
)
def test_the_last_word_ends_the_run(planner: Planner, stop: Stop, reason: FinishReason) -> None:
    """Only a message the model ended by itself counts as an answer."""
    transcript = (*planner.open("", "goal", ()), AssistantMessage("2"))
    assert Finish("2", reason) == planner.next(transcript, stop, ())


def test_the_simple_planner_offers_no_tools() -> None:
    """One question without tools."""
    transcript = SimplePlanner().open("", "goal", ())
    assert Ask(transcript, offer_tools=False) == SimplePlanner().next(transcript, None)


def test_calls_are_made() -> None:
    """A reply with calls leads to those calls."""
    transcript = (*ReActPlanner().open("", "goal", ()), wanting(a=1))
    assert Act(wanting(a=1).tool_calls) == ReActPlanner().next(transcript, "tool_calls")


def test_observations_are_shown() -> None:
    """After an observation, the model is asked again with all of it."""
    transcript = (*ReActPlanner().open("", "goal", ()), wanting(a=1), SEEN)
    assert Ask(transcript) == ReActPlanner().next(transcript, "tool_calls")


def test_a_call_cut_by_length_is_not_made() -> None:
    """Half a call may be a wrong call."""
    transcript = (*ReActPlanner().open("", "goal", ()), wanting(a=1))
    assert Finish("", "length") == ReActPlanner().next(transcript, "length")


def test_the_same_call_thrice_ends_the_run() -> None:
    """The third identical call is not made, and the output says why."""
    transcript: list[Message] = [*ReActPlanner().open("", "goal", ())]
    for _ in range(2):
        transcript += [wanting(a=1, b=2), SEEN]
    transcript.append(wanting(b=2, a=1))
    move = ReActPlanner().next(transcript, "tool_calls")
    assert isinstance(move, Finish)
    assert "repeated_call" == move.reason
    assert "add with the same arguments 3 times" in move.output


def test_the_same_tool_with_other_arguments_is_no_loop() -> None:
    """Ten different calls of one tool are work, not a loop."""
    transcript: list[Message] = [*ReActPlanner().open("", "goal", ())]
    for number in range(10):
        transcript += [wanting(a=number), SEEN]
    transcript.append(wanting(a=10))
    assert isinstance(ReActPlanner().next(transcript, "tool_calls"), Act)


def test_a_planner_pins_its_prompt() -> None:
    """A run started with the newest can name it, and go on with it when there is a newer one."""
    assert (f"prompt:react@{newest('react')}",) == ReActPlanner().pins
    assert ("prompt:react@1",) == ReActPlanner(prompt_version=1).pins
    assert () == SimplePlanner().pins


def test_a_prompt_of_ones_own() -> None:
    """Its words take the file's place, and its name is what a replay must have."""
    planner = ReActPlanner(prompt=Prompt("support@3", "Be kind."))
    system, _ = planner.open("Be brief.", "goal", ())
    assert SystemMessage("Be brief.\n\nBe kind.") == system
    assert ("prompt:support@3",) == planner.pins


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [("support", "Be kind.", "name and a version"), ("support@3", " ", "text is empty")],
)
def test_a_prompt_that_could_not_be_found_again_is_refused(
    name: str, text: str, problem: str
) -> None:
    """It needs a version in its name, and words."""
    with pytest.raises(UsageError, match=problem):
        Prompt(name, text)


def test_a_prompt_and_a_version_are_refused() -> None:
    """It could not be said which of them counts."""
    with pytest.raises(UsageError, match="not both"):
        ReActPlanner(prompt=Prompt("support@3", "Be kind."), prompt_version=1)


def test_an_unknown_version_is_refused() -> None:
    """The versions that this build has are named when the planner is made."""
    known = ", ".join(map(str, versions("react")))
    with pytest.raises(UsageError, match=rf"no version 99 of prompt 'react'; known: {known}\."):
        ReActPlanner(prompt_version=99)


def test_an_unknown_prompt_is_refused() -> None:
    """A name that is none has no newest version."""
    with pytest.raises(UsageError, match="no prompt 'recat'"):
        newest("recat")


def test_the_prompt_is_that_of_the_version() -> None:
    """What the model is told is the file of that version."""
    system, _ = ReActPlanner(prompt_version=1).open("Be brief.", "goal", ())
    assert SystemMessage(f"Be brief.\n\n{read_prompt('react', 1)}") == system
