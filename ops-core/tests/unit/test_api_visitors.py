"""REST without keys: what keeps a page in a browser from using it (DNS rebinding)."""

import httpx2
import pytest
from door_support import client_of, service_over

from ops_core.api import create_app
from ops_core.api.visitors import Visitors
from ops_core.testing import MemoryStore, services_of

pytestmark = pytest.mark.unit

TASKS = "/api/v1/tasks/"
LOCAL = {"Host": "127.0.0.1:8000"}


def door() -> httpx2.AsyncClient:
    """Of a server on its own machine, which a proxy shows as ops.example.org."""
    visitors = Visitors(names=frozenset({"ops.example.org"}), local=True)
    return client_of(create_app(services_of(service_over(MemoryStore())), visitors=visitors))


@pytest.mark.parametrize("path", [TASKS, "/docs", "/openapi.json", "/nothing"])
async def test_a_name_that_was_bent_to_this_machine_is_refused(path: str) -> None:
    """Whatever is asked for, with a problem that says which setting has the names."""
    async with door() as http:
        answer = await http.get(path, headers={"Host": "evil.example.org:8000"})
    assert 403 == answer.status_code
    assert "application/problem+json" == answer.headers["content-type"]
    assert "OPSPAWN_PUBLIC_URL" in answer.json()["detail"]


@pytest.mark.parametrize("origin", ["https://evil.example.org", "null"])
async def test_a_page_of_another_origin_submits_nothing(origin: str) -> None:
    """A browser says whose page it is, and the page cannot leave that out."""
    async with door() as http:
        sent = await http.post(
            TASKS, json={"task_type": "noop"}, headers={**LOCAL, "Origin": origin}
        )
        assert 403 == sent.status_code
        assert 0 == (await http.get(TASKS, headers=LOCAL)).json()["total"]


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000", "ops.example.org"])
async def test_the_servers_own_names_are_let_in(host: str) -> None:
    async with door() as http:
        assert 200 == (await http.get(TASKS, headers={"Host": host})).status_code


@pytest.mark.parametrize(
    ("path", "expected"), [("/health", 200), ("/ready", 200), ("/l/wrong", 404)]
)
async def test_probes_and_signed_links_are_for_everybody(path: str, expected: int) -> None:
    """A probe calls the server as it likes; a link is its own key, and its page sends no origin."""
    async with door() as http:
        headers = {"Host": "10.0.0.7:8000", "Origin": "null"}
        assert expected == (await http.get(path, headers=headers)).status_code
