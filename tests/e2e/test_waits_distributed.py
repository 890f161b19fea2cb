"""Waits, children, calls in doubt and cancellations on real processes; workers are killed on purpose."""

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from ops_core.answers import answer, resolution
from support.agent_tools import AgentTools
from support.model_server import ModelServer
from support.opspawn_processes import Processes, Rest, processes, until
from support.server_process import free_port
from support.servers import NewDatabase
from support.tasks_door import TasksDoor

pytestmark = pytest.mark.e2e

#: A cancel must arrive within 0.5 s; a machine that runs other tests beside these may take so long.
CANCEL_S = 0.5 + 1.5


@dataclass
class Site:
    """An API and a dispatcher; workers are the test's."""

    processes: Processes
    model: ModelServer
    rest: Rest
    door: TasksDoor
    tools: AgentTools
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def worker(self, slots: int = 10) -> subprocess.Popen[bytes]:
        self.workers.append(self.processes.start("worker", OPSPAWN_WORKER_SLOTS=str(slots)))
        return self.workers[-1]

    def submit(self, goal: str, *tools: str) -> dict[str, Any]:
        config = {"tools": list(tools)} if tools else {}
        return self.rest.submit(input_data={"goal": goal, "agent_config": config})

    def until_waiting(self, task: dict[str, Any], reason: str) -> None:
        def waits() -> bool:
            now = self.rest.get(task)
            return (now["status"], now["reason"]) == ("waiting", reason)

        until(waits)


@pytest.fixture(scope="module")
def standing(
    tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase, rabbitmq_url: str
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    port, database, tools = free_port(), new_database(), AgentTools(folder)
    with ModelServer().running() as model:
        environment = {
            "DATABASE_URL": database,
            "RABBITMQ_URL": rabbitmq_url,
            "OPSPAWN_API_PORT": str(port),
            **model.environment,
            **tools.environment,
        }
        with processes(folder, environment) as started:
            api = started.start("api")
            started.start("dispatcher")
            rest = Rest(port)
            rest.ready(api)
            yield Site(started, model, rest, TasksDoor(database), tools)
            rest.close()


@pytest.fixture
def site(standing: Site) -> Iterator[Site]:
    standing.model.reset()
    standing.tools.reset()
    yield standing
    standing.tools.reset()
    for worker in standing.workers:
        worker.kill()
        worker.wait()
    standing.workers.clear()


def test_a_waiting_task_leaves_its_slot_to_others(site: Site) -> None:
    """One worker, one slot: while a task waits for a person, another one runs and completes."""
    site.model.wants["Ask"] = ("ask_user", {"question": "Who?"})
    site.worker(slots=1)
    asking = site.submit("Ask.", "ask_user")
    site.until_waiting(asking, "input")
    assert "completed" == site.rest.ended(site.submit("What is 17 * 23?"))["status"]
    assert "waiting" == site.rest.get(asking)["status"]
    site.door.bring(asking, answer(None, "Ada"))
    assert "It is Ada." == site.rest.ended(asking)["result"]["output"]
    assert [1, 1, 2, 2] == sorted(site.model.calls)


def test_children_on_two_workers_survive_the_death_of_one(site: Site) -> None:
    """Five children in their last model call, two workers, one killed: all five answers reach the parent."""
    goals = [f"What is 17 * 23? {n}" for n in range(5)]
    site.model.wants["You are the boss"] = ("run_tasks", {"goals": goals})
    site.model.hold(2)
    workers = [site.worker(slots=3) for _ in range(2)]
    parent = site.submit("You are the boss.", "run_tasks", "calculator")

    def all_called() -> set[str | None]:
        children = site.door.children(parent)
        at_work = len(children) == 5 and all(child.usage.steps == 1 for child in children)
        return {child.owner for child in children} if at_work else set()

    assert 2 == len(until(all_called))
    workers[0].kill()
    workers[0].wait()
    site.model.release(2)
    done = site.rest.ended(parent)
    ended = json.loads(done["result"]["output"].removeprefix("It is ").removesuffix("."))
    assert ["It is 391."] * 5 == [each["output"] for each in ended]
    children = site.door.children(parent)
    assert {child.task_id for child in children} == {each["task_id"] for each in ended}
    # Nothing that was finished was paid for again: six runs of two calls.
    assert [1] * 6 + [2] * 6 == sorted(site.model.calls)


def _killed_in_its_payment(site: Site) -> dict[str, Any]:
    """A task whose worker died while it paid; another worker has come."""
    site.model.wants["Pay"] = ("pay", {"amount": 7})
    site.tools.hold()
    first = site.worker()
    task = site.submit("Pay.", "pay")
    until(lambda: site.tools.calls("pay") == 1)
    first.kill()
    first.wait()
    site.worker()
    site.until_waiting(task, "effect_unknown")
    [waits] = site.door.get(task).waiting_for or []
    assert ("1/tool/1", "pay", {"amount": 7}, "its worker died while it ran") == tuple(
        waits[key] for key in ("step", "tool", "arguments", "why")
    )
    return task


def test_a_payment_whose_worker_died_is_not_made_again(site: Site) -> None:
    """A person looks, and says that it happened: the task completes with that, and paid once."""
    task = _killed_in_its_payment(site)
    site.door.bring(task, resolution("1/tool/1", "happened", "paid, receipt 7"))
    done = site.rest.ended(task)
    assert ("completed", "It is paid, receipt 7.") == (done["status"], done["result"]["output"])
    assert (1, [1, 2]) == (site.tools.calls("pay"), site.model.calls)


def test_a_payment_is_made_again_only_by_a_persons_word(site: Site) -> None:
    """They say that it did not happen: only then it is made a second time."""
    task = _killed_in_its_payment(site)
    assert 1 == site.tools.calls("pay")
    site.tools.let_go()
    site.door.bring(task, resolution("1/tool/1", "run_again", None))
    assert "It is pay is done." == site.rest.ended(task)["result"]["output"]
    assert (2, [1, 2]) == (site.tools.calls("pay"), site.model.calls)


@pytest.mark.alone
def test_a_cancel_closes_the_connection_of_a_model_call(site: Site) -> None:
    """From another process, within half a second: nobody pays for an answer that nobody wants."""
    site.model.hold(1)
    site.worker()
    task = site.submit("What is 17 * 23?")
    site.model.wait_for(1)
    assert 202 == _cancel(site, task)
    assert site.model.hung_up.wait(CANCEL_S)
    assert "cancelled" == site.rest.ended(task)["status"]
    assert [] == site.model.calls


@pytest.mark.alone
@pytest.mark.parametrize("name", ["look", "pay"])
def test_a_cancel_reaches_a_tool_that_is_under_way(site: Site, name: str) -> None:
    """The tool is cut off within half a second; of one with an effect the log says that nobody knows."""
    site.model.wants["Go"] = (name, {"amount": 7} if name == "pay" else {})
    site.tools.hold()
    site.worker()
    task = site.submit("Go.", name)
    until(lambda: site.tools.calls(name) == 1)
    asked_at = time.time()
    assert 202 == _cancel(site, task)
    assert (until(lambda: site.tools.cut_off_at(name)) or 0) - asked_at < CANCEL_S
    assert "cancelled" == site.rest.ended(task)["status"]
    doubts = [e for e in site.rest.events(task) if e["type"] == "tool.unknown"]
    assert (name == "pay") == bool(doubts)


def _cancel(site: Site, task: dict[str, Any]) -> int:
    return site.rest.http.post(f"/api/v1/tasks/{task['task_id']}/cancel").status_code
