"""Signed links: what they decide, what they refuse, and that their pages are harmless."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest
from asking_task import asking
from door_support import client_of, service_over
from structlog.testing import capture_logs

from ops_core.api import create_app
from ops_core.asks.links import ApprovalLinks
from ops_core.errors import LinkRefused
from ops_core.identity.audit import AuditEntry, change_of, shown
from ops_core.identity.authenticator import Authenticator
from ops_core.identity.guard import Guard
from ops_core.principal import EVERYBODY
from ops_core.replies import ApprovalReply, LinkRequest
from ops_core.services import Services
from ops_core.testing import (
    FrozenClock,
    MemoryAuditStore,
    MemoryCredentialStore,
    MemoryIdentity,
    MemoryStore,
    MemoryTenantStore,
    services_of,
)

pytestmark = pytest.mark.unit

SECRET = "a secret of at least thirty-two characters"
FORM = {"content-type": "application/x-www-form-urlencoded"}

#: What a model may have been talked into: markup, an end of the page's own, signs that turn text around.
HOSTILE = {
    "to": '"><script>alert(1)</script>',
    "</pre><form action=//evil>": "<img src=x onerror=alert(1)>",
    "amount": "5\u202e000\u200b",
}


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def store(clock: FrozenClock) -> MemoryStore:
    return MemoryStore(clock)


def services_with(store: MemoryStore, clock: FrozenClock, secret: str | None = SECRET) -> Services:
    services = services_of(service_over(store), store)
    links = ApprovalLinks(services.approvals, secret, clock=lambda: clock().timestamp())
    return replace(services, links=links)


@pytest.fixture
async def client(store: MemoryStore, clock: FrozenClock) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(create_app(services_with(store, clock))) as client:
        yield client


async def link(client: httpx2.AsyncClient, approval_id: str, **body: Any) -> str:
    """The path of a new link."""
    made = await client.post(f"/api/v1/approvals/{approval_id}/links", json=body)
    assert 201 == made.status_code, made.text
    return f"/l/{made.json()['url'].rpartition('/l/')[2]}"


async def status(client: httpx2.AsyncClient, approval_id: str) -> str:
    return str((await client.get(f"/api/v1/approvals/{approval_id}")).json()["status"])


class Tags(HTMLParser):
    """Every tag of a page, with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


async def test_looking_decides_nothing_and_a_press_decides_once(
    client: httpx2.AsyncClient, store: MemoryStore
) -> None:
    """Scanners of mail look; the form decides, and then the link is used."""
    approval, _ = await asking(store, "a")
    path = await link(client, approval)
    for _ in range(2):
        page = await client.get(path)
        assert (200, True) == (page.status_code, "May it be called?" in page.text)
    assert "pending" == await status(client, approval)
    done = await client.post(path, content="decision=approve&comment=Fine%21", headers=FORM)
    assert (200, True) == (done.status_code, "Approved" in done.text)
    found = (await client.get(f"/api/v1/approvals/{approval}")).json()
    assert ("approved", "Fine!", "link of anonymous") == (
        found["status"],
        found["comment"],
        found["resolved_by"],
    )
    for again in (
        await client.get(path),
        await client.post(path, content="decision=reject", headers=FORM),
    ):
        assert (409, True) == (again.status_code, "decided already" in again.text)
    assert "approved" == await status(client, approval)


async def test_a_link_decides_only_what_it_was_made_for(
    client: httpx2.AsyncClient, store: MemoryStore
) -> None:
    """One that may reject has one button, and approves nothing."""
    approval, _ = await asking(store, "a")
    path = await link(client, approval, decisions=["reject"])
    buttons = [a for tag, a in Tags((await client.get(path)).text).found if tag == "button"]
    assert ["reject"] == [button["value"] for button in buttons]
    refused = await client.post(path, content="decision=approve", headers=FORM)
    assert (404, "pending") == (refused.status_code, await status(client, approval))
    await client.post(path, content="decision=reject&comment=", headers=FORM)
    assert "rejected" == await status(client, approval)


