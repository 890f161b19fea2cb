"""A run as OpenTelemetry spans, read back from the SDK's own exporter."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from agentkit import Agent, AgentProfile, AllowList, Limits, handoff
from agentkit.errors import LimitExceeded, RateLimited, UsageError
from agentkit.messages import AssistantMessage, Reply, Usage
from agentkit.otel import traced
from agentkit.testing import RecordingTool, ScriptedLlm, answer, call

USED = Usage(10, 5, Decimal("0.001"), cached_tokens=4, reasoning_tokens=2)
LOOK = call(("look", {"text": "secret question"}), usage=USED)
FOUND = answer("secret answer", USED)


class Spans:
    """A tracer provider of a test's own, and what it was told."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def all(self) -> list[ReadableSpan]:
        """In the order in which they were started."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def named(self, name: str) -> ReadableSpan:
        return next(span for span in self.all if span.name == name)

    def tree(self) -> list[tuple[str, str | None]]:
        """Each span with its parent's name."""
        names = {span.context.span_id: span.name for span in self.all}
        return [(s.name, names[s.parent.span_id] if s.parent else None) for s in self.all]

    def attributes(self, name: str) -> Mapping[str, Any]:
        return self.named(name).attributes or {}


@pytest.fixture
def spans() -> Iterator[Spans]:
    spans = Spans()
    yield spans
    spans.provider.shutdown()


def looking(*script: Any, **options: Any) -> Agent:
    options.setdefault("security", AllowList(["look"]))
    tools = [RecordingTool("look", "secret result", "pure").tool]
    return Agent(ScriptedLlm(script), tools=tools, **options)


async def follow(agent: Agent, spans: Spans, *, deltas: bool = False, **options: Any) -> list[str]:
    stream = traced(
        agent.stream("goal", deltas=deltas),
        agent="scout",
        provider="openai",
        tracer_provider=spans.provider,
        **options,
    )
    return [event.kind async for event in stream]


async def test_a_run_is_a_tree_of_spans(spans: Spans) -> None:
    """The agent, in it each model call and each tool call, in their order."""
    await follow(looking(LOOK, FOUND), spans)
    assert [
        ("invoke_agent scout", None),
        ("chat scripted", "invoke_agent scout"),
        ("execute_tool look", "invoke_agent scout"),
        ("chat scripted", "invoke_agent scout"),
    ] == spans.tree()


async def test_the_events_are_passed_on(spans: Spans) -> None:
    """Whoever listens behind the tracing hears the same story."""
    plain = [event.kind async for event in looking(LOOK, FOUND).stream("goal")]
    assert plain == await follow(looking(LOOK, FOUND), spans)


async def test_a_model_call_in_the_words_of_the_conventions(spans: Spans) -> None:
    """Who was asked, what it used, and why it stopped; a client span."""
    await follow(looking(LOOK, FOUND), spans)
    chat = spans.named("chat scripted")
    assert "CLIENT" == chat.kind.name
    assert {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "scripted",
        "gen_ai.response.model": "scripted",
        "gen_ai.response.finish_reasons": ("tool_call",),
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "agentkit.cost_usd": 0.001,
        "agentkit.step": 1,
    } == dict(chat.attributes or {})


async def test_a_tool_call_in_the_words_of_the_conventions(spans: Spans) -> None:
    """Which tool, which call, and who allowed it."""
    await follow(looking(LOOK, FOUND), spans)
    assert {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "look",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "call_1",
        "agentkit.effect": "pure",
        "agentkit.step": 1,
        "agentkit.decision": "allow",
        "agentkit.rule": "allow_list",
    } == dict(spans.attributes("execute_tool look"))


async def test_the_whole_run_says_what_it_used(spans: Spans) -> None:
    """The sum of its calls, and how it ended."""
    await follow(looking(LOOK, FOUND), spans)
    assert {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "scout",
        "gen_ai.provider.name": "openai",
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.output_tokens": 10,
        "gen_ai.usage.cache_read.input_tokens": 8,
        "gen_ai.usage.reasoning.output_tokens": 4,
        "agentkit.cost_usd": 0.002,
        "agentkit.reason": "answered",
        "agentkit.steps": 2,
    } == dict(spans.attributes("invoke_agent scout"))


async def test_nothing_that_was_said_is_told_unless_asked_for(spans: Spans) -> None:
    """Not in any attribute, event or status of any span."""
    await follow(looking(LOOK, FOUND), spans, deltas=True)
    assert [] == [span.name for span in spans.all if "secret" in span.to_json()]


async def test_what_was_said_is_told_when_asked_for(spans: Spans) -> None:
    """Output, arguments and results; what the model was shown is in no event."""
    await follow(looking(LOOK, FOUND), spans, content=True)
    tool = spans.attributes("execute_tool look")
    assert '{"text": "secret question"}' == tool["gen_ai.tool.call.arguments"]
    assert "secret result" == tool["gen_ai.tool.call.result"]
    [said] = json.loads(str((spans.all[-1].attributes or {})["gen_ai.output.messages"]))
    parts = [{"type": "text", "content": "secret answer"}]
    assert {"role": "assistant", "parts": parts, "finish_reason": "stop"} == said


