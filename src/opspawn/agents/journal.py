"""The agent's journal, kept in the running task's log.

`agentkit` asks for steps, waits and children; `ops_core` keeps them. What is translated here is the words:
what clients see of a model call or a tool call, and what a person's word on a call in doubt means to a model.
"""

import json
from collections.abc import Awaitable, Callable, Coroutine
from decimal import Decimal
from functools import partial
from typing import Any, Final

from pydantic import JsonValue

from agentkit import messages
from agentkit.boundary import Outcome
from agentkit.decisions import Decision, Deny, NeedApproval
from agentkit.errors import ModelMisbehaved
from agentkit.journal import ChildResult, Step, UnknownOutcome
from agentkit.memory.summaries import Summary
from agentkit.messages import Reply
from agentkit.wire import from_json, to_json
from ops_core import errors, step
from ops_core.children import Children
from ops_core.errors import FailedBeforeEffect
from ops_core.journal import Journal
from ops_core.log import EventType
from ops_core.ports import ChildEnd, TaskLog
from ops_core.task import NOTHING_USED, JsonObject, Task, Usage
from ops_core.telling import PlainTelling
from opspawn.agents.spending import Price, no_price, wanted

Start = Callable[[Task, JsonObject, str], Awaitable[str]]
"""Submits a task with another one as its parent, as in `StartChild`."""