async def test_a_link_ends_with_its_time_and_with_that_of_its_approval(
    client: httpx2.AsyncClient, store: MemoryStore, clock: FrozenClock
) -> None:
    """410, and a page that says so; the approval itself goes on waiting."""
    approval, _ = await asking(store, "a")
    path = await link(client, approval, expires_in_s=60)
    clock.advance(61)
    for answer in (
        await client.get(path),
        await client.post(path, content="decision=approve", headers=FORM),
    ):
        assert (410, True) == (answer.status_code, "has expired" in answer.text)
    assert "pending" == await status(client, approval)
    short, _ = await asking(store, "b", expires_in_s=120)
    made = await client.post(f"/api/v1/approvals/{short}/links", json={})
    ends = (await client.get(f"/api/v1/approvals/{short}")).json()["expires_at"]
    assert ends[:19] == made.json()["expires_at"][:19]


async def test_a_forged_link_is_not_valid(client: httpx2.AsyncClient, store: MemoryStore) -> None:
    """Cut, changed, signed by nobody or by somebody else: 404, and nothing is decided."""
    approval, _ = await asking(store, "a")
    path = await link(client, approval, decisions=["reject"])
    body, _, signature = path.removeprefix("/l/").partition(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    claims[3] = ["approve"]
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    for token in (
        f"{forged}.{signature}",
        body,
        f"{body}.",
        f"{body}.{signature[:-2]}",
        "x",
        "ä.b",
    ):
        for answer in (
            await client.get(f"/l/{token}"),
            await client.post(f"/l/{token}", content="decision=approve", headers=FORM),
        ):
            assert (404, True) == (answer.status_code, "not valid" in answer.text), token
    assert "pending" == await status(client, approval)


async def test_without_a_secret_there_are_no_links(store: MemoryStore, clock: FrozenClock) -> None:
    """None is made, with an error that names the setting; and none of another server works."""
    approval, _ = await asking(store, "a")
    async with client_of(create_app(services_with(store, clock))) as client:
        path = await link(client, approval)
    async with client_of(create_app(services_with(store, clock, None))) as client:
        answer = await client.post(f"/api/v1/approvals/{approval}/links", json={})
        assert (409, "urn:opspawn:problem:links_not_configured") == (
            answer.status_code,
            answer.json()["type"],
        )
        assert "OPSPAWN_LINK_SECRET" in answer.json()["detail"]
        assert 404 == (await client.get(path)).status_code


async def test_what_a_tool_is_called_with_is_only_text_on_the_page(
    client: httpx2.AsyncClient, store: MemoryStore
) -> None:
    """No tag, no attribute and no turned text comes from the call, its tool or its sources."""
    approval, _ = await asking(store, "a", tool="<b onclick=x>pay", arguments=HOSTILE)
    plain, _ = await asking(store, "b", tool="pay", arguments={})
    pages = [(await client.get(await link(client, name))).text for name in (approval, plain)]
    hostile, harmless = (Tags(page).found for page in pages)
    assert harmless == hostile
    assert "&lt;script&gt;" in pages[0]
    assert not {"\u202e", "\u200b"} & set(pages[0])
    assert "fetch (not trusted)" in pages[0]


async def test_the_page_loads_and_runs_nothing_and_tells_nobody_its_address(
    client: httpx2.AsyncClient, store: MemoryStore
) -> None:
    """Its policy allows one style, of its own, and its own form; nobody may keep or frame it."""
    approval, _ = await asking(store, "a")
    path = await link(client, approval)
    page = await client.get(path)
    policy = page.headers["content-security-policy"]
    assert {"default-src 'none'", "form-action 'self'", "frame-ancestors 'none'"} <= set(
        policy.split("; ")
    )
    assert "unsafe" not in policy
    assert ("no-store", "no-referrer", "nosniff") == (
        page.headers["cache-control"],
        page.headers["referrer-policy"],
        page.headers["x-content-type-options"],
    )
    tags = {tag for tag, _ in Tags(page.text).found}
    assert not {"script", "img", "link", "iframe", "a"} & tags
    for refused in (await client.get("/l/x"), await client.post("/l/x", content="", headers=FORM)):
        assert policy == refused.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [("", 422), ("decision=perhaps", 422), ("decision=approve&x=1", 422), ("decision=%ff", 422)],
)
async def test_a_form_that_is_not_ours_decides_nothing(
    client: httpx2.AsyncClient, store: MemoryStore, body: str, expected: int
) -> None:
    """And a page says so."""
    approval, _ = await asking(store, "a")
    path = await link(client, approval)
    answer = await client.post(path, content=body, headers=FORM)
    assert (expected, "pending") == (answer.status_code, await status(client, approval))
    assert 415 == (await client.post(path, json={"decision": "approve"})).status_code


