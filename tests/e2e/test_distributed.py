"""Opspawn as separate processes on PostgreSQL and RabbitMQ, with a model over HTTP, killed on purpose."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

import grpc
import pytest

from ops_core.rpc.v1 import tasks_pb2, tasks_pb2_grpc
from support.model_server import KEY, ModelServer
from support.opspawn_processes import Processes, Rest, processes, until
from support.server_process import free_port
from support.servers import NewDatabase

pytestmark = pytest.mark.e2e


@dataclass
class Site:
    """What an operator has running: an API, a gRPC door, a dispatcher; workers are the test's."""

    processes: Processes
    model: ModelServer
    rest: Rest
    grpc_port: int
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def worker(self) -> subprocess.Popen[bytes]:
        self.workers.append(self.processes.start("worker"))
        return self.workers[-1]


@pytest.fixture(scope="module")
def standing(
    tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase, rabbitmq_url: str
) -> Iterator[Site]:
    """The processes that all tests of this file share, from `opspawn migrate` on."""
    api_port, grpc_port = free_port(), free_port()
    with ModelServer().running() as model:
        environment = {
            "DATABASE_URL": new_database(migrated=False),
            "RABBITMQ_URL": rabbitmq_url,
            "OPSPAWN_API_PORT": str(api_port),
            "OPSPAWN_GRPC_PORT": str(grpc_port),
            **model.environment,
        }
        with processes(tmp_path_factory.mktemp("site"), environment) as started:
            migrated = started.run("migrate")
            assert migrated.returncode == 0, migrated.stderr
            api = started.start("api")
            started.start("grpc")
            started.start("dispatcher")
            rest = Rest(api_port)
            rest.ready(api)
            yield Site(started, model, rest, grpc_port)
            rest.close()


@pytest.fixture
def site(standing: Site) -> Iterator[Site]:
    standing.model.reset()
    yield standing
    for worker in standing.workers:
        worker.kill()
        worker.wait()
    standing.workers.clear()


def test_a_task_runs_through_all_processes(site: Site) -> None:
    """REST accepts it, a worker runs its agent, and both doors tell the same story."""
    site.worker()
    task = site.rest.submit()
    done = site.rest.ended(task)
    assert ("completed", "It is 391.") == (done["status"], done["result"]["output"])
    assert (200, 20, 2) == tuple(
        done["usage"][key] for key in ("input_tokens", "output_tokens", "steps")
    )
    assert float(done["usage"]["cost_usd"]) > 0
    with grpc.insecure_channel(f"127.0.0.1:{site.grpc_port}") as channel:
        stub = tasks_pb2_grpc.TaskServiceStub(channel)
        seen = stub.GetTask(
            tasks_pb2.GetTaskRequest(task_id=task["task_id"]), timeout=20, wait_for_ready=True
        ).task
    assert tasks_pb2.TaskStatus.COMPLETED == seen.status
    assert "It is 391." == seen.result["output"]


def test_the_log_tells_each_step(site: Site) -> None:
    """Clients see submit, claim, thought, observation, answer and end, numbered without a gap."""
    site.worker()
    task = site.rest.submit()
    site.rest.ended(task)
    events = site.rest.events(task)
    assert [
        "task.submitted",
        "task.claimed",
        "llm.completed",
        "tool.completed",
        "llm.completed",
        "agent.finished",
        "task.completed",
    ] == [event["type"] for event in events]
    assert list(range(1, 8)) == [event["seq"] for event in events]
    assert "391" == events[3]["data"]["output"]
    assert all("journal" not in event for event in events)


def test_a_killed_workers_task_goes_on_without_paying_again(site: Site) -> None:
    """`kill -9` in the second model call: another worker replays the first and makes only the second."""
    site.model.hold(2)
    first = site.worker()
    task = site.rest.submit()
    site.model.wait_for(2)
    first.kill()
    first.wait()
    site.model.release(2)
    site.worker()
    done = site.rest.ended(task)
    assert ("completed", "It is 391.", 1) == (
        done["status"],
        done["result"]["output"],
        done["attempt"],
    )
    types = [event["type"] for event in site.rest.events(task)]
    assert (2, 1, 2) == (
        types.count("task.claimed"),
        types.count("tool.completed"),
        types.count("llm.completed"),
    )
    assert 1 == site.model.calls.count(1)


