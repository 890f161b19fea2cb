"""Long conversations: how much of one a model is shown, and who sums up the rest."""

from decimal import Decimal

import pytest

from agentkit.messages import Usage
from agentkit.testing import RecordingTool, ScriptedLlm, answer, call
from ops_core.log import EventType
from ops_core.steps import steps_of
from opspawn.agents.checks import check
from opspawn.replay import Recording, replay
from opspawn.settings import Settings, SettingsError, load
from support.agent_desk import AgentDesk

pytestmark = pytest.mark.unit

PAID = Usage(10, 5, Decimal("0.001"))
SUMMED_UP = Usage(100, 50, Decimal("0.01"))
LOOK = RecordingTool("look", "nothing but water " * 90, "pure")  # about 400 tokens


async def long_run(**settings: object) -> tuple[AgentDesk, str, ScriptedLlm, ScriptedLlm]:
    """Four looks at the sea; the desk, the task, its model, and the model that sums up."""
    desk = AgentDesk(LOOK.tool)
    desk.settings = desk.settings.model_copy(update=settings)
    cheap = ScriptedLlm([answer("Ports 0 to 1 are empty.", SUMMED_UP)] * 4, model="cheap")
    desk.other_models = [cheap]
    task_id = await desk.submit("Where are the ships?", tools=["look"])
    looks = [call(("look", {"text": f"port {n}"}), usage=PAID) for n in range(4)]
    return desk, task_id, await desk.run(*looks, answer("None.", PAID)), cheap


SUMMING_UP = {"agent_window_tokens": 1500, "agent_summary_model": "openai:cheap"}


async def test_what_no_longer_fits_is_summed_up() -> None:
    """By the model of the settings, now and then."""
    _, _, llm, cheap = await long_run(**SUMMING_UP)
    assert "Ports 0 to 1 are empty." in llm.requests[-1].messages[2].text
    assert 1 == len(cheap.requests)


async def test_summaries_are_on_the_bill_and_are_no_steps_of_the_agent() -> None:
    """Each step that shows one has it on record; it is paid for once."""
    desk, task_id, _, cheap = await long_run(**SUMMING_UP)
    task = await desk.task(task_id)
    assert (5 * 10 + 100 * len(cheap.requests), Decimal("0.015"), 5) == (
        task.usage.input_tokens,
        task.usage.cost_usd,
        task.usage.steps,
    )
    rows = [row for row in steps_of(task_id, await desk.log(task_id)) if row.kind == "memory"]
    assert {"input_tokens": 100, "output_tokens": 50} == rows[0].usage
    assert ("summary", "0.01") == (rows[0].name, rows[0].cost_usd)


async def test_such_a_run_is_replayed_with_its_own_window() -> None:
    """Whatever the settings say where it is replayed."""
    desk, task_id, _, _ = await long_run(**SUMMING_UP)
    log = await desk.log(task_id)
    recording = Recording.of(await desk.task(task_id), log, desk.settings)
    recorded = sum(event.type == EventType.STEP_RECORDED for event in log)
    assert 9 + recorded == (await replay(recording, desk.tools)).steps


async def test_without_a_model_for_it_turns_are_left_out() -> None:
    """The newest stay; nobody else is asked."""
    _, _, llm, cheap = await long_run(agent_window_tokens=1500)
    shown = str(llm.requests[-1].messages)
    assert ("port 0" in shown, "port 3" in shown) == (False, True)
    assert [] == cheap.requests


@pytest.mark.parametrize("named", ["cheap", "openai:", "nobody:cheap"])
def test_a_model_for_summaries_is_named_with_its_provider(
    named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be another one than the agents' own."""
    monkeypatch.setenv("OPSPAWN_AGENT_SUMMARY_MODEL", named)
    with pytest.raises(SettingsError, match="OPSPAWN_AGENT_SUMMARY_MODEL: must be provider:model"):
        load()


def test_a_model_for_summaries_without_a_key_stops_the_start() -> None:
    """Every long run would fail for it."""
    settings = Settings(_env_file=None, agent_summary_model="google:cheap", google_api_key=None)
    with pytest.raises(SettingsError, match="google has no key; set GOOGLE_API_KEY"):
        check(settings)
