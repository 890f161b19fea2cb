"""The way out: which places a request may reach, over real sockets to servers of our own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from agentkit import EgressClient, EgressPolicy
from agentkit.egress import EgressFailed, EgressRefused, is_public
from agentkit.errors import UsageError

HOME = "127.0.0.0/8"


@dataclass
class Pages:
    """A server of pages by path; keeps what it was asked. A page is a whole HTTP answer."""

    pages: dict[str, bytes] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    asked: list[str] = field(default_factory=list)
    never: asyncio.Event = field(default_factory=asyncio.Event)
    serving: set[asyncio.Task[None] | None] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.never.set()
        self._server.close()
        await asyncio.gather(*(task for task in self.serving if task is not None))
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.add(asyncio.current_task())
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(head)
            page = self.pages.get(head.split()[1])
            if page is None:
                await self.never.wait()
            else:
                writer.write(page)
                await writer.drain()
            writer.close()
            await writer.wait_closed()
        except (ConnectionError, asyncio.IncompleteReadError):  # the client has left, as it may
            writer.close()


def page(body: bytes, *lines: str, status: str = "200 OK") -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


def leads_to(place: str, status: str = "302 Found") -> bytes:
    return page(b"", f"Location: {place}", status=status)


class Names:
    """A resolver from a table; `asked` keeps the names, in order. A list answers one by one."""

    def __init__(self, **table: list[list[str]]) -> None:
        self.table = {name.replace("_", "."): answers for name, answers in table.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        answers = self.table.get(host)
        if answers is None:
            raise OSError("no such host")
        return answers.pop(0) if len(answers) > 1 else answers[0]


def client(server: Pages, names: Names, **policy: object) -> EgressClient:
    given = {
        "hosts": ("*.test",),
        "schemes": ("http", "https"),
        "ports": (server.port,),
        "networks": (HOME,),
        "timeout_s": 10.0,
        **policy,
    }
    return EgressClient(EgressPolicy(**given), resolve=names)  # type: ignore[arg-type]


async def test_a_page_is_fetched_from_the_checked_address() -> None:
    """The name goes into the request, the address into the connection; no key of ours goes along."""
    async with Pages(
        {"/a?b=c": page(b"hello", "Content-Type: text/plain; charset=latin-1")}
    ) as web:
        names = Names(a_test=[["127.0.0.1"]])
        url = f"http://A.test:{web.port}/a?b=c"
        fetched = await client(web, names).get(url, headers={"X-Mine": "1"})
    assert (200, b"hello", "text/plain", "latin-1", False) == (
        fetched.status,
        fetched.body,
        fetched.media_type,
        fetched.charset,
        fetched.cut,
    )
    [head] = web.asked
    assert f"Host: a.test:{web.port}\r\n" in head
    assert "X-Mine: 1\r\n" in head
    assert "Accept-Encoding: identity\r\n" in head
    assert ["a.test"] == names.asked


async def test_a_caller_s_headers_cannot_name_another_host() -> None:
    """The host that was checked is the one that is asked for, once, however a caller spells it."""
    async with Pages({"/": page(b"hello")}) as web:
        names = Names(a_test=[["127.0.0.1"]])
        mine = {"host": "b.test", "accept-encoding": "gzip", "X-Mine": "1"}
        await client(web, names).get(f"http://a.test:{web.port}/", headers=mine)
    head = web.asked[0].lower().splitlines()
    hosts = [line for line in head if line.startswith(("host:", "accept-encoding:"))]
    assert {f"host: a.test:{web.port}", "accept-encoding: identity"} == set(hosts)
    assert 2 == len(hosts)


async def test_a_name_cannot_change_its_mind() -> None:
    """It is resolved once for each request: a second answer, to somewhere else, is never asked for."""
    async with Pages({"/": page(b"hello")}) as web:
        names = Names(a_test=[["127.0.0.1"], ["169.254.169.254"]])
        await client(web, names).get(f"http://a.test:{web.port}/")
    assert ["a.test"] == names.asked


async def test_every_address_of_a_name_has_to_be_harmless() -> None:
    """One that is not would be a matter of luck; nothing is connected to."""
    async with Pages({"/": page(b"hello")}) as web:
        names = Names(a_test=[["127.0.0.1", "10.0.0.1"]])
        with pytest.raises(EgressRefused, match="does not lead to a public address"):
            await client(web, names).get(f"http://a.test:{web.port}/")
    assert [] == web.asked


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    """A name may stand for a machine that is down, or for a network that we do not have."""
    async with Pages({"/": page(b"hello")}) as web:
        names = Names(a_test=[["127.0.0.2", "127.0.0.1"]])
        fetched = await client(web, names).get(f"http://a.test:{web.port}/")
    assert (b"hello", ["a.test"]) == (fetched.body, names.asked)


@pytest.mark.parametrize(
    "place",
    [
        "http://b.test:{port}/",  # resolves to a private address
        "http://evil.example:{port}/",  # not an allowed host
        "http://a.test:1/",  # not an allowed port
        "ftp://a.test:{port}/",
        "file:///etc/passwd",
        "http://user:password@a.test:{port}/",
        "//evil.example/",
        "http://[",
    ],
)
async def test_a_redirect_is_checked_like_the_first_request(place: str) -> None:
    """A page that is allowed cannot send us to one that is not."""
    names = Names(a_test=[["127.0.0.1"]], b_test=[["10.0.0.1"]])
    async with Pages() as web:
        web.pages["/"] = leads_to(place.format(port=web.port))
        with pytest.raises(EgressRefused):
            await client(web, names).get(f"http://a.test:{web.port}/")
    assert 1 == len(web.asked)


async def test_a_redirect_is_followed() -> None:
    """Relative or to another host; what was meant for the first host stays with it."""
    names = Names(a_test=[["127.0.0.1"]], b_test=[["127.0.0.1"]])
    async with Pages({"/end": page(b"here")}) as web:
        web.pages["/"] = leads_to("/next")
        web.pages["/next"] = leads_to(f"http://b.test:{web.port}/end", "307 Temporary Redirect")
        fetched = await client(web, names).get(
            f"http://a.test:{web.port}/", headers={"Authorization": "secret"}
        )
    assert (b"here", f"http://b.test:{web.port}/end") == (fetched.body, fetched.url)
    assert [True, True, False] == ["secret" in head for head in web.asked]


async def test_another_port_is_another_program() -> None:
    """What was meant for the first one does not reach it."""
    async with Pages({"/end": page(b"here")}) as other, Pages() as web:
        web.pages["/"] = leads_to(f"http://a.test:{other.port}/end")
        egress = client(web, Names(a_test=[["127.0.0.1"]]), ports=[web.port, other.port])
        await egress.get(f"http://a.test:{web.port}/", headers={"Authorization": "secret"})
    assert [True, False] == ["secret" in head for head in (*web.asked, *other.asked)]


async def test_redirects_end() -> None:
    """A circle is left."""
    async with Pages({"/": leads_to("/")}) as web:
        egress = client(web, Names(a_test=[["127.0.0.1"]]), max_redirects=2)
        with pytest.raises(EgressFailed, match="redirected more than 2 times"):
            await egress.get(f"http://a.test:{web.port}/")
    assert 3 == len(web.asked)


async def test_a_post_is_sent_once() -> None:
    """Where it is redirected to is for the caller to decide."""
    async with Pages({"/": leads_to("/next")}) as web:
        egress = client(web, Names(a_test=[["127.0.0.1"]]))
        fetched = await egress.post(f"http://a.test:{web.port}/", b"data")
    assert (302, 1) == (fetched.status, len(web.asked))
    assert "POST / " in web.asked[0]


async def test_a_large_page_is_cut() -> None:
    """No more is read than the policy says, and that there was more is told."""
    unfinished = page(b"x" * 5_000).replace(b"Length: 5000", b"Length: 5000000")
    async with Pages({"/": unfinished}) as web:
        egress = client(web, Names(a_test=[["127.0.0.1"]]), max_bytes=10)
        fetched = await egress.get(f"http://a.test:{web.port}/")
    assert (b"x" * 10, True) == (fetched.body, fetched.cut)


async def test_a_page_that_never_comes_is_given_up() -> None:
    """The time is for the whole request, whatever it waits for."""
    async with Pages() as web:
        egress = client(web, Names(a_test=[["127.0.0.1"]]), timeout_s=0.2)
        with pytest.raises(EgressFailed, match=r"nothing came within 0\.2 s"):
            await egress.get(f"http://a.test:{web.port}/")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (page(b"\x1f\x8b", "Content-Encoding: gzip"), "compressed"),
        (b"nonsense\r\n\r\n", "RemoteProtocolError"),
        (b"", "RemoteProtocolError"),
    ],
)
async def test_what_cannot_be_used_is_an_error(answer: bytes, said: str) -> None:
    """Compressed though not asked for, broken, nothing at all."""
    async with Pages({"/": answer}) as web:
        egress = client(web, Names(a_test=[["127.0.0.1"]]))
        with pytest.raises(EgressFailed, match=said):
            await egress.get(f"http://a.test:{web.port}/")


async def test_nothing_may_be_reached_that_was_not_named() -> None:
    """Neither a host nor a scheme; and a private address not because its name was."""
    with pytest.raises(EgressRefused, match=r"a\.test is not an allowed host; allowed: none"):
        await EgressClient(EgressPolicy()).get("https://a.test/")
    with pytest.raises(EgressRefused, match="http: is not allowed; allowed: https"):
        await EgressClient(EgressPolicy(["a.test"])).get("http://a.test/")
    with pytest.raises(EgressFailed, match=r"there is no host a\.test"):
        await EgressClient(EgressPolicy(["a.test"]), resolve=Names()).get("https://a.test/")
    names = Names(a_test=[["192.168.0.1"]])
    with pytest.raises(EgressRefused, match="public address") as caught:
        await EgressClient(EgressPolicy(["a.test"]), resolve=names).get("https://a.test/")
    assert "192.168" not in str(caught.value)


@pytest.mark.parametrize(
    ("patterns", "host", "covered"),
    [
        (["a.test"], "a.test", True),
        (["A.test."], "a.test", True),
        (["a.test"], "b.a.test", False),
        (["a.test"], "xa.test", False),
        (["*.a.test"], "b.a.test", True),
        (["*.a.test"], "c.b.a.test", True),
        (["*.a.test"], "a.test", False),
        (["*.a.test"], "xa.test", False),
        (["*"], "anything.example", True),
    ],
)
def test_which_hosts_a_pattern_covers(patterns: list[str], host: str, covered: bool) -> None:
    """Whole names, and whole labels below one."""
    check: Callable[..., None] = EgressPolicy(patterns).check_place
    if covered:
        check("https", host, 443)
    else:
        with pytest.raises(EgressRefused):
            check("https", host, 443)


@pytest.mark.parametrize(
    "spelling",
    [
        *("127.0.0.1", "0177.0.0.1", "2130706433", "0x7f.1", "127.1", "0", "[::1]", "[::]"),
        *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
        *("169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16"),
        *("10.0.0.1", "172.16.0.1", "192.168.1.1", "224.0.0.1", "255.255.255.255"),
        *("１２７.０.０.１", "localhost", "localhost."),
    ],
)
async def test_no_spelling_leads_to_us_or_our_network(spelling: str) -> None:
    """Any host is allowed here, and the system's own resolver reads the spellings."""
    with pytest.raises((EgressRefused, EgressFailed)) as caught:
        await EgressClient(EgressPolicy(["*"], timeout_s=5)).get(f"https://{spelling}/")
    assert any(said in str(caught.value) for said in ("public address", "no host", "no URL"))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "::ffff:1.1.1.1"]
)
def test_public_addresses(address: str) -> None:
    """The others are tested above; too strict would be useless."""
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.1",
        "192.88.99.1",
        "2001:0:7f00:1::1",
        "3fff::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "::",
        "240.0.0.1",
    ],
)
def test_addresses_that_are_nobody_s_business(address: str) -> None:
    """Some of which the standard library calls global."""
    assert not is_public(ip_address(address))


