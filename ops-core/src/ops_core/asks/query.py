"""Which asks a client may ask to list: the models that every door parses into."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ops_core.ask import AskStatus
from ops_core.query import PageQuery, storable_text

TaskIdFilter = Annotated[str | None, Field(max_length=100), AfterValidator(storable_text)]


class ApprovalQuery(PageQuery):
    """A page of approvals, newest first. A filter that is left out does not filter."""

    status: (
        Literal[
            AskStatus.PENDING,
            AskStatus.APPROVED,
            AskStatus.REJECTED,
            AskStatus.EXPIRED,
            AskStatus.CANCELLED,
        ]
        | None
    ) = None
    task_id: TaskIdFilter = None


class InputQuery(PageQuery):
    """A page of questions, newest first. A filter that is left out does not filter."""

    status: (
        Literal[AskStatus.PENDING, AskStatus.ANSWERED, AskStatus.EXPIRED, AskStatus.CANCELLED]
        | None
    ) = None
    task_id: TaskIdFilter = None
