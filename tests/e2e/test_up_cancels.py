"""`opspawn up`: a cancellation reaches what is under way in the same process."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.agent_tools import AgentTools
from support.command import Start
from support.model_server import ModelServer
from support.opspawn_processes import Rest, until

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

#: A cancel must arrive within 0.5 s; a machine that runs other tests beside these may take so long.
CANCEL_S = 0.5 + 1.5


@pytest.fixture
def tools(tmp_path: Path) -> AgentTools:
    return AgentTools(tmp_path)


@pytest.fixture
def rest(start: Start, environment: dict[str, str], tools: AgentTools) -> Iterator[Rest]:
    up = start("up", "--no-auth", **tools.environment)
    rest = Rest(int(environment["OPSPAWN_API_PORT"]))
    rest.ready(up.process)
    yield rest
    rest.close()


def test_a_cancel_reaches_a_model_call_and_a_tool_within_half_a_second(
    rest: Rest, model: ModelServer, tools: AgentTools
) -> None:
    """The connection to the model is closed, the tool is cut off, and both tasks end as cancelled."""
    model.wants["Look"] = ("look", {})
    tools.hold()
    looking = rest.submit(input_data={"goal": "Look.", "agent_config": {"tools": ["look"]}})
    until(lambda: tools.calls("look") == 1)
    model.hold(1)
    thinking = rest.submit("What is 17 * 23?")
    model.wait_for(1)
    asked_at = time.time()
    for task in (looking, thinking):
        assert 202 == rest.http.post(f"/api/v1/tasks/{task['task_id']}/cancel").status_code
    assert model.hung_up.wait(CANCEL_S)
    assert (until(lambda: tools.cut_off_at("look")) or 0) - asked_at < CANCEL_S
    assert ["cancelled"] * 2 == [rest.ended(task)["status"] for task in (looking, thinking)]
    assert [1] == model.calls
