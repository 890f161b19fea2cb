"""Replaying recorded runs: nothing is called, and every difference is named."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import opspawn.replay
from agentkit import tool
from ops_core.log import Event, EventType
from opspawn.agents.toolbox import BUILTIN
from opspawn.replay import Difference, Recording, RecordingError, load, replay, save
from support.agent_runs import (
    SCENARIOS,
    TOOLS,
    Scenario,
    acts,
    calculates,
    forks,
    is_limited,
    is_refused,
    is_waiting,
    recorded,
)

pytestmark = pytest.mark.unit

GOLDEN = sorted((Path(__file__).parents[1] / "data" / "runs").glob("*.json"))


#: How those end that do not complete.
ENDS: dict[Scenario, EventType] = {
    is_limited: EventType.TASK_FAILED,
    is_refused: EventType.TASK_CANCELLED,
    is_waiting: EventType.TASK_WAITING,
}


@tool(name="send")
async def never(text: str) -> str:
    """Send a message."""
    raise AssertionError("a replay calls no tool")


#: Tools with the names of the run's, which must not be called.
KNOWN = {t.name: t for t in (*BUILTIN, *TOOLS, never)}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_what_was_recorded_is_replayed_without_a_difference(
    scenario: Scenario, tmp_path: Path
) -> None:
    """Through a file; whatever happened in the run, and wherever it ends."""
    recording = await recorded(scenario)
    save(recording, tmp_path / "run.json")
    done = await replay(load(tmp_path / "run.json"), KNOWN)
    assert ENDS.get(scenario, EventType.TASK_COMPLETED) == done.end
    assert done.steps > 0


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_logs_of_older_builds_are_replayed(path: Path) -> None:
    """The files stay as their builds wrote them."""
    opspawn.replay.check(path, TOOLS)


def test_there_is_an_old_log_of_each_kind() -> None:
    """A list that became empty would prove nothing."""
    assert {scenario.__name__ for scenario in SCENARIOS} <= {path.stem for path in GOLDEN}


Change = Callable[[Event], Event | None]


def data(kind: EventType, **changes: Any) -> Change:
    """Changes the public data of the first events of a type."""
    return lambda event: replace(event, data=event.data | changes) if event.type == kind else event


def without(path: str) -> Change:
    """Takes out what was said of a step."""
    return lambda event: None if (event.journal or {}).get("path") == path else event


def value(kind: EventType, **changes: Any) -> Change:
    """Changes what replay reads."""

    def change(event: Event) -> Event:
        if event.type != kind or event.journal is None:
            return event
        return replace(event, journal=event.journal | changes)

    return change


@pytest.mark.parametrize(
    ("scenario", "change", "where", "got"),
    [
        (calculates, without("2/llm"), "step 2/llm", "go on with a call of the model small"),
        (calculates, without("1/tool/1"), "step 1/tool/1", 'calculator({"expression"'),
        (calculates, value(EventType.LLM_COMPLETED, hash="x"), "step 1/llm", "the model small"),
        (calculates, value(EventType.TOOL_COMPLETED, hash="x"), "step 1/tool/1", "calculator("),
        (calculates, data(EventType.TOOL_COMPLETED, output="392"), "step 1/tool/1", '"391"'),
        (calculates, data(EventType.LLM_COMPLETED, text="No."), "step 1/llm", "I add."),
        (calculates, data(EventType.AGENT_FINISHED, output="392."), "the end of the run", "391."),
        (
            calculates,
            data(EventType.TASK_COMPLETED, result={"output": "392."}),
            "the end of the run",
            "391.",
        ),
        (acts, data(EventType.TOOL_DISPATCHED, effect="pure"), "step 1/tool/1", "unsafe"),
        (forks, data(EventType.AGENT_FINISHED, output="391."), "the end of the run", "392"),
    ],
)
async def test_the_first_difference_is_named(
    scenario: Scenario, change: Change, where: str, got: str
) -> None:
    """Which step, what was recorded, and what this build makes of it."""
    recording = await recorded(scenario)
    log = [changed for event in recording.log if (changed := change(event)) is not None]
    with pytest.raises(Difference) as found:
        await replay(replace(recording, log=log), KNOWN)
    assert where == found.value.where
    assert got in found.value.got


async def test_what_there_was_is_no_difference_and_why_is_one() -> None:
    """Of a run that came to a limit: older builds looked for what it had said elsewhere."""
    recording = await recorded(is_limited)
    *rest, end = recording.log
    error = end.data["error"]
    assert "allowed." in error["message"]
    for message in (error["message"] + " Partial output: so far.", "Other words."):
        changed = replace(end, data=end.data | {"error": error | {"message": message}})
        retold = replace(recording, log=[*rest, changed])
        if message == "Other words.":
            with pytest.raises(Difference):
                await replay(retold, KNOWN)
        else:
            await replay(retold, KNOWN)


async def test_a_recorded_step_that_the_agent_no_longer_makes_is_a_difference() -> None:
    """Here because the model's reply no longer asks for it."""
    recording = await recorded(calculates)

    def shorter(event: Event) -> Event:
        if event.type != EventType.LLM_COMPLETED or event.data["path"] != "1/llm":
            return event
        entry = json.loads(json.dumps(event.journal))
        calls = event.data["tool_calls"][:1]
        entry["value"]["message"]["tool_calls"] = entry["value"]["message"]["tool_calls"][:1]
        return replace(event, data=event.data | {"tool_calls": calls}, journal=entry)

    with pytest.raises(Difference, match=r"step 1/tool/2.*does not get there"):
        await replay(replace(recording, log=[*map(shorter, recording.log)]), KNOWN)


