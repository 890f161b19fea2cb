"""What Prometheus is told, over the fakes: at the REST door, of both doors, with and without the store."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import grpc.aio
import httpx2
import pytest
from door_support import channel_to, client_of, refused, service_over, stub_of
from prometheus_client.parser import text_string_to_metric_families

from ops_core.api import create_app
from ops_core.errors import StoreUnavailable
from ops_core.identity.gate import Attempt, OpenGate
from ops_core.identity.needs import check_needs
from ops_core.metrics import Figures, MetricsService
from ops_core.metrics.recent import RecentFigures
from ops_core.principal import EVERYBODY, Principal
from ops_core.rpc.v1 import tasks_pb2
from ops_core.scopes import Scope
from ops_core.services import Services
from ops_core.testing import MemoryFiguresStore, MemoryStore, services_of

pytestmark = pytest.mark.unit

Labels = tuple[tuple[str, str], ...]


class Figuring(MemoryFiguresStore):
    """Counts how often it is asked; answers when the test lets it, and is away while the test says so."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.asked = 0
        self.is_away = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def figures(self) -> Figures:
        self.asked += 1
        await self.may_answer.wait()
        if self.is_away:
            raise StoreUnavailable("gone")
        return await super().figures()


class Scraper(OpenGate):
    """Lets everybody in as the one whom the test has chosen."""

    who = EVERYBODY

    async def admit(self, attempt: Attempt) -> Principal:
        check_needs(self.who, attempt.operation)
        return self.who


