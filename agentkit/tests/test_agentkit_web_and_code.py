"""The builtin tools that reach the web and run code."""

from __future__ import annotations

import os
from typing import Any

import pytest
from test_agentkit_egress import Names, Pages, client, page

from agentkit import Agent, AllowList, EgressPolicy
from agentkit.events import ToolFinished
from agentkit.messages import Label
from agentkit.testing import ScriptedLlm, answer, call
from agentkit.tools import InvalidArguments, TimedOut
from agentkit.tools.builtin import http_fetch, python_code
from agentkit.tools.builtin.html_text import html_text

HTML = """<!doctype html><html><head><title>Prices &amp; more</title>
<style>p { color: red }</style><script>alert("1 < 2")</script></head>
<body><h1>Prices</h1><p>A  <b>bold</b>
claim.</p><!-- hidden --><ul><li>one<li>two</ul><table><tr><td>a<td>b</tr></table>
<noscript>no</noscript><svg><text>drawn</text></svg>last<br/>line</body></html>"""

WORDS = "Prices & more\nPrices\nA bold claim.\none\ntwo\n| a | b\nlast\nline"


def test_the_words_of_a_page() -> None:
    """What a person reads, a line for each block, and nothing that a browser would run."""
    assert WORDS == html_text(HTML)


@pytest.mark.parametrize(
    ("html", "words"),
    [
        ("", ""),
        ("a<p", "a"),
        ("a<", "a<"),
        ("1 < 2 &lt; 3 &#38; 4", "1 < 2 < 3 & 4"),
        ("</script>x", "x"),
        ("a<script>never closed", "a"),
        ("a<SCRIPT>1</Script >b<!-- c", "ab"),
        ("a<svg/>b<?php x ?>c<!DOCTYPE d>e</>f", "abcef"),
        ("a&#" + "9" * 5000 + ";<b>b</b>", "b"),
    ],
)
def test_broken_html_is_no_error(html: str, words: str) -> None:
    """What can be read is, up to what is never closed."""
    assert words == html_text(html)


HURTFUL = [
    "<",
    "<a ",
    "<a b=",
    '<a "',
    "<!--",
    "<!",
    "<?",
    "</",
    "<script>",
    "<script></",
    "&",
    "&#",
]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("unit", [*HURTFUL, "<div>"])
def test_html_that_is_written_to_hurt_is_read_like_any(unit: str) -> None:
    """Half a megabyte of it, for which a parser that looks back takes hours."""
    assert isinstance(html_text(unit * (500_000 // len(unit))), str)


async def fetched(web: Pages, path: str = "/", **policy: Any) -> str:
    tool = http_fetch(client(web, Names(a_test=[["127.0.0.1"]]), **policy))
    return await tool.call({"url": f"http://a.test:{web.port}{path}"})


async def test_a_page_is_fetched_as_text() -> None:
    """Status and place first, then the words; other texts as they are."""
    html, data = b"Content-Type: text/html; charset=utf-8", "Content-Type: application/json"
    pages = {"/": page(HTML.encode(), html.decode()), "/data": page(b'{"a": "<b>"}', data)}
    async with Pages(pages) as web:
        assert f"200 http://a.test:{web.port}/\n\n{WORDS}" == await fetched(web)
        assert (await fetched(web, "/data")).endswith('\n\n{"a": "<b>"}')


async def test_what_is_no_text_or_too_much_is_said() -> None:
    """A picture is not decoded, a cut is told, an unknown encoding is guessed."""
    pages = {
        "/picture": page(b"\x89PNG", "Content-Type: image/png"),
        "/": page(b"abcdef", "Content-Type: text/plain; charset=klingon"),
        "/gone": page(b"not here", status="404 Not Found"),
    }
    async with Pages(pages) as web:
        assert (await fetched(web, "/picture")).endswith("(image/png, 4 bytes: not a text)")
        cut = await fetched(web, max_bytes=3)
        assert cut.endswith("\n\nabc\n[cut: the first 3 bytes of the page]")
        assert (await fetched(web, "/gone")).startswith("404 http://a.test")


async def test_the_model_reads_why_nothing_was_fetched() -> None:
    """As an observation, labelled with the tool it comes from."""
    tool = http_fetch(EgressPolicy(["example.org"]))
    llm = ScriptedLlm([call(("http_fetch", {"url": "https://evil.test/"})), answer("done")])
    result = await Agent(llm, tools=[tool], security=AllowList(["http_fetch"])).run("goal")
    [finished] = [event for event in result.events if isinstance(event, ToolFinished)]
    said = "not fetched: evil.test is not an allowed host; allowed: example.org"
    assert said in finished.observation.text
    assert Label("tool", "http_fetch") == finished.observation.label
    assert not finished.observation.label.trusted


def test_a_url_is_no_freight() -> None:
    """A long one is refused before anything is sent."""
    with pytest.raises(InvalidArguments, match="at most 2000 characters"):
        http_fetch(EgressPolicy()).parse({"url": "https://a.test/" + "x" * 2000})


async def run(code: str) -> str:
    return await python_code.call(python_code.parse({"code": code}))


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("print(17 * 23)", "391\n"),
        ("x = 17\nx * 23", "391\n"),
        ("x = 1", "(nothing was printed)"),
        ("", "(nothing was printed)"),
        ("import sys; print('no', file=sys.stderr)", "no\n"),
        (
            "def f(n):\n    return n and n * f(n - 1) or 1\n[f(n) for n in range(5)]",
            "[1, 1, 2, 6, 24]\n",
        ),
    ],
)
async def test_code_is_run(code: str, printed: str) -> None:
    """What it prints comes back, and the value of a last expression."""
    assert printed == await run(code)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print('before')\n1 / 0", 'before\n  File "<code>", line 2, in <module>\n'),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("1 +", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
async def test_what_goes_wrong_is_shown(code: str, said: str) -> None:
    """Its traceback, without our frames, after what was printed before."""
    shown = await run(code)
    assert said in shown
    assert "agentkit" not in shown


async def test_code_runs_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """In another process, with none of our secrets, in an empty folder of its own."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    told = await run(
        "import os; print(os.getpid(), os.environ.get('OPENAI_API_KEY'), os.listdir())"
    )
    pid, *rest = told.split()
    assert os.getpid() != int(pid)
    assert ["None", "[]"] == rest


async def test_code_without_an_end_is_ended() -> None:
    """Like any tool that takes too long."""
    from dataclasses import replace

    hasty = replace(python_code, timeout_s=1.0)
    with pytest.raises(TimedOut):
        await hasty.call({"code": "while True: pass"})


async def test_code_needs_a_person() -> None:
    """Allowed or not: where nobody can be asked, nothing is run."""
    llm = ScriptedLlm([call(("python_code", {"code": "1"})), answer("done")])
    agent = Agent(llm, tools=[python_code], security=AllowList(["python_code"]))
    [finished] = [e for e in (await agent.run("goal")).events if isinstance(e, ToolFinished)]
    assert "Not called: a person did not approve it" in finished.observation.text
    assert "needs_approval" == finished.decision.rule
