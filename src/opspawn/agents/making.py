"""Makes the agent of a task from the definitions that the task is tied to."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from agentkit import (
    Agent,
    AgentProfile,
    Limits,
    ModelSettings,
    PlanExecutePlanner,
    ReActPlanner,
    SimplePlanner,
    handoff,
)
from agentkit.journal import Journal
from agentkit.memory import Memory
from agentkit.planning import Planner
from agentkit.tools import Tool
from ops_core.task import Task
from opspawn.agents import policy, toolbox
from opspawn.agents.family import Family, Member
from opspawn.agents.providers import ModelClients, default_choice
from opspawn.agents.spending import Prices, answer_tokens
from opspawn.agents.windows import Windows
from opspawn.settings import Settings

#: The longest that one call to a provider may take. Seconds.
REMOTE_CALL_S: Final = 120.0

#: So many different ones of each are kept; one that is not is made again.
_KINDS: Final = 256

#: The prompt of each planner that has one with versions.
_PROMPTS: Final = {"react": "react", "plan_execute": "plan"}

KnownTo = Callable[[Member], Mapping[str, Tool]]
"""The tools that an agent may choose from."""


class AgentMaker:
    """Makes agents as settings and definitions say. The task is tied to the prompts that it began with;
    `prices` is told which provider each model is asked of.
    """

    def __init__(
        self,
        settings: Settings,
        providers: ModelClients,
        windows: Windows,
        known_to: KnownTo,
        task: Task,
        prices: Prices,
    ) -> None:
        self._settings = settings
        self._providers = providers
        self._windows = windows
        self._known_to = known_to
        self._pins = task.pins
        self._answer_tokens = answer_tokens(task)
        self._prices = prices

    def make(self, family: Family, journal: Journal, memory: Memory) -> Agent:
        """The agent that runs the task, over its journal. Raises `TaskFailed` for a tool that is not here."""
        made: dict[str, tuple[Agent, frozenset[str]]] = {}
        agent, _ = self._made(family.root, family, made, journal, memory)
        return agent

    def _made(
        self,
        member: Member,
        family: Family,
        made: dict[str, tuple[Agent, frozenset[str]]],
        journal: Journal | None = None,
        memory: Memory | None = None,
    ) -> tuple[Agent, frozenset[str]]:
        """The agent, and the names of all that it and those below it may call.

        Those below are made first, and each once; definitions hand over in no circle.
        """
        for ref in member.handoffs:
            if ref not in made:
                made[ref] = self._made(family.below[ref], family, made)
        known = self._known_to(member)
        planner = member.config.get("planner_type", self._settings.planner_type)
        unasked = () if planner == "simple" else toolbox.DEFAULT
        own = toolbox.chosen(known, member.config.get("tools", unasked))
        others = [self._as_tool(family.below[ref], made[ref][0]) for ref in member.handoffs]
        below = [made[ref][1] for ref in member.handoffs]
        reach = frozenset(tool.name for tool in (*own, *others)).union(*below)
        if memory is None:
            asked = member.definition.get("memory", {})
            memory = self._windows.of_run(asked.get("window_tokens"))
        agent = self._agent(member, own, others, reach, journal, memory)
        return agent, reach

    def _as_tool(self, member: Member, agent: Agent) -> Tool:
        return handoff(agent, member.description, timeout_s=self._settings.agent_timeout_s)

    def _agent(
        self,
        member: Member,
        own: Sequence[Tool],
        others: Iterable[Tool],
        reach: frozenset[str],
        journal: Journal | None,
        memory: Memory,
    ) -> Agent:
        settings, config = self._settings, member.config
        planner = config.get("planner_type", settings.planner_type)
        provider = config.get("llm_provider") or default_choice(settings).provider
        llm = self._providers.client(provider, config.get("llm_model"))
        self._prices.add(llm.model, provider)
        asked = _model_settings(
            config.get("temperature"), _timeout_s(provider, settings), self._answer_tokens
        )
        return Agent(
            llm,
            tools=(*own, *others),
            profile=_profile(member.name, config.get("instructions"), asked),
            planner=_planner(planner, _pinned(_PROMPTS.get(planner, "react"), self._pins)),
            memory=memory,
            # What those below it call is held to this as well.
            security=policy.manager(
                sorted(reach),
                toolbox.approved(own, config.get("approve", ())),
                member.definition.get("policy", {}),
            ),
            limits=_limits(
                config.get("max_steps", settings.agent_max_steps),
                settings.agent_timeout_s,
                config.get("max_tokens", settings.agent_max_tokens),
            ),
            journal=journal,
            output=config.get("output_schema"),
        )


# What agents are made of that never changes: thousands run at once, and are of a few kinds.


@lru_cache(maxsize=_KINDS)
def _model_settings(
    temperature: float | None, timeout_s: float, max_tokens: int | None
) -> ModelSettings:
    return ModelSettings(temperature=temperature, timeout_s=timeout_s, max_tokens=max_tokens)


@lru_cache(maxsize=_KINDS)
def _profile(name: str, instructions: str | None, asked: ModelSettings) -> AgentProfile:
    if instructions is None:
        return AgentProfile(name, settings=asked)
    return AgentProfile(name, instructions, asked)


@lru_cache(maxsize=_KINDS)
def _limits(steps: int | None, seconds: float, tokens: int | None) -> Limits:
    return Limits(steps=steps, seconds=seconds, tokens=tokens)


@lru_cache(maxsize=_KINDS)
def _planner(name: str, version: int | None) -> Planner:
    match name:
        case "simple":
            return SimplePlanner()
        case "plan_execute":
            return PlanExecutePlanner(prompt_version=version)
        case _:
            return ReActPlanner(prompt_version=version)


def _timeout_s(provider: str, settings: Settings) -> float:
    """How long one model call may take: a model in this process is only as fast as the machine."""
    return settings.agent_timeout_s if provider == "local" else REMOTE_CALL_S


def _pinned(prompt: str, pins: Sequence[str]) -> int | None:
    """The version of the prompt that a task began with; None before its first claim."""
    prefix = f"prompt:{prompt}@"
    return next((int(pin.removeprefix(prefix)) for pin in pins if pin.startswith(prefix)), None)