def test_a_policy_that_cannot_be_meant_is_refused() -> None:
    """A text instead of a list, and a network that is none."""
    with pytest.raises(UsageError, match="lists of texts"):
        EgressPolicy("a.test")
    with pytest.raises(UsageError, match=r"EgressPolicy\(networks"):
        EgressPolicy(networks=["10.0.0.1/8"])


async def test_a_certificate_is_checked_against_the_name(tmp_path: Path) -> None:
    """The connection goes to an address, but it is the name that has to be certified."""
    trusted, served = certified("a.test", tmp_path)
    names = Names(a_test=[["127.0.0.1"]], b_test=[["127.0.0.1"]])
    async with Pages({"/": page(b"hello")}, tls=served) as web:
        policy = EgressPolicy(["*.test"], ports=[web.port], networks=[HOME], timeout_s=10)
        egress = EgressClient(policy, resolve=names, tls=trusted)
        assert b"hello" == (await egress.get(f"https://a.test:{web.port}/")).body
        with pytest.raises(EgressFailed, match="ConnectError"):
            await egress.get(f"https://b.test:{web.port}/")


def certified(name: str, folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A client's context that trusts a certificate for `name`, and a server's that has it."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoded = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "both.pem").write_bytes(secret + encoded)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(folder / "both.pem")
    return ssl.create_default_context(cadata=encoded.decode()), served
