"""A listener that makes spans of a run's events, and passes them on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from agentkit.errors import UsageError
from agentkit.events import Event
from agentkit.otel.spans import AgentSpans, Telling

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider


async def traced(
    events: AsyncGenerator[Event, None],
    *,
    agent: str = "agent",
    provider: str | None = None,
    content: bool = False,
    tracer_provider: TracerProvider | None = None,
) -> AsyncGenerator[Event, None]:
    """The events of `agent.stream(goal)`, with spans made of them; use it like the stream.

    One span `invoke_agent`, in it one `chat` for each model call and one `execute_tool` for each
    tool call, in which agents that are called as tools have theirs. `agent` is the agent's name,
    `provider` who serves its models, as in `openai` or `gcp.gemini`. What was said, arguments and
    results are put into spans only when `content` asks for it. Without a `tracer_provider`, the
    global one gets the spans; they begin under the span that is current where listening begins.
    Raises UsageError when the `otel` extra is not installed.
    """
    # Imported here: tracing belongs to those who use it.
    try:
        from opentelemetry import trace
    except ImportError:
        raise UsageError("Tracing needs OpenTelemetry: pip install 'agentkit[otel]'.") from None
    tracer = trace.get_tracer("agentkit", tracer_provider=tracer_provider)
    spans = AgentSpans(Telling(tracer, provider, content), agent, None)
    try:
        async with aclosing(events):
            async for event in events:
                spans.hear(event)
                yield event
    except GeneratorExit:
        spans.end()  # whoever listened has left, which is no error
        raise
    except (Exception, asyncio.CancelledError) as error:
        spans.end(error)
        raise
    finally:
        # What else a journal raises to stop a run says nothing of how it went.
        spans.end()