def test_a_drained_worker_exits_and_its_task_goes_on(site: Site) -> None:
    """SIGTERM lets the call under way finish, hands the task over and exits with 0."""
    drained = _drained(site)
    site.model.hold(1)
    first = site.worker()
    task = site.rest.submit()
    site.model.wait_for(1)
    first.terminate()
    until(lambda: _drained(site) > drained)
    site.model.release(1)
    assert 0 == first.wait(20)
    site.worker()
    assert "completed" == site.rest.ended(task)["status"]
    assert [1, 2] == site.model.calls


def test_a_task_submitted_while_nothing_runs_is_not_lost(site: Site) -> None:
    """Without any worker a task waits; the first one that comes takes it."""
    task = site.rest.submit()
    site.worker()
    assert "completed" == site.rest.ended(task)["status"]


def test_a_cancelled_task_stops_in_its_model_call(site: Site) -> None:
    """A cancellation over REST reaches a call that is under way."""
    site.model.hold(1)
    site.worker()
    task = site.rest.submit()
    site.model.wait_for(1)
    answer = site.rest.http.post(f"/api/v1/tasks/{task['task_id']}/cancel")
    assert 202 == answer.status_code
    assert "cancelled" == site.rest.ended(task)["status"]
    assert [] == site.model.calls


def test_a_wrong_key_fails_the_task_at_once(site: Site) -> None:
    """No attempt mends a wrong key: the task fails with what to do, and the key is nowhere."""
    site.model.fail_with = (401, {})
    site.worker()
    failed = site.rest.ended(site.rest.submit())
    assert ("failed", "authentication_failed", 1) == (
        failed["status"],
        failed["error"]["type"],
        failed["attempt"],
    )
    assert failed["error_message"] == failed["error"]["message"]
    shown = str(failed) + site.processes.log("worker") + site.processes.log("api")
    assert KEY not in shown


def test_a_provider_that_is_down_is_tried_again_and_then_fails(site: Site) -> None:
    """A passing failure is retried as the task's policy says, and then named."""
    site.model.fail_with = (503, {"Retry-After": "0"})
    site.worker()
    task = site.rest.submit(retry_policy={"max_attempts": 2, "backoff_s": 0.1})
    failed = site.rest.ended(task)
    assert ("failed", "provider_unavailable", 2) == (
        failed["status"],
        failed["error"]["type"],
        failed["attempt"],
    )
    released = [e["data"] for e in site.rest.events(task) if e["type"] == "task.released"]
    assert ["retrying"] == [data["why"] for data in released]


def test_a_retried_task_goes_on_from_its_log(site: Site) -> None:
    """A task that failed in its second model call is retried by a client and pays only for that call."""
    site.model.hold(2)
    site.worker()
    task = site.rest.submit(retry_policy={"max_attempts": 1})
    site.model.wait_for(2)
    site.model.fail_with = (400, {})
    site.model.release(2)
    assert "failed" == site.rest.ended(task)["status"]
    site.model.fail_with = None
    answer = site.rest.http.post(f"/api/v1/tasks/{task['task_id']}/retry")
    assert (202, "pending") == (answer.status_code, answer.json()["status"])
    done = site.rest.ended(task)
    assert ("completed", 2, 1) == (done["status"], done["generation"], done["attempt"])
    assert [1, 2] == site.model.calls


def test_a_provider_without_a_key_is_named(site: Site) -> None:
    """A task for a provider that the worker cannot reach says which key is missing."""
    site.worker()
    config = {"llm_provider": "anthropic"}
    task = site.rest.submit(input_data={"goal": "hi", "agent_config": config})
    failed = site.rest.ended(task)
    assert "provider_not_configured" == failed["error"]["type"]
    assert "ANTHROPIC_API_KEY" in failed["error_message"]


def test_a_deadline_ends_a_task_in_its_model_call(site: Site) -> None:
    """A task that is not done by its deadline fails with that reason."""
    site.model.hold(1)
    site.worker()
    failed = site.rest.ended(site.rest.submit(deadline_s=1.0))
    assert ("failed", "deadline_exceeded") == (failed["status"], failed["reason"])


def _drained(site: Site) -> int:
    """How many workers have said so far that they drain."""
    log = site.processes.folder / "worker.log"
    return log.read_text().count("draining") if log.exists() else 0