@dataclass
class House:
    """Both doors over one domain."""

    rest: httpx2.AsyncClient
    channel: grpc.aio.Channel
    store: Figuring
    gate: Scraper

    async def samples(self) -> dict[tuple[str, Labels], float]:
        answer = await self.rest.get("/metrics")
        assert 200 == answer.status_code, answer.text
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    async def counted(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """The values of a metric by some of its labels."""
        return {
            tuple(dict(found)[label] for label in labels): value
            for (of, found), value in (await self.samples()).items()
            if of == name
        }


@pytest.fixture
async def house() -> AsyncIterator[House]:
    store, gate, figuring = MemoryStore(), Scraper(), Figuring()
    plain = services_of(service_over(store), store, gate=gate)
    metrics = MetricsService(figuring, plain.streams.count, version="1.2.3")
    services: Services = replace(plain, metrics=metrics)
    async with client_of(create_app(services)) as rest, channel_to(services) as channel:
        yield House(rest, channel, figuring, gate)
    figuring.may_answer.set()
    await metrics.close()


async def test_a_scrape_is_the_text_that_prometheus_reads(house: House) -> None:
    """With the version of this build, and figures of its process from the system."""
    answer = await house.rest.get("/metrics")
    assert "text/plain; version=0.0.4; charset=utf-8" == answer.headers["content-type"]
    samples = await house.samples()
    assert 1 == samples["opspawn_build_info", (("version", "1.2.3"),)]
    assert 0 < samples["process_resident_memory_bytes", ()]


async def test_requests_are_counted_by_the_template_of_their_route(house: House) -> None:
    """Not by their paths, which are without number: whatever way they are answered, and however spelled."""
    submitted = await house.rest.post("/api/v1/tasks/", json={"task_type": "noop"})
    task_id = submitted.json()["task_id"]
    for path in (task_id, f"{task_id}/", f"{task_id}?x=1", "none"):
        await house.rest.get(f"/api/v1/tasks/{path}")
    await house.rest.get("/api/v1/nowhere/7")
    await house.rest.request("DELETE", "/api/v1/tasks/")
    await house.rest.request("BREW", "/api/v1/tasks/")
    await house.rest.get("/openapi.json")
    found = await house.counted("opspawn_http_requests_total", "method", "route", "status")
    assert {
        ("POST", "/api/v1/tasks/", "201"): 1,
        ("GET", "/api/v1/tasks/{task_id}", "200"): 2,
        ("GET", "/api/v1/tasks/{task_id}", "404"): 1,
        ("GET", "/api/v1/tasks/{task_id}", "422"): 1,
        ("GET", "other", "404"): 1,
        ("DELETE", "/api/v1/tasks/", "405"): 1,
        ("other", "/api/v1/tasks/", "405"): 1,
        ("GET", "/openapi.json", "200"): 1,
    } == found


async def test_how_long_requests_took_is_told_by_route(house: House) -> None:
    """Each in the first bucket that is wide enough and in all after it."""
    for _ in range(3):
        await house.rest.get("/health")
    buckets = await house.counted("opspawn_http_request_duration_seconds_bucket", "route", "le")
    of_health = [count for (route, _), count in buckets.items() if route == "/health"]
    assert (3, sorted(of_health)) == (buckets["/health", "+Inf"], of_health)
    sums = await house.counted("opspawn_http_request_duration_seconds_sum", "route")
    assert 0 < sums["/health",] < 60


async def test_grpc_calls_are_counted_by_the_code_they_ended_with(house: House) -> None:
    """A stream counts when it ends, and has no duration."""
    stub = stub_of(house.channel)
    created = await stub.CreateTask(tasks_pb2.CreateTaskRequest(task_type="noop"))
    await refused(stub.GetTask(tasks_pb2.GetTaskRequest(task_id="none")))
    watching = stub.WatchTask(tasks_pb2.WatchTaskRequest(task_id=created.task.task_id))
    await watching.read()
    assert {(): 1} == await house.counted("opspawn_streams_open")
    watching.cancel()
    while () not in (ended := await house.counted("opspawn_streams_open")) or ended[()]:
        pass
    found = await house.counted("opspawn_grpc_calls_total", "method", "code")
    assert {
        ("CreateTask", "OK"): 1,
        ("GetTask", "NOT_FOUND"): 1,
        ("WatchTask", "CANCELLED"): 1,
    } == found
    timed = await house.counted("opspawn_grpc_call_duration_seconds_count", "method")
    assert {("CreateTask",): 1, ("GetTask",): 1} == timed


async def test_without_the_store_the_process_tells_what_it_knows(house: House) -> None:
    """And that the store is away; nothing old is told as if it were new."""
    assert 1 == (await house.samples())["opspawn_store_up", ()]
    house.store.is_away = True
    metrics = MetricsService(house.store, lambda: 0)
    text = (await metrics.text(by=EVERYBODY)).decode()
    assert "opspawn_store_up 0.0" in text
    assert "opspawn_dead_letters" not in text
    assert "process_cpu_seconds_total" in text


async def test_what_was_known_is_not_told_again_when_the_store_is_away() -> None:
    """Old figures would look like new ones."""
    store, now = Figuring(), [0.0]
    recent = RecentFigures(store, fresh_s=5, clock=lambda: now[0])
    assert await recent.now() is not None
    now[0], store.is_away = 6.0, True
    assert await recent.now() is None


async def test_however_many_scrape_the_store_is_asked_once() -> None:
    """While an answer is under way and for some seconds after; then again."""
    store, now = Figuring(), [0.0]
    recent = RecentFigures(store, fresh_s=5, clock=lambda: now[0])
    store.may_answer.clear()
    scrapes = [asyncio.create_task(recent.now()) for _ in range(5)]
    await asyncio.sleep(0)
    store.may_answer.set()
    assert 1 == len({id(figures) for figures in await asyncio.gather(*scrapes)})
    now[0] = 4.9
    await recent.now()
    assert 1 == store.asked
    now[0] = 5.1
    await recent.now()
    assert 2 == store.asked


async def test_a_store_that_does_not_answer_is_not_waited_for_and_not_asked_again() -> None:
    """The scrape after that finds what came of it."""
    store = Figuring()
    recent = RecentFigures(store, waits_s=0.01)
    store.may_answer.clear()
    assert [None, None] == [await recent.now(), await recent.now()]
    store.may_answer.set()
    assert await recent.now() is not None
    assert 1 == store.asked
    await recent.close()


async def test_metrics_are_the_operators(house: House) -> None:
    """They are of all tenants: its administrator sees none, and a key for tasks neither."""
    house.gate.who = replace(EVERYBODY, tenant_id="acme")
    of_guest = await house.rest.get("/metrics")
    house.gate.who = replace(EVERYBODY, scopes=frozenset({Scope.TASKS_READ}))
    of_worker = await house.rest.get("/metrics")
    assert [403, 403] == [of_guest.status_code, of_worker.status_code]
    assert "metrics:read of the tenant default" in of_guest.json()["detail"]
    house.gate.who = replace(EVERYBODY, scopes=frozenset({Scope.METRICS_READ}))
    assert 200 == (await house.rest.get("/metrics")).status_code
