"""A plan made from the goal alone, carried out as it was made (plan-then-execute)."""

from __future__ import annotations

from collections.abc import Sequence

from agentkit.errors import UsageError
from agentkit.messages import (
    AssistantMessage,
    Label,
    Message,
    Stop,
    SystemMessage,
    ToolSpec,
    UserMessage,
)
from agentkit.planning.course import Course, Failure
from agentkit.planning.plan import described, plan_output
from agentkit.planning.port import Act, Ask, Finish, Move
from agentkit.planning.results import shown
from agentkit.planning.verdict import finish
from agentkit.prompts import Prompt, newest, read_prompt
from agentkit.quote import quote

MAX_REPLANS = 2
"""A goal that three plans did not reach is not reached by a fourth, and each is paid for."""

MAX_PLAN_STEPS = 30
"""More is a plan that nobody can read, and that a model can hardly write without a mistake."""

MAX_RESULTS = 40_000
"""Characters of all results in the question for the answer: about 10,000 tokens, which leaves room
for the rest in the 16,000 that a memory keeps unless told otherwise."""

_OPENING = 2


class PlanExecutePlanner:
    """Has the model write a plan of calls, makes them, and has the answer written from the results.

    The plan is made before anything untrusted is read, and results reach later calls by reference
    alone: no result can add a call, or change which tools are called. Calls that do not need each
    other are made at the same time. A plan that cannot be carried out is shown to the model once,
    then the run ends with the reason `invalid_plan`.

    When a call fails, the model may plan what is left, `max_replans` times; then the run ends with
    `plan_failed`. It is shown what the failed call said, and of the others only that they
    succeeded: with `max_replans=0`, no tool's words ever reach a plan.

    The answer is written from `max_results` characters of results, shared among the steps; the
    model is told what was cut. An unsafe call that is in doubt is not made again by another plan.

    `prompt` and `answer_prompt` are words of your own for planning and answering; the newest
    version of the files is used unless `prompt_version` is given.
    """

    def __init__(
        self,
        *,
        max_replans: int = MAX_REPLANS,
        max_plan_steps: int = MAX_PLAN_STEPS,
        max_results: int = MAX_RESULTS,
        prompt: Prompt | None = None,
        answer_prompt: Prompt | None = None,
        prompt_version: int | None = None,
    ) -> None:
        if max_replans < 0 or max_plan_steps < 1 or max_results < 1:
            raise UsageError(
                "PlanExecutePlanner: max_replans is from 0 on, max_plan_steps and max_results from 1."
            )
        self._max_replans = max_replans
        self._max_plan_steps = max_plan_steps
        self._max_results = max_results
        version = newest("plan") if prompt_version is None else prompt_version
        self._files = f"plan@{version}"
        self._prompt = prompt or Prompt(self._files, read_prompt("plan", version))
        self._answer = answer_prompt or Prompt(self._files, read_prompt("plan_answer", version))
        self._again = read_prompt("plan_again", version)
        self._wrong = read_prompt("plan_wrong", version)

    @property
    def pins(self) -> tuple[str, ...]:
        """The version of its prompts, and the names of your own."""
        names = (self._files, self._prompt.name, self._answer.name)
        return tuple(f"prompt:{name}" for name in dict.fromkeys(names))

    def open(self, instructions: str, goal: str, tools: Sequence[ToolSpec]) -> tuple[Message, ...]:
        """The instructions as they are, then the goal; what else is said depends on the move."""
        return SystemMessage(instructions), UserMessage(goal)

    def next(
        self, transcript: Sequence[Message], stop: Stop | None, tools: Sequence[ToolSpec] = ()
    ) -> Move:
        """Plan, act wave by wave, answer; plan again when a step fails."""
        last = transcript[-1]
        if isinstance(last, AssistantMessage) and stop in ("length", "refused"):
            return finish(last, stop)
        course = Course({tool.name: tool for tool in tools}, self._max_plan_steps)
        course.read(transcript[_OPENING:])
        if course.answer is not None:
            return finish(course.answer, stop)
        return self._end(course) or self._move(transcript, tools, course)

    def _end(self, course: Course) -> Finish | None:
        if course.repeated_mistake is not None:
            return Finish(f"No plan can be carried out: {course.repeated_mistake}.", "invalid_plan")
        if course.failures and course.failed_plans > self._max_replans:
            return Finish("\n".join(map(_told, course.failures)), "plan_failed")
        return None

    def _move(
        self, transcript: Sequence[Message], tools: Sequence[ToolSpec], course: Course
    ) -> Move:
        if course.plan is None or course.failures:
            return Ask(self._planning(transcript, tools, course), False, plan_output())
        if course.is_carried_out:
            return Ask(self._answering(transcript, course), offer_tools=False)
        return Act(course.wave(), course.plan if course.begins else None)

    def _planning(
        self, transcript: Sequence[Message], tools: Sequence[ToolSpec], course: Course
    ) -> tuple[Message, ...]:
        """The goal and the tools; then each plan with what was wrong with it."""
        system, goal = transcript[:_OPENING]
        asked = SystemMessage(f"{system.text}\n\n{self._prompt.text}\n\n{described(tools)}")
        messages: list[Message] = [asked, goal]
        for one in course.rounds:
            if one.said.text:
                messages.append(one.said)
            if one.mistake is not None:
                messages.append(_from_us(f"{self._wrong}\n{one.mistake}."))
            elif one.failures:
                # What the tools of other steps said is no part of it: it could change the plan.
                done = ", ".join(f"{step.id} ({step.tool})" for step in one.succeeded)
                told = _from_us(f"{self._again}\n\nOf this plan succeeded: {done or 'nothing'}.")
                messages += [told, *map(_failed, one.failures)]
        return tuple(messages)

    def _answering(self, transcript: Sequence[Message], course: Course) -> tuple[Message, ...]:
        """The goal and what the steps returned. As words, not as results of tool calls: those
        would be orphans, because no model has asked for them."""
        system, goal = transcript[:_OPENING]
        asked = SystemMessage(f"{system.text}\n\n{self._answer.text}")
        returned = shown(course.returned, self._max_results)
        failed = [_failed(failure) for one in course.rounds for failure in one.failures]
        return (asked, goal, *returned, *failed)


def _from_us(text: str) -> UserMessage:
    return UserMessage(text, label=Label("operator"))


def _failed(failure: Failure) -> UserMessage:
    # Untrusted, and said to be: a tool's error may carry the words of whoever it talked to.
    return UserMessage(_told(failure), label=failure.label)


def _told(failure: Failure) -> str:
    return f"Step {failure.step.id} ({failure.step.tool}) failed: {quote(failure.text)}"
