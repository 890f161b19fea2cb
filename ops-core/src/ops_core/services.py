"""What the doors translate: one service a subject, put together by the composition root."""

from dataclasses import dataclass

from ops_core.service import TaskService


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The whole domain, as a door sees it."""

    tasks: TaskService
