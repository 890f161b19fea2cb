"""What a client says to a task that waits, with its bounds: the models that every door parses into."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from ops_core.answers import Decision, EffectOutcome
from ops_core.task import JsonObject

#: No path of a step is longer. Characters.
MAX_STEP_LENGTH = 1000

#: A link is a key that lies in somebody's mailbox. Seconds; 30 days.
MAX_LINK_S = 30 * 86_400.0


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class InputReply(_Reply):
    """The answer to a question that a task asked."""

    answer: Any = Field(description="Any JSON; an agent reads text as it is, all else as JSON.")
    step: str | None = Field(
        None,
        max_length=MAX_STEP_LENGTH,
        description="The step that asked; may be left out when one question is open.",
    )


class EffectReply(_Reply):
    """A person's word on a call of which nobody knows whether it took effect."""

    outcome: EffectOutcome = Field(
        description="`happened`: `result` is what came of it. `run_again`: it did not happen, or may happen "
        "twice. `fail`: the task fails for it."
    )
    result: Any = Field(None, description="What the call came to; only with `happened`.")


class AnswerReply(_Reply):
    """The answer to one question."""

    answer: Any = Field(description="Any JSON; an agent reads text as it is, all else as JSON.")


class ApprovalReply(_Reply):
    """A person's decision on a call."""

    decision: Decision
    comment: str | None = Field(
        None, max_length=2000, description="Why; an agent reads it when the call is rejected."
    )
    arguments: dict[str, Any] | None = Field(
        None,
        description="With `approve`: the call is made with these instead, if they fit its tool; in the log "
        "they are the person's own.",
    )
    hash: str | None = Field(
        None,
        max_length=64,
        description="The `hash` of the approval that the person saw; another one is refused.",
    )

    @field_validator("arguments")
    @classmethod
    def _of_a_call(cls, value: JsonObject | None, info: ValidationInfo) -> JsonObject | None:
        if value is not None and info.data.get("decision") == "reject":
            raise ValueError("is only for a call that is approved")
        return value


class LinkRequest(_Reply):
    """A link that decides an approval."""

    decisions: list[Decision] = Field(
        default_factory=lambda: list[Decision](("approve", "reject")),
        min_length=1,
        max_length=2,
        description="What whoever holds the link may decide; both unless given.",
    )
    expires_in_s: float = Field(
        86_400.0,
        ge=60,
        le=MAX_LINK_S,
        description="Seconds, but never longer than the approval itself waits.",
    )
