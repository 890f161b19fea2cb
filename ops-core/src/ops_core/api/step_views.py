"""What clients see of the steps of a task."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from ops_core.api.views import Time
from ops_core.service import StepPage
from ops_core.steps import StepStatus


class StepView(BaseModel):
    """One step: a call, a wait, a look at the clock. What is not known of it is null."""

    model_config = ConfigDict(from_attributes=True)

    step: str = Field(description="Its path.", examples=["1/tool/1"])
    kind: str = Field(examples=["llm", "tool", "timer", "input", "approval", "child", "children"])
    name: str | None = Field(description="The tool or the model.", examples=["calculator"])
    key: str = Field(
        description="The idempotency key of its call, the same in every attempt and generation."
    )
    status: StepStatus = Field(
        description="`reserved`: nothing has happened, it may be made again. `dispatched`: an unsafe call "
        "was begun. `unknown`: nobody knows whether it took effect. `waiting`: it needs something from "
        "outside. `committed`: its value is on record. `failed`: it came to an error."
    )
    effect: str | None = Field(examples=["pure", "idempotent", "unsafe"])
    arguments: Any
    output: Any
    truncated: bool = Field(
        description="Whether a long value is shown by the beginning of its JSON text."
    )
    why: str | None = Field(description="Why its outcome is unknown, or why it was not made.")
    usage: dict[str, Any] | None
    cost_usd: str | None
    resolution: dict[str, Any] | None = Field(description="What a person said of it.")
    attempt: int
    generation: int
    started_at: Time | None
    finished_at: Time | None
    duration_s: float | None


class StepPageView(BaseModel):
    """Steps in the order in which they were first seen."""

    steps: list[StepView]
    total: int = Field(description="How many steps the task has, on all pages.")
    next_after: int = Field(
        description="`after` of the next page: how many steps were seen so far."
    )

    @classmethod
    def of(cls, page: StepPage, after: int) -> Self:
        views = [StepView.model_validate(step) for step in page.steps]
        return cls(steps=views, total=page.total, next_after=after + len(views))
