"""Real runs, recorded once and replayed without a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from agentkit import Agent, AgentProfile, AllowList, ModelSettings, OpenAiClient
from agentkit.errors import RateLimited, UsageError
from agentkit.llm import LlmClient
from agentkit.messages import SystemMessage, TextDelta, Usage, UserMessage
from agentkit.testing import (
    ChatServer,
    LlmRecorder,
    LlmReplayer,
    ScriptedLlm,
    answer,
    call,
    completion,
)
from agentkit.testing.cassette import SECRET, Cassette
from agentkit.tools.builtin import calculator

ASKED = (SystemMessage("Be brief."), UserMessage("What is 17 * 23?"))


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return tmp_path / "run.json"


def text_of(tape: Path) -> str:
    return tape.read_text(encoding="utf-8")


async def run(llm: LlmClient, goal: str = "What is 17 * 23?", **options: Any) -> str:
    agent = Agent(llm, tools=[calculator], security=AllowList(["calculator"]), **options)
    return (await agent.run(goal)).output


async def test_a_run_with_a_real_client_is_replayed_without_it(tape: Path) -> None:
    """The SDK, over a socket, once; then the file alone, with the same events."""
    calls = completion(calls=[("calculator", '{"expression": "17 * 23"}')])
    async with ChatServer([calls, completion("It is 391.")]) as server:
        client = OpenAiClient("m", "sk-test-0123456789abcdef", server.base_url)
        assert "It is 391." == await run(LlmRecorder(client, tape))
        await client.aclose()
    assert "It is 391." == await run(LlmReplayer(tape))
    assert "sk-test" not in text_of(tape)


async def test_replies_belong_to_requests_and_not_to_an_order(tape: Path) -> None:
    """Two agents may be replayed the other way round, or at the same time."""
    recorder = LlmRecorder(ScriptedLlm(["one", "two"]), tape)
    assert ("one", "two") == (await run(recorder, "First?"), await run(recorder, "Second?"))
    replayer = LlmReplayer(tape)
    assert ("two", "one") == (await run(replayer, "Second?"), await run(replayer, "First?"))


async def test_the_same_request_is_answered_in_the_order_of_the_recording(tape: Path) -> None:
    """And no more often than it was recorded."""
    recorder = LlmRecorder(ScriptedLlm(["one", "two"]), tape)
    for _ in range(2):
        await recorder.complete(ASKED)
    replayer = LlmReplayer(tape)
    texts = [(await replayer.complete(ASKED)).message.text for _ in range(2)]
    assert ["one", "two"] == texts
    with pytest.raises(AssertionError, match="has 2 replies to this request, and it was made 3"):
        await replayer.complete(ASKED)


async def test_a_miss_names_what_is_different(tape: Path) -> None:
    """The place, and both values, of the most similar request."""
    await run(LlmRecorder(ScriptedLlm([call(("calculator", {"expression": "1"})), "1"]), tape))
    with pytest.raises(AssertionError) as caught:
        await run(LlmReplayer(tape), profile=AgentProfile(settings=ModelSettings(seed=7)))
    said = str(caught.value)
    assert "Number 1 of its 2 is the most similar" in said
    assert "request.settings.seed: recorded null, asked 7" in said
    assert "record it again" in said


async def test_a_message_more_is_a_difference(tape: Path) -> None:
    """Lists of other lengths are told apart at their end."""
    await LlmRecorder(ScriptedLlm(["1"]), tape).complete(ASKED)
    with pytest.raises(AssertionError, match=r"request\.messages\[2\]: recorded \[\], asked \[\{"):
        await LlmReplayer(tape).complete((*ASKED, UserMessage("Well?")))


async def test_timeouts_are_no_difference(tape: Path) -> None:
    """They change nothing about an answer."""
    await LlmRecorder(ScriptedLlm(["1"]), tape).complete(ASKED, settings=ModelSettings(timeout_s=1))
    replayed = await LlmReplayer(tape).complete(ASKED, settings=ModelSettings(timeout_s=2))
    assert answer("1") == replayed


async def test_streams_are_recorded_and_replayed(tape: Path) -> None:
    """The reply is kept; its pieces are made anew."""
    recorded = [item async for item in LlmRecorder(ScriptedLlm(["It is."]), tape).stream(ASKED)]
    replayed = [item async for item in LlmReplayer(tape).stream(ASKED)]
    assert [TextDelta("It"), TextDelta(" is."), answer("It is.")] == recorded == replayed


SECRETS = [
    ("sk-ant-api03-0123456789abcdefghij", "a key of Anthropic"),
    ("AIza0123456789abcdefghijABCDEFGHIJ0123456", "a key of Google"),
    ("hunter2", "one that is named"),
    ("ASIA0123456789ABCDEF", "a passing key of Amazon"),
    ("github_pat_11ABCDEFG0_0123456789abcdefghij", "a newer one of GitHub"),
    ("glpat-0123456789abcdefghij", "one of GitLab"),
    ("hf_0123456789abcdefghijABCDEFGHIJ", "one of Hugging Face"),
    ("sk_live_0123456789abcdefghij", "one of Stripe"),
    ("npm_0123456789abcdefghijABCDEFGHIJ012345", "one of npm"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl-_x", "a JSON Web Token"),
]


@pytest.mark.parametrize(("secret", "what"), SECRETS)
async def test_no_secret_is_in_the_file(tape: Path, secret: str, what: str) -> None:
    """Neither what looks like a key nor what is named: not asked, not replied, not called with."""
    reply = call(("login", {secret: f"Bearer {secret}-0123"}), thought=f"I log in with {secret}.")
    asked = (*ASKED, UserMessage(f"The password is {secret}"))
    await LlmRecorder(ScriptedLlm([reply]), tape, secrets=["hunter2"]).complete(asked)
    assert secret not in text_of(tape)
    replayed = await LlmReplayer(tape, secrets=["hunter2"]).complete(asked)
    assert "I log in with [secret]." == replayed.message.text


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("authorization: bearer abc.def.ghi", "authorization: bearer [secret]"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [secret]"),
        ("KEY_sk-0123456789abcdefghij", "KEY_[secret]"),
        ("Basic mathematics, a basic understanding", "Basic mathematics, a basic understanding"),
    ],
)
def test_what_follows_the_name_of_a_scheme(said: str, kept: str) -> None:
    """In either case; a sentence stays one."""
    assert kept == Cassette(Path("unused")).without_secrets(said)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("hunter2-hunter2 and hunter2", "[secret] and [secret]"),
        ('{"password": "a\\"b\\u00e9"}', '{"password": "[secret]"}'),
        ('{"password": "a\\"bé"}', '{"password": "[secret]"}'),
        ({"pin": 4711, "pins": [0.4711, True, 1]}, {"pin": SECRET, "pins": [SECRET, True, 1]}),
    ],
)
def test_a_named_secret_is_found_in_every_form(value: JsonValue, kept: JsonValue) -> None:
    """A long one before a shorter one in it, escaped inside JSON, as a number."""
    secrets = ("hunter2", "hunter2-hunter2", 'a"bé', "4711")
    assert kept == Cassette(Path("unused"), secrets).without_secrets(value)


@pytest.mark.parametrize("secret", ["end", "stop", "assistant", "100", "message"])
async def test_a_secret_that_is_a_word_of_the_format(tape: Path, secret: str) -> None:
    """What was said is without it; the reply is still one."""
    reply = answer(f"It is {secret}.", Usage(100, 20))
    await LlmRecorder(ScriptedLlm([reply]), tape, secrets=[secret]).complete(ASKED)
    replayed = await LlmReplayer(tape, secrets=[secret]).complete(ASKED)
    assert answer("It is [secret].", Usage(100, 20)) == replayed


def test_a_recorder_without_a_folder_is_refused(tmp_path: Path) -> None:
    """Before anything is paid for."""
    for nowhere in (tmp_path / "missing" / "run.json", tmp_path):
        with pytest.raises(UsageError, match="cannot be written"):
            LlmRecorder(ScriptedLlm([]), nowhere)


async def test_what_a_client_raises_is_not_kept(tape: Path) -> None:
    """A cassette holds replies; the error passes through."""
    recorder = LlmRecorder(ScriptedLlm([RateLimited("slow down"), "1"]), tape)
    with pytest.raises(RateLimited):
        await recorder.complete(ASKED)
    await recorder.complete(ASKED)
    assert 1 == len(json.loads(text_of(tape))["exchanges"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("{", "no cassette"),
        ("[]", "no cassette"),
        ('{"format": "agentkit cassette", "version": 99, "exchanges": []}', "99"),
    ],
)
def test_a_file_that_is_no_cassette(tape: Path, text: str | None, said: str) -> None:
    """It is named, before anything is asked."""
    if text is not None:
        tape.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        LlmReplayer(tape)