async def test_an_unknown_price_is_not_told_as_none(spans: Spans) -> None:
    """There is no attribute for what nobody knows."""
    await follow(Agent(ScriptedLlm([answer("hm", Usage(1, 1, None))])), spans)
    assert "agentkit.cost_usd" not in spans.attributes("chat scripted")


async def test_a_stream_says_when_it_began(spans: Spans) -> None:
    """A client span of a streamed call marks its first piece, once."""
    await follow(looking(FOUND), spans, deltas=True)
    chat = spans.named("chat scripted")
    assert spans.attributes("chat scripted")["gen_ai.request.stream"]
    assert ["agentkit.prompt_built", "agentkit.first_delta"] == [e.name for e in chat.events]


@pytest.mark.parametrize(("allowed", "error"), [([], "denied"), (["look"], "tool_error")])
async def test_a_call_that_fails(spans: Spans, allowed: list[str], error: str) -> None:
    """Its span is an error, with the kind and not the words of it."""
    broken = RecordingTool("look", ValueError("secret trouble"), "pure")
    agent = Agent(ScriptedLlm([LOOK, FOUND]), tools=[broken.tool], security=AllowList(allowed))
    await follow(agent, spans)
    span = spans.named("execute_tool look")
    assert (error, "ERROR") == ((span.attributes or {})["error.type"], span.status.status_code.name)
    assert "secret trouble" not in span.to_json()
    assert "UNSET" == spans.named("invoke_agent scout").status.status_code.name


async def test_a_run_that_raises(spans: Spans) -> None:
    """Every open span ends as an error of that type."""
    with pytest.raises(RateLimited):
        await follow(Agent(ScriptedLlm([RateLimited("secret account")])), spans)
    assert ["rate_limited"] * 2 == [(span.attributes or {})["error.type"] for span in spans.all]
    assert "secret" not in "".join(span.to_json() for span in spans.all)


async def test_a_limit(spans: Spans) -> None:
    """The span of the run says which."""
    with pytest.raises(LimitExceeded):
        await follow(looking(LOOK, limits=Limits(steps=1)), spans)
    span = spans.named("invoke_agent scout")
    assert "limit_exceeded" == (span.attributes or {})["error.type"]
    assert {"limit": "steps"}.items() <= dict(span.events[-1].attributes or {}).items()


async def test_an_end_without_an_answer(spans: Spans) -> None:
    """It did not raise, and is an error all the same."""
    refused = Reply(AssistantMessage("No."), USED, "refused", "scripted")
    await follow(Agent(ScriptedLlm([refused])), spans)
    assert "refused" == spans.attributes("invoke_agent scout")["error.type"]
    assert ("content_filter",) == spans.attributes("chat scripted")[
        "gen_ai.response.finish_reasons"
    ]


async def test_a_listener_that_leaves_leaves_no_span_open(spans: Spans) -> None:
    """What was under way is ended, and leaving is no error."""
    stream = traced(looking(LOOK).stream("goal"), tracer_provider=spans.provider)
    async with aclosing(stream):
        async for event in stream:
            if event.kind == "tool_started":
                break
    assert {"invoke_agent agent", "chat scripted", "execute_tool look"} == {
        span.name for span in spans.all
    }
    assert not [span for span in spans.all if "error.type" in (span.attributes or {})]


async def test_a_cancelled_run_leaves_no_span_open(spans: Spans) -> None:
    """Its model call was cancelled, and says so."""
    llm = ScriptedLlm([FOUND], gate=asyncio.Event())
    running = asyncio.create_task(follow(Agent(llm), spans))
    await llm.asked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ["CancelledError"] * 2 == [(span.attributes or {})["error.type"] for span in spans.all]


async def test_an_agent_that_is_called_has_its_spans_in_the_call(spans: Spans) -> None:
    """A tree of agents is a tree of spans."""
    inner = looking(LOOK, FOUND, profile=AgentProfile("helper"))
    outer = Agent(
        ScriptedLlm([call(("helper", {"goal": "Who?"}), usage=USED), FOUND]),
        tools=[handoff(inner, "Helps.")],
        security=AllowList(["helper", "look"]),
    )
    await follow(outer, spans)
    assert [
        ("invoke_agent scout", None),
        ("chat scripted", "invoke_agent scout"),
        ("execute_tool helper", "invoke_agent scout"),
        ("invoke_agent helper", "execute_tool helper"),
        ("chat scripted", "invoke_agent helper"),
        ("execute_tool look", "invoke_agent helper"),
        ("chat scripted", "invoke_agent helper"),
        ("chat scripted", "invoke_agent scout"),
    ] == spans.tree()
    assert 40 == spans.attributes("invoke_agent scout")["gen_ai.usage.input_tokens"]


async def test_a_run_belongs_to_what_is_current(spans: Spans) -> None:
    """The span of a request, for one."""
    with spans.provider.get_tracer("test").start_as_current_span("request"):
        await follow(looking(FOUND), spans)
    assert ("invoke_agent scout", "request") in spans.tree()


async def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is used, not when agentkit is imported."""
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(UsageError, match=r"pip install 'agentkit\[otel\]'"):
        await anext(traced(looking(FOUND).stream("goal")))
