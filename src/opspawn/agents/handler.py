"""Runs an `agent_run` task: builds the agent that the task asks for, and tells what became of it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from agentkit import Agent, LongTermMemory, Namespace
from agentkit.errors import AgentError, LimitExceeded, ProviderError
from agentkit.events import Finished
from agentkit.journal import Journal
from agentkit.prompts import newest, versions
from agentkit.tools import Tool
from agentkit.tools.builtin import MEMORY_TOOLS, memory_tools
from ops_core.agents import Pins
from ops_core.errors import CallerError, TaskFailed
from ops_core.ports import TaskKey, TaskLog
from ops_core.request import TaskRequest, parse_request
from ops_core.service import Submitted
from ops_core.step import JOURNAL_VERSION
from ops_core.streams.pieces import Pieces
from ops_core.streams.signals import NoSignals, Signals
from ops_core.task import JsonObject, Reason, Task
from opspawn.agents import toolbox
from opspawn.agents.conversation import THREAD_TOKENS, InConversation, said_before
from opspawn.agents.family import Family, Member
from opspawn.agents.following import follow
from opspawn.agents.journal import Start, TaskJournal
from opspawn.agents.making import AgentMaker, KnownTo
from opspawn.agents.providers import ModelClients
from opspawn.agents.seen_tools import ServerTools
from opspawn.agents.so_far import PARTIAL_OUTPUT, so_far
from opspawn.agents.spending import Prices
from opspawn.agents.windows import Windows
from opspawn.settings import Settings

#: Version of the default agent: another one when its instructions or its ways change.
AGENT_VERSION: Final = 1

#: The prompts that have versions: a task is tied to one of each, whatever its planner.
_PROMPTS: Final = ("react", "plan")

#: Ends of a run that are not answers: the task fails, with the type and the remedy.
_NO_ANSWER: Final = {
    "length": ("output_truncated", "The model's answer was cut at its length limit; ask for less."),
    "refused": ("refused", "The model declined to answer; put the goal in another way."),
    "repeated_call": (
        "repeated_call",
        "The agent made the same tool call with the same arguments again and again; "
        "put the goal in another way, or choose a stronger model.",
    ),
    "invalid_plan": (
        "invalid_plan",
        "The model's plan cannot be carried out, nor can the one it made when it was told so; "
        "put the goal in another way, or choose a stronger model.",
    ),
    "plan_failed": (
        "plan_failed",
        "A step of the plan failed, and of those made after it; the task's steps say why.",
    ),
}


Submit = Callable[..., Awaitable[Submitted]]
"""`TaskService.submit`."""

MakeJournal = Callable[[Task, Any, Start], Journal]
"""Makes the journal of one run over its `TaskLog`."""


class AgentHandler:
    """`TaskHandler` of `agent_run`. `tools` are all that a task may choose from, beside those of `memory`;
    `submit` stores children.
    """

    def __init__(
        self,
        settings: Settings,
        providers: ModelClients,
        tools: Mapping[str, Tool],
        submit: Submit,
        *,
        journal: MakeJournal | None = None,
        mcp: ServerTools | None = None,
        memory: LongTermMemory | None = None,
        signals: Signals | None = None,
    ) -> None:
        self._settings = settings
        self._providers = providers
        self._tools = tools
        self._submit = submit
        self._journal = journal
        self._mcp = mcp
        self._memory = memory
        self._windows = Windows(settings, providers)
        self._signals = NoSignals() if signals is None else signals

    @property
    def pins(self) -> tuple[str, ...]:
        """What a new task is tied to."""
        return (
            f"journal@{JOURNAL_VERSION}",
            f"agent:default@{AGENT_VERSION}",
            *(f"prompt:{name}@{newest(name)}" for name in _PROMPTS),
        )

    @property
    def supports(self) -> frozenset[str]:
        """What tasks may be tied to and still run here: old prompts too."""
        old = {f"prompt:{name}@{version}" for name in _PROMPTS for version in versions(name)}
        return frozenset(self.pins) | old

    async def run(self, task: Task, log: TaskLog) -> JsonObject:
        """The agent's answer: `{"output", "structured", "artifacts"}`. Raises `TaskFailed`, with what there
        was of it when a budget or a limit ended the run.
        """
        try:
            agent, pieces = await self._prepared(task, log)
            finished = await follow(agent, task.input_data["goal"], log, pieces)
        except LimitExceeded as error:
            raise await _cut_short(TaskFailed(error.type, error.message), log) from error
        except TaskFailed as error:
            if error.reason != Reason.BUDGET_EXHAUSTED:
                raise
            raise await _cut_short(error, log) from error
        except AgentError as error:
            wait = error.retry_after_s if isinstance(error, ProviderError) else None
            raise TaskFailed(
                error.type, error.message, retryable=error.retryable, retry_after_s=wait
            ) from error
        if finished.reason in _NO_ANSWER:
            raise TaskFailed(*_no_answer(finished))
        return {"output": finished.output, "structured": finished.structured, "artifacts": []}

    async def _prepared(self, task: Task, log: TaskLog) -> tuple[Agent, Pieces]:
        """The agent, and who hears it. What made them is gone by the time that its model thinks."""
        family = await Family.of(task, log)
        prices = Prices()
        journal = self._journal_of(task, log, family, prices)
        agent = await self._agent(task, log, family, journal, prices)
        key = TaskKey(task.tenant_id, task.task_id)
        always = self._settings.llm_streaming == "always"
        return agent, Pieces(self._signals, key, always=always)

    async def _start_child(self, parent: Task, request: JsonObject, key: str) -> str:
        try:
            child: TaskRequest = parse_request(request)
            submitted = await self._submit(
                child,
                tenant_id=parent.tenant_id,
                idempotency_key=key,
                pins=Pins.of(parent),
            )
        except CallerError as error:
            raise TaskFailed("child_refused", f"A child was refused: {error}") from error
        return submitted.task.task_id

    def _journal_of(self, task: Task, log: TaskLog, family: Family, prices: Prices) -> Journal:
        if self._journal is not None:
            return self._journal(task, log, self._start_child)
        given = (family.root.config.get("answer_within_s"), self._settings.answer_within_s)
        within_s = min((seconds for seconds in given if seconds is not None), default=None)
        return TaskJournal(task, log, self._start_child, answer_within_s=within_s, price=prices)

    async def _agent(
        self, task: Task, log: TaskLog, family: Family, journal: Journal, prices: Prices
    ) -> Agent:
        """The agent as it was when the task was submitted, with what was said before in its thread."""
        await self._providers.prepare([*family.providers, *self._windows.providers])
        asked = family.root.definition.get("memory", {})
        tokens = asked.get("thread_tokens", THREAD_TOKENS)
        before = await said_before(task, log, journal, tokens)
        memory = self._windows.of_run(asked.get("window_tokens"))
        if before:
            memory = InConversation(before, memory)
        maker = AgentMaker(
            self._settings,
            self._providers,
            self._windows,
            await self._known_to(task, family, journal),
            task,
            prices,
        )
        return maker.make(family, journal, memory)

    async def _known_to(self, task: Task, family: Family, journal: Journal) -> KnownTo:
        """What each agent of the task may choose from: the worker's tools; those of its own memory and of MCP
        servers, of which it names any.
        """
        known = toolbox.of_task(self._tools, self._settings, task.task_id)
        named = [name for name in family.tools if name not in known and name not in MEMORY_TOOLS]
        # Once for all of them: it is one step of the run.
        theirs = {} if self._mcp is None else await self._mcp.of_run(named, journal)

        def known_to(member: Member) -> Mapping[str, Tool]:
            # The operator's own tools go first, should one have such a name.
            return {**theirs, **self._remembering(task, member), **known}

        return known_to

    def _remembering(self, task: Task, member: Member) -> Mapping[str, Tool]:
        """The tools of the memory that the task's tenant, the agent and the task's user have."""
        # Not for every task: to make them takes some milliseconds.
        if self._memory is None or not set(MEMORY_TOOLS) & set(member.config.get("tools", ())):
            return {}
        source = f"agent {member.name}, task {task.task_id}"
        namespace = Namespace(task.tenant_id, member.name, task.input_data.get("user", ""))
        return {tool.name: tool for tool in memory_tools(self._memory, namespace, source=source)}


def _no_answer(finished: Finished) -> tuple[str, str]:
    """The type and the message of the error; what is wrong with a plan is in no step of the task."""
    kind, message = _NO_ANSWER[finished.reason]
    return kind, f"{message} {finished.output[:500]}" if kind == "invalid_plan" else message


async def _cut_short(error: TaskFailed, log: TaskLog) -> TaskFailed:
    """The end of a run that a budget or a limit has ended, with what there was."""
    partial = so_far(await log.read())
    said = ((partial or {}).get("output") or "").strip()
    message = f"{error.message}{PARTIAL_OUTPUT}{said[:500]}" if said else error.message
    return TaskFailed(error.error_type, message, reason=error.reason, partial=partial)