async def test_a_tool_that_is_missing_is_a_difference() -> None:
    """As it would be for a worker that lacks it."""
    with pytest.raises(Difference, match=r"the end of the run.*no tool 'send'"):
        await replay(await recorded(acts), {})


async def test_a_tool_whose_effect_has_changed_is_a_difference() -> None:
    """What was sure to happen once may now happen twice."""

    @tool(name="book", effect="unsafe")
    async def book(text: str) -> str:
        """Book something."""
        raise AssertionError("a replay calls no tool")

    with pytest.raises(Difference, match=r"step 1/tool/2.*idempotent.*unsafe"):
        await replay(await recorded(acts), KNOWN | {"book": book})


async def test_a_version_that_this_build_does_not_have_is_a_difference() -> None:
    """Its worker would leave the task to others."""
    recording = replace(await recorded(calculates), pins=("prompt:react@99",))
    with pytest.raises(Difference, match="prompt:react@99"):
        await replay(recording, KNOWN)


async def test_the_defaults_are_those_of_the_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not those of whoever replays it."""
    recording = await recorded(acts)
    monkeypatch.setenv("AGENTKIT_PLANNER_TYPE", "nonsense")
    monkeypatch.setenv("OPSPAWN_AGENT_MAX_STEPS", "1")
    await replay(recording, KNOWN)


async def test_the_name_of_a_model_that_only_its_worker_knew_is_not_compared() -> None:
    """The log has it as a hash; the reply names another one."""
    recording = await recorded(acts)
    assert recording.defaults["llm_model"] is None
    dated = data(EventType.LLM_COMPLETED, model="scripted-2026-01-01")

    def replied(event: Event) -> Event | None:
        changed = dated(event)
        if changed is not None and changed.type == EventType.LLM_COMPLETED and changed.journal:
            entry = json.loads(json.dumps(changed.journal))
            entry["value"]["model"] = "scripted-2026-01-01"
            return replace(changed, journal=entry)
        return changed

    log = [changed for event in recording.log if (changed := replied(event)) is not None]
    await replay(replace(recording, log=log), KNOWN)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no recorded run"),
        ("[]", "no recorded run"),
        ('{"format": "other"}', "no recorded run"),
        ('{"format": "opspawn-run", "version": 2}', "version 2"),
        ('{"format": "opspawn-run", "version": 1, "task": {}}', "no recorded run"),
    ],
)
def test_a_file_that_is_no_recording_is_refused(tmp_path: Path, text: str, why: str) -> None:
    """With what is wrong with it."""
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(RecordingError, match=why):
        load(path)


async def test_a_recording_says_what_its_task_was_given(tmp_path: Path) -> None:
    """The file holds all that a replay needs, and nothing else of the task."""
    recording: Recording = await recorded(calculates)
    save(recording, tmp_path / "run.json")
    again = load(tmp_path / "run.json")
    assert (recording.task_id, recording.input_data, recording.pins) == (
        again.task_id,
        again.input_data,
        again.pins,
    )
    assert [*recording.log] == [*again.log]