async def test_a_link_is_not_told_to_the_log(store: MemoryStore, clock: FrozenClock) -> None:
    """Also where the server has a bug: whoever reads logs must not decide."""
    approval, _ = await asking(store, "a")
    services = services_with(store, clock)
    async with client_of(create_app(services)) as client:
        path = await link(client, approval)
        store.get_ask = None  # type: ignore[method-assign, assignment]
        with capture_logs() as lines:
            assert 500 == (await client.get(path)).status_code
    [line] = lines
    assert ("request_failed", "/l/…") == (line["event"], line["path"])


@pytest.fixture
def house() -> MemoryIdentity:
    return MemoryIdentity()


@pytest.fixture
def guarded(house: MemoryIdentity, store: MemoryStore, clock: FrozenClock) -> ApprovalLinks:
    """Links of a server that asks who comes."""
    known = Authenticator(MemoryCredentialStore(house))
    guard = Guard(known, MemoryAuditStore(house))
    approvals = services_of(service_over(store), store).approvals
    return ApprovalLinks(approvals, SECRET, gate=guard, clock=lambda: clock().timestamp())


APPROVE = ApprovalReply(decision="approve")


async def test_what_a_link_decides_is_in_the_audit_log(
    guarded: ApprovalLinks, house: MemoryIdentity, store: MemoryStore
) -> None:
    """As the word of whoever had it made, under the id of the request; looking is no line."""
    approval, _ = await asking(store, "a")
    made = await guarded.make(approval, LinkRequest(), tenant_id="default", by="key_1")
    await guarded.look(made.token)
    await guarded.use(made.token, APPROVE, request_id="r1")
    expected = AuditEntry(
        tenant_id="default",
        subject="link of key_1",
        action="use_link",
        object=approval,
        request_id="r1",
    )
    assert [expected] == [record.entry for record in house.records]


async def test_a_link_of_a_disabled_tenant_decides_nothing(
    guarded: ApprovalLinks, house: MemoryIdentity, store: MemoryStore
) -> None:
    """Nor does it show anything: the tenant is let in nowhere."""
    approval, _ = await asking(store, "a")
    made = await guarded.make(approval, LinkRequest(), tenant_id="default", by="key_1")
    entry = change_of(EVERYBODY, "disable_tenant", "default", "r")
    await MemoryTenantStore(house).disable("default", entry)
    with pytest.raises(LinkRefused, match="disabled"):
        await guarded.look(made.token)
    with pytest.raises(LinkRefused, match="disabled"):
        await guarded.use(made.token, APPROVE, request_id="r1")
    assert [entry] == [record.entry for record in house.records]


@pytest.mark.parametrize("sign", ["a", "\u00e9", "\u4e2d", "\U0001f600"])
async def test_a_link_of_somebody_with_a_long_name_is_as_good(
    sign: str, guarded: ApprovalLinks, store: MemoryStore
) -> None:
    """Whatever signs it is written in."""
    approval, _ = await asking(store, "a")
    by = f"user:{shown(sign * 1000)}"
    made = await guarded.make(approval, LinkRequest(), tenant_id="default", by=by)
    done = await guarded.use(made.token, APPROVE, request_id="r1")
    assert f"link of {by}" == done.ask.resolved_by
