"""REST: whether the process lives, and whether it can work."""

import asyncio

import pytest
from door_support import SECRET, client_of, service_over
from structlog.testing import capture_logs

from ops_core import readiness
from ops_core.api import create_app
from ops_core.errors import StoreUnavailable
from ops_core.readiness import Probe
from ops_core.testing import MemoryStore, services_of


async def works() -> str:
    return "revision 0001"


async def is_away() -> None:
    raise StoreUnavailable(f"cannot connect to {SECRET}")


async def has_a_bug() -> None:
    raise ZeroDivisionError(SECRET)


async def hangs() -> None:
    await asyncio.Event().wait()


async def ask(path: str, **probes: Probe) -> tuple[int, dict[str, object]]:
    app = create_app(services_of(service_over(MemoryStore())), probes=probes)
    with capture_logs():
        async with client_of(app) as client:
            answer = await client.get(path)
    assert SECRET not in answer.text
    return answer.status_code, answer.json()


async def test_a_door_whose_parts_all_work_is_ready() -> None:
    """200, and each part by name."""
    expected = {"status": "ready", "checks": {"store": "ok", "signals": "ok"}}
    assert (200, expected) == await ask("/ready", store=works, signals=works)


@pytest.mark.parametrize("probe", [is_away, has_a_bug])
async def test_a_door_that_is_not_ready_names_what_is_down(probe: Probe) -> None:
    """503 as a problem; what works is told as well, and why it is down only to the log."""
    status, problem = await ask("/ready", store=probe, signals=works)
    assert (503, "urn:opspawn:problem:not_ready", "Down: store.") == (
        status,
        problem["type"],
        problem["detail"],
    )
    assert {"store": "down", "signals": "ok"} == problem["checks"]


async def test_a_probe_that_hangs_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks gets an answer in bounded time."""
    monkeypatch.setattr(readiness, "PROBE_TIMEOUT_S", 0.01)
    status, problem = await ask("/ready", store=hangs)
    assert (503, {"store": "down"}) == (status, problem["checks"])


async def test_a_door_without_its_store_is_still_healthy() -> None:
    """Health asks nothing but the process: restarting it would not bring a database back."""
    assert (200, {"status": "ok"}) == await ask("/health", store=is_away)
