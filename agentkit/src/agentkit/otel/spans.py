"""The spans of one agent's run, as the GenAI semantic conventions name them (as of 2026, in
development: github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai).

What they have no word for is under `agentkit.`: the cost, the steps, who decided about a call.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

from agentkit.errors import AgentError
from agentkit.events import (
    Event,
    Finished,
    HandedOver,
    LimitReached,
    MemoryUsed,
    ModelDelta,
    ModelReplied,
    ModelStarted,
    PlanMade,
    PromptBuilt,
    ToolFinished,
    ToolStarted,
)
from agentkit.messages import Reply, Stop, Usage

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanKind, Tracer

_FINISH_REASONS: dict[Stop, str] = {
    "end": "stop",
    "tool_calls": "tool_call",
    "length": "length",
    "refused": "content_filter",
}


@dataclass(frozen=True, slots=True)
class Telling:
    """Where spans go, and what is said in them."""

    tracer: Tracer
    provider: str | None
    content: bool

    def start(
        self, operation: str, subject: str, kind: SpanKind, parent: Context | None, **more: Any
    ) -> Span:
        """A span named as the conventions want it: the operation, then what it is done to."""
        attributes = {"gen_ai.operation.name": operation, **more}
        return self.tracer.start_span(f"{operation} {subject}", parent, kind, _known(attributes))


class AgentSpans:
    """Hears the events of one agent, and starts and ends its spans."""

    def __init__(self, telling: Telling, agent: str, parent: Context | None) -> None:
        # Imported here: see `traced`.
        from opentelemetry import trace

        self._trace = trace
        self._telling = telling
        self._span = telling.start(
            "invoke_agent",
            agent,
            trace.SpanKind.INTERNAL,
            parent,
            **{"gen_ai.agent.name": agent, "gen_ai.provider.name": telling.provider},
        )
        self._inside = trace.set_span_in_context(self._span)
        self._chat: Span | None = None
        self._tools: dict[str, Span] = {}
        self._agents: dict[str, AgentSpans] = {}
        self._streams = False

    def hear(self, event: Event) -> None:
        """Take the next event in."""
        match event:
            case ModelStarted() | ModelDelta() | ModelReplied():
                self._hear_model(event)
            case ToolStarted() | HandedOver() | ToolFinished():
                self._hear_tool(event)
            case PromptBuilt() | MemoryUsed() | PlanMade() | LimitReached():
                (self._chat or self._span).add_event(f"agentkit.{event.kind}", _noted(event))
            case Finished():
                self._finished(event)
            case _:
                assert_never(event)

    def end(self, error: BaseException | None = None) -> None:
        """End what is open; what is ended already stays as it is."""
        for inner in self._agents.values():
            inner.end(error)
        for span in (*self._tools.values(), self._chat, self._span):
            if span is not None and span.is_recording():
                if error is not None:
                    self._fail(span, _type_of(error))
                span.end()

    def _hear_model(self, event: ModelStarted | ModelDelta | ModelReplied) -> None:
        match event:
            case ModelStarted():
                self._model_started(event)
            case ModelDelta():
                self._first_delta()
            case ModelReplied(_, reply):
                self._model_replied(reply)

    def _hear_tool(self, event: ToolStarted | HandedOver | ToolFinished) -> None:
        match event:
            case ToolStarted():
                self._tool_started(event)
            case HandedOver():
                self._handed_over(event)
            case ToolFinished():
                self._tool_finished(event)

    def _model_started(self, event: ModelStarted) -> None:
        self._streams = False
        self._chat = self._telling.start(
            "chat",
            event.model,
            self._trace.SpanKind.CLIENT,
            self._inside,
            **{
                "gen_ai.request.model": event.model,
                "gen_ai.provider.name": self._telling.provider,
                "agentkit.step": event.step,
            },
        )

    def _first_delta(self) -> None:
        if self._chat is not None and not self._streams:
            self._streams = True
            self._chat.set_attribute("gen_ai.request.stream", value=True)
            self._chat.add_event("agentkit.first_delta")

    def _model_replied(self, reply: Reply) -> None:
        if self._chat is None:
            return
        self._chat.set_attributes(
            {
                "gen_ai.response.model": reply.model,
                "gen_ai.response.finish_reasons": [_FINISH_REASONS[reply.stop]],
                **_used(reply.usage),
            }
        )
        if self._telling.content:
            self._chat.set_attribute("gen_ai.output.messages", json.dumps([_output(reply)]))
        self._chat.end()
        self._chat = None

    def _tool_started(self, event: ToolStarted) -> None:
        call = event.call
        self._tools[call.id] = self._telling.start(
            "execute_tool",
            call.tool,
            self._trace.SpanKind.INTERNAL,
            self._inside,
            **{
                "gen_ai.tool.name": call.tool,
                "gen_ai.tool.type": "function",
                "gen_ai.tool.call.id": call.id,
                "agentkit.effect": event.effect,
                "agentkit.step": event.step,
            },
        )

    def _handed_over(self, event: HandedOver) -> None:
        inner = self._agents.get(event.call_id)
        if inner is None:
            around = self._trace.set_span_in_context(self._tools.get(event.call_id, self._span))
            inner = self._agents[event.call_id] = AgentSpans(self._telling, event.agent, around)
        inner.hear(event.event)
        if isinstance(event.event, Finished):
            inner.end()
            del self._agents[event.call_id]  # the call may run another one

    def _tool_finished(self, event: ToolFinished) -> None:
        inner = self._agents.pop(event.call.id, None)
        if inner is not None:
            inner.end()
        span = self._tools.pop(event.call.id, None)
        if span is None:
            return
        span.set_attribute("agentkit.decision", event.decision.kind)
        span.set_attribute("agentkit.rule", event.decision.rule)
        if self._telling.content:
            span.set_attribute("gen_ai.tool.call.arguments", json.dumps(event.call.arguments))
            span.set_attribute("gen_ai.tool.call.result", event.observation.text)
        if event.observation.is_error:
            self._fail(span, "denied" if event.decision.kind == "deny" else "tool_error")
        span.end()

    def _finished(self, event: Finished) -> None:
        attributes = {"agentkit.reason": event.reason, "agentkit.steps": event.steps}
        self._span.set_attributes({**attributes, **_used(event.usage)})
        if event.reason != "answered":
            self._fail(self._span, event.reason)

    def _fail(self, span: Span, kind: str) -> None:
        span.set_attribute("error.type", kind)
        span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, kind))


def _noted(event: PromptBuilt | MemoryUsed | PlanMade | LimitReached) -> dict[str, Any]:
    match event:
        case PromptBuilt(_, messages, tokens):
            return {"messages": messages, "tokens": tokens}
        case MemoryUsed(_, action):
            return {"action": action}
        case PlanMade(_, plan):
            return {"steps": [step.id for step in plan]}
        case LimitReached(_, limit, detail):
            return {"limit": limit, "detail": detail}


def _type_of(error: BaseException) -> str:
    # Never the message: it may hold what was said, and content is told only when asked for.
    return error.type if isinstance(error, AgentError) else type(error).__name__


def _used(usage: Usage) -> dict[str, Any]:
    return _known(
        {
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens or None,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens or None,
            "agentkit.cost_usd": None if usage.cost_usd is None else float(usage.cost_usd),
        }
    )


def _output(reply: Reply) -> dict[str, Any]:
    message = reply.message
    text = [{"type": "text", "content": message.text}] if message.text else []
    calls = [
        {"type": "tool_call", "id": call.id, "name": call.tool, "arguments": call.arguments}
        for call in message.tool_calls
    ]
    finish_reason = _FINISH_REASONS[reply.stop]
    return {"role": "assistant", "parts": [*text, *calls], "finish_reason": finish_reason}


def _known(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}