class TaskJournal:
    """`agentkit.Journal` over the log of one running task. `start` submits a task of its own.
    `answer_within_s` is how long people have to answer where nothing shorter is said; None: for ever.
    `price` says what a model call may cost.

    Raises `TaskFailed` when the log does not fit the program (`nondeterministic`), `TaskWaits` when the task
    must wait, `LostOwnership` when it is no longer ours.
    """

    __slots__ = ("_answer_within_s", "_is_paid", "_journal", "_log", "_price", "_start", "_task")

    def __init__(
        self,
        task: Task,
        log: TaskLog,
        start: Start,
        *,
        answer_within_s: float | None = None,
        price: Price = no_price,
    ) -> None:
        self._task = task
        self._log = log
        self._answer_within_s = answer_within_s
        self._price = price
        self._is_paid = log.purse is not None
        self._journal = Journal(task, log, telling=_TELLING)
        self._start = start

    def idempotency_key(self, path: str) -> str:
        """See `agentkit.Journal`."""
        return self._journal.idempotency_key(path)

    def record(
        self, asked: Step, run: Callable[[], Awaitable[JsonValue]]
    ) -> Coroutine[Any, Any, JsonValue]:
        """See `agentkit.Journal`. No more coroutines than it needs: thousands wait in each."""
        recorded = self._unsafe if asked.effect == "unsafe" else self._recorded
        return recorded(asked, run)

    def _recorded(
        self, asked: Step, run: Callable[[], Awaitable[JsonValue]]
    ) -> Coroutine[Any, Any, JsonValue]:
        return self._journal.record(
            step_of(asked),
            run,
            happened=None if asked.reported is None else partial(_happened, asked),
            may_use=wanted(asked, self._price) if self._is_paid else None,
        )

    async def _unsafe(self, asked: Step, run: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
        try:
            return await self._recorded(asked, partial(_ended, run))
        except _Raised as raised:
            raise raised.error from None

    @property
    def _children(self) -> Children:
        return Children(self._task, self._log, partial(self._start, self._task))

    async def wait(self, asked: Step) -> JsonValue:
        """See `agentkit.Journal`."""
        arguments: Any = asked.arguments
        match asked.kind:
            case "timer":
                await self._journal.sleep(asked.path, arguments["seconds"])
                return None
            case "input":
                within_s = self._within_s(asked)
                return _text(await self._journal.ask(asked.path, arguments, expires_in_s=within_s))
            case "approval":
                return await self._journal.approve(
                    asked.path,
                    arguments,
                    about=dict(asked.about),
                    expires_in_s=self._within_s(asked),
                )
            case "children":
                ends = await self._children.wait(asked.path, arguments["tasks"], arguments["need"])
                return [to_json(_result(end)) for end in ends]
            case _:
                raise AssertionError(f"{asked.kind} is not a wait")

    def _within_s(self, asked: Step) -> float | None:
        """How long a person has: the shortest of what the tool, the task and the server say."""
        of_task = self._task.input_data.get("agent_config", {}).get("answer_within_s")
        given = (asked.expires_in_s, of_task, self._answer_within_s)
        return min((seconds for seconds in given if seconds is not None), default=None)

    async def start_child(self, asked: Step) -> str:
        """See `agentkit.Journal`. The child has its parent's user and configuration, but for the options
        given and the schema, which is that of the parent's own answer."""
        arguments: Any = asked.arguments
        inherited = dict(self._task.input_data.get("agent_config", {}))
        inherited.pop("output_schema", None)
        user = self._task.input_data.get("user")
        config = inherited | {name: value for name, value in arguments.items() if name != "goal"}
        request = {
            "task_type": self._task.task_type,
            "agent": self._task.agent,
            "input_data": {"goal": arguments["goal"]}
            | ({} if user is None else {"user": user})
            | ({"agent_config": config} if config else {}),
            "priority": self._task.priority,
            "parent_task_id": self._task.task_id,
        }
        return await self._children.start(asked.path, request)


class AgentTelling(PlainTelling):
    """What clients see of an agent's finished steps."""

    def finished(
        self, done: step.Step, value: Any, duration_s: float
    ) -> tuple[EventType, JsonObject, Usage]:
        """See `ops_core.telling.Telling`. A summary is paid for, and is no step of the agent."""
        match done.kind:
            case "llm":
                reply = from_json(Reply, value)
                data = _model_data(done, reply) | {"duration_s": duration_s}
                return EventType.LLM_COMPLETED, data, _counted(reply.usage, steps=1)
            case "tool":
                outcome = from_json(Outcome, value)
                failed = outcome.observation.is_error
                kind = EventType.TOOL_FAILED if failed else EventType.TOOL_COMPLETED
                data = _tool_data(done, outcome) | {"duration_s": duration_s}
                return kind, data, NOTHING_USED
            case "memory":
                used = from_json(Summary, value).usage
                kind, data, _ = super().finished(done, value, duration_s)
                return kind, data | _bill(used), _counted(used, steps=0)
            case _:
                return super().finished(done, value, duration_s)

    def failed(
        self, done: step.Step, error: Exception, duration_s: float
    ) -> tuple[EventType, JsonObject, Usage] | None:
        """See `ops_core.telling.Telling`. A reply that leads nowhere is paid for: the log says so."""
        # A call inside of which a model misbehaved raises the same: that step has told it.
        if done.kind != "llm" or not isinstance(error, ModelMisbehaved) or error.reply is None:
            return None
        data = _model_data(done, error.reply) | {
            "error": {"type": error.type, "message": error.message},
            "duration_s": duration_s,
        }
        return EventType.LLM_FAILED, data, _counted(error.reply.usage, steps=1)


_TELLING: Final = AgentTelling()


class _Raised(FailedBeforeEffect):
    """Carries what an agent's step raised, of which agentkit says that nothing had happened."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


async def _ended(run: Callable[[], Awaitable[JsonValue]]) -> JsonValue:
    """How an unsafe step ended, in the words of the log."""
    try:
        return await run()
    except UnknownOutcome as doubt:
        raise errors.UnknownOutcome(doubt.detail) from doubt
    except Exception as error:
        raise _Raised(error) from error


def step_of(asked: Step) -> step.Step:
    """The same step in the words of the log."""
    return step.Step(asked.path, asked.kind, asked.name, asked.arguments, asked.effect)


def _happened(asked: Step, said: Any) -> JsonValue:
    """A person says that a call in doubt took effect, with this result."""
    assert asked.reported is not None, "a step that can be in doubt says what its report means"
    return asked.reported(_text(said), False)  # the port's own signature


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _result(end: ChildEnd) -> ChildResult:
    output = end.result.get("output") if end.result else None
    return ChildResult(
        task_id=end.task_id,
        status=end.status.value,
        output=None if output is None else _text(output),
        error=end.error.message if end.error else None,
    )


def _model_data(done: step.Step, reply: Reply) -> JsonObject:
    return done.place | {
        "model": reply.model,
        "text": reply.message.text,
        "tool_calls": [
            {"id": call.id, "tool": call.tool, "arguments": call.arguments}
            for call in reply.message.tool_calls
        ],
        **_bill(reply.usage),
    }


def _bill(used: messages.Usage) -> JsonObject:
    return {
        "usage": {"input_tokens": used.input_tokens, "output_tokens": used.output_tokens},
        "cost_usd": None if used.cost_usd is None else f"{used.cost_usd:f}",
    }


def _tool_data(done: step.Step, outcome: Outcome) -> JsonObject:
    return done.place | {
        "call_id": outcome.observation.call_id,
        "tool": done.name,
        "arguments": done.arguments,
        "effect": done.effect,
        "output": outcome.observation.text,
        "decision": outcome.decision.kind,
        "rule": outcome.decision.rule,
        "why": _why(outcome.decision),
    }


def _why(decision: Decision) -> str | None:
    match decision:
        case Deny(_, reason):
            return reason
        case NeedApproval(_, question):
            return question
        case _:
            return None


def _counted(used: messages.Usage, *, steps: int) -> Usage:
    return Usage(
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        # A price that is not known counts as nothing here; the event says that it is not known.
        cost_usd=used.cost_usd or Decimal(0),
        steps=steps,
    )
