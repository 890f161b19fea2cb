"""What a task asked of people: answers and decisions that come for nothing, and links that decide."""

from ops_core.errors.kinds import CallerError, OpsError


class NothingAsked(CallerError):
    """An answer came for a step that asked nothing, or that was answered before."""

    type = "nothing_asked"

    def __init__(self, task_id: str, step: str) -> None:
        if step:
            what = (
                f"Step {step[:100]!r} of the task {task_id} does not wait for this: it was answered before, "
                "or asked for nothing; the task's waiting_for says what is open."
            )
        else:
            what = f"No question of the task {task_id} is open; its waiting_for says what it waits for."
        super().__init__(what)


class AskNotFound(CallerError):
    """There is no such approval or input, or it belongs to another tenant (the answer is the same)."""

    type = "ask_not_found"

    def __init__(self, ask_id: str) -> None:
        super().__init__(f"There is no approval or input {ask_id[:100]!r}.")


class AlreadyResolved(CallerError):
    """An approval or an input is single use, and this one was used, has expired, or ended with its task."""

    type = "already_resolved"

    def __init__(self, ask_id: str, status: str) -> None:
        super().__init__(
            f"{ask_id} is {status}: it was decided once, and nothing can be said to it any more; "
            "its resolution says what, and by whom."
        )
        self.status = status


class LinksNotConfigured(CallerError):
    """Links that decide need a secret to sign them with, which only the operator can give."""

    type = "links_not_configured"

    def __init__(self) -> None:
        super().__init__(
            "This server makes no links: set OPSPAWN_LINK_SECRET to at least 32 random characters, the same "
            "for every API process, and start it again."
        )


class LinkRefused(OpsError):
    """A signed link cannot be used; whoever opened it sees a page that says why.

    `why` is `invalid`, `expired`, `used` or `gone`.
    """

    type = "link_refused"

    def __init__(self, why: str, detail: str) -> None:
        super().__init__(detail)
        self.why = why
