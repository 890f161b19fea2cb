"""How far a planned run has come, read from its transcript and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from agentkit.events import PlannedStep
from agentkit.journal import IN_DOUBT
from agentkit.messages import AssistantMessage, Label, Message, ToolCall, ToolMessage, ToolSpec
from agentkit.planning.plan import InvalidPlan, read_plan, ready
from agentkit.planning.references import NotThere, filled_in


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that failed, and what was said of it: by whom `label` says, us if it was not called."""

    step: PlannedStep
    text: str
    label: Label


@dataclass
class Round:
    """One reply of the planning model: a plan and what came of it, or a mistake."""

    said: AssistantMessage
    plan: tuple[PlannedStep, ...] | None = None
    mistake: str | None = None
    succeeded: list[PlannedStep] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


class Course:
    """The rounds so far, and what the steps that succeeded have returned."""

    def __init__(self, tools: Mapping[str, ToolSpec], max_steps: int) -> None:
        self.rounds: list[Round] = []
        self.returned: dict[str, ToolMessage] = {}
        self.answer: AssistantMessage | None = None
        self._tools = tools
        self._max_steps = max_steps
        self._in_doubt: set[str] = set()

    def read(self, messages: Sequence[Message]) -> Course:
        """Take in what came after the opening: plans, observations, at last the answer."""
        for message in messages:
            match message:
                case AssistantMessage() if self.is_carried_out:
                    self.answer = message
                case AssistantMessage():
                    self._note_uncallable()
                    self.rounds.append(self._planned(message))
                case ToolMessage():
                    self._read_observation(message)
        self._note_uncallable()
        return self

    @property
    def plan(self) -> tuple[PlannedStep, ...] | None:
        """The plan that is being carried out; None while there is none that can be."""
        return self.rounds[-1].plan if self.rounds else None

    @property
    def failures(self) -> list[Failure]:
        """What stopped the plan; nothing while it can go on."""
        return self.rounds[-1].failures if self.rounds else []

    @property
    def begins(self) -> bool:
        """Whether nothing of the plan was done yet."""
        return not self.rounds[-1].succeeded

    @property
    def is_carried_out(self) -> bool:
        """Whether nothing of the plan is left to do."""
        return self.plan is not None and all(step.id in self.returned for step in self.plan)

    @property
    def failed_plans(self) -> int:
        """How many plans were stopped by a failure."""
        return sum(bool(one.failures) for one in self.rounds)

    @property
    def repeated_mistake(self) -> str | None:
        """What is wrong with a plan that was to mend a mistake, and makes one itself."""
        before, last = [None, None, *(one.mistake for one in self.rounds)][-2:]
        return last if before is not None else None

    def wave(self) -> tuple[ToolCall, ...]:
        """The calls that can be made now, with their references filled in."""
        return tuple(
            ToolCall(self._call_id(step), step.tool, self._arguments(step))
            for step in ready(self.plan or (), self.returned)
        )

    def _planned(self, message: AssistantMessage) -> Round:
        # Nobody answers calls that were not offered, so they are not part of what is shown again.
        said = replace(message, tool_calls=())
        try:
            plan = read_plan(message.text, self._tools, self.returned, self._max_steps)
        except InvalidPlan as error:
            return Round(said, mistake=str(error))
        return Round(said, plan)

    def _read_observation(self, message: ToolMessage) -> None:
        for step in self.plan or ():
            if self._call_id(step) != message.call_id:
                continue
            if message.is_error and message.text.endswith(IN_DOUBT):
                self._in_doubt.add(self._written(step))
            if message.is_error:
                self.rounds[-1].failures.append(Failure(step, message.text, message.label))
            else:
                self.rounds[-1].succeeded.append(step)
                self.returned[step.id] = message

    def _note_uncallable(self) -> None:
        """A step fails without a call, and the plan with it, when its reference leads to nothing,
        or when it would repeat a call that may have taken effect: no plan was made to check that."""
        if not self.rounds or self.rounds[-1].failures:
            return
        for step in ready(self.plan or (), self.returned):
            if problem := self._problem(step):
                failure = Failure(step, f"Not called: {problem}.", Label("operator"))
                self.rounds[-1].failures.append(failure)

    def _problem(self, step: PlannedStep) -> str | None:
        try:
            written = self._written(step)
        except NotThere as error:
            return str(error)
        doubted = "this very call was made and may have taken effect"
        return doubted if written in self._in_doubt else None

    def _written(self, step: PlannedStep) -> str:
        """The call as it is made, to be compared."""
        return json.dumps([step.tool, self._arguments(step)], sort_keys=True)

    def _arguments(self, step: PlannedStep) -> dict[str, object]:
        texts = {name: message.text for name, message in self.returned.items()}
        return filled_in(step.arguments, texts, self._tools[step.tool].parameters)

    def _call_id(self, step: PlannedStep) -> str:
        # A new plan may use the id of a step that failed, so the number of the plan is part of it.
        return f"plan{len(self.rounds)}_{step.id}"
