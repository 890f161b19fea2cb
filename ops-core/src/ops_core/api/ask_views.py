"""What clients see of approvals and questions."""

from typing import Any, Self

from pydantic import BaseModel, Field

from ops_core.api.views import Time
from ops_core.ask import Ask, AskStatus
from ops_core.asks.links import Link
from ops_core.asks.port import AskPage

_OVER = "Null while it is pending."


class ApprovalView(BaseModel):
    """A call that needs a person's leave."""

    approval_id: str = Field(examples=["apr_0123456789abcdef0123456789abcdef"])
    task_id: str = Field(examples=["task_0123456789abcdef0123456789abcdef"])
    step: str = Field(description="The step that asks.", examples=["1/tool/1/approval/1"])
    generation: int = Field(description="Of the task; a retried task asks anew.")
    status: AskStatus = Field(
        description="`pending`, `approved`, `rejected`, `expired` (which counts as rejected) or `cancelled` "
        "(its task ended first).",
        examples=["pending"],
    )
    question: str | None
    tool: str | None
    arguments: Any = Field(description="With which the tool would be called.")
    hash: str = Field(description="SHA-256 of task, step, tool and canonical arguments.")
    sources: list[dict[str, Any]] | None = Field(
        description="Where what the model had been shown by then comes from: its arguments may, too. Null "
        "where the agent does not know.",
        examples=[[{"source": "user", "name": "", "trusted": True}]],
    )
    decision: str | None = Field(description=_OVER, examples=["approve"])
    comment: str | None
    given_arguments: dict[str, Any] | None = Field(
        description="What the person gave instead; the call was made with these."
    )
    resolved_by: str | None = Field(description="Who decided.")
    requested_at: Time
    expires_at: Time | None = Field(description="Null: it waits for as long as its task does.")
    resolved_at: Time | None = Field(description=_OVER)

    @classmethod
    def of(cls, ask: Ask) -> Self:
        said = ask.resolution or {}
        return cls(
            approval_id=ask.ask_id,
            task_id=ask.task_id,
            step=ask.step,
            generation=ask.generation,
            status=ask.status,
            question=ask.asked.get("question"),
            tool=ask.asked.get("tool"),
            arguments=ask.asked.get("arguments"),
            hash=ask.hash,
            sources=ask.asked.get("sources"),
            decision=said.get("decision"),
            comment=said.get("comment"),
            given_arguments=said.get("arguments"),
            resolved_by=ask.resolved_by,
            requested_at=ask.requested_at,
            expires_at=ask.expires_at,
            resolved_at=ask.resolved_at,
        )


class ApprovalPageView(BaseModel):
    """One page of approvals, newest first."""

    approvals: list[ApprovalView]
    total: int = Field(description="How many match, on all pages.")
    next_cursor: str | None = Field(description="Null on the last page.")

    @classmethod
    def of(cls, page: AskPage) -> Self:
        views = [ApprovalView.of(ask) for ask in page.asks]
        return cls(approvals=views, total=page.total, next_cursor=page.next_cursor)


class InputView(BaseModel):
    """A question to a person."""

    input_id: str = Field(examples=["inp_0123456789abcdef0123456789abcdef"])
    task_id: str = Field(examples=["task_0123456789abcdef0123456789abcdef"])
    step: str = Field(description="The step that asks.", examples=["1/tool/1/input/1"])
    generation: int = Field(description="Of the task; a retried task asks anew.")
    status: AskStatus = Field(
        description="`pending`, `answered`, `expired` or `cancelled` (its task ended first).",
        examples=["pending"],
    )
    question: str | None
    answer: Any = Field(description="Null while there is none; any JSON.")
    resolved_by: str | None = Field(description="Who answered.")
    requested_at: Time
    expires_at: Time | None = Field(description="Null: it waits for as long as its task does.")
    resolved_at: Time | None = Field(description=_OVER)

    @classmethod
    def of(cls, ask: Ask) -> Self:
        return cls(
            input_id=ask.ask_id,
            task_id=ask.task_id,
            step=ask.step,
            generation=ask.generation,
            status=ask.status,
            question=ask.asked.get("question"),
            answer=(ask.resolution or {}).get("answer"),
            resolved_by=ask.resolved_by,
            requested_at=ask.requested_at,
            expires_at=ask.expires_at,
            resolved_at=ask.resolved_at,
        )


class InputPageView(BaseModel):
    """One page of questions, newest first."""

    inputs: list[InputView]
    total: int = Field(description="How many match, on all pages.")
    next_cursor: str | None = Field(description="Null on the last page.")

    @classmethod
    def of(cls, page: AskPage) -> Self:
        views = [InputView.of(ask) for ask in page.asks]
        return cls(inputs=views, total=page.total, next_cursor=page.next_cursor)


class LinkView(BaseModel):
    """A link that decides an approval. Whoever has it needs nothing else: treat it as a key."""

    url: str = Field(examples=["https://opspawn.example.org/l/WyJkZWZ…"])
    expires_at: Time

    @classmethod
    def of(cls, link: Link, base_url: str) -> Self:
        """`base_url`: this server as the client reaches it, for one that does not know its own address."""
        return cls(url=link.url or base_url.rstrip("/") + link.path, expires_at=link.expires_at)
