"""What was said before in a task's thread, as its agent remembers it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from pydantic import JsonValue

from agentkit.journal import Journal, Step
from agentkit.memory import Memory, Recorder, estimate_tokens
from agentkit.messages import AssistantMessage, Label, Message, SystemMessage, UserMessage
from ops_core.log import EventType
from ops_core.ports import Exchange, TaskLog
from ops_core.task import JsonObject, Status, Task

#: How many earlier tasks are read; what fits of them is kept.
MAX_READ: Final = 50

#: What is shown of the conversation, besides the run itself, when the definition does not say.
THREAD_TOKENS: Final = 8_000

#: Where in the program it is read: before the first step.
_PATH: Final = "0/thread"

#: About as agentkit counts. Characters.
_PER_TOKEN: Final = 4

# It carries the label that earlier answers cannot: they may repeat what a tool has read, in a run that is
# over.
_BEFORE: Final = UserMessage(
    "What follows was said before in this conversation; what is asked now comes last.",
    label=Label("memory", "thread"),
)

#: In place of an answer, for tasks that have none.
_UNANSWERED: Final = {
    Status.CANCELLED.value: "(This was interrupted before it was answered.)",
    Status.FAILED.value: "(This failed before it was answered.)",
}


@dataclass(frozen=True, slots=True)
class InConversation:
    """A memory that shows what was said before between the instructions and the goal."""

    before: Sequence[Message]
    inner: Memory

    async def window(self, messages: Sequence[Message], record: Recorder) -> tuple[Message, ...]:
        """What `inner` keeps of the run, with all of the conversation, which fits as it is."""
        kept = await self.inner.window(messages, record)
        goal = next((n for n, one in enumerate(kept) if not isinstance(one, SystemMessage)), 0)
        return (*kept[:goal], *self.before, *kept[goal:])


async def said_before(
    task: Task, log: TaskLog, journal: Journal, max_tokens: int
) -> tuple[Message, ...]:
    """The newest part of the task's thread that fits; as it was when this was first asked."""
    if task.thread_id is None or _began_without(log):
        return ()

    async def read() -> JsonValue:
        exchanges = await log.earlier(MAX_READ)
        return cast("JsonValue", _fitting([_said(each) for each in exchanges], max_tokens))

    step = Step(_PATH, "value", "thread", None, "pure")
    kept = cast("list[JsonObject]", await journal.record(step, read))
    said = [message for each in kept for message in _messages(each)]
    return (_BEFORE, *said) if said else ()


def _began_without(log: TaskLog) -> bool:
    """Whether the run is of a build that knew no conversations: it goes on as it began."""
    is_there = any((event.journal or {}).get("path") == _PATH for event in log.history)
    return not is_there and any(event.type == EventType.LLM_COMPLETED for event in log.history)


def _said(exchange: Exchange) -> JsonObject:
    # What a failed task has is no answer: the part of one that there was.
    result = exchange.result if exchange.status is Status.COMPLETED else None
    output = (result or {}).get("output")
    return {
        "task_id": exchange.task_id,
        "status": exchange.status.value,
        "goal": str(exchange.input_data.get("goal", "")),
        "answer": output if isinstance(output, str) else None,
    }


def _fitting(said: Sequence[JsonObject], max_tokens: int) -> list[JsonObject]:
    """The newest of them; of a long one the beginning."""
    left = max_tokens
    kept: list[JsonObject] = []
    for each in reversed(said):
        shown = each | {name: _cut(each[name], max_tokens) for name in ("goal", "answer")}
        left -= sum(map(estimate_tokens, _messages(shown)))
        if left < 0:
            break
        kept.insert(0, shown)
    return kept


def _cut(text: str | None, max_tokens: int) -> str | None:
    """At most a fifth of the room, so that two exchanges at least fit."""
    longest = max_tokens * _PER_TOKEN // 5
    if text is None or len(text) <= longest:
        return text
    return f"{text[:longest]} [{len(text) - longest} characters left out]"


def _messages(each: JsonObject) -> tuple[Message, Message]:
    answer = each["answer"]
    if answer is None:
        answer = _UNANSWERED.get(each["status"], "(This was not answered in words.)")
    return UserMessage(each["goal"]), AssistantMessage(answer)
