"""`Prefer: wait=N` (RFC 7240): a request that is held until its task has settled."""

import re
from typing import Annotated, Final

from fastapi import Depends, Header, Request, Response

from ops_core.api.dependencies import Streams
from ops_core.api.disconnect import unless_gone
from ops_core.streams.service import EventStreams
from ops_core.task import Task

#: One preference among others, which commas divide; parameters of it mean nothing to us.
_WAIT: Final = re.compile(r'(?:^|,)\s*wait\s*=\s*"?([0-9]{1,9})"?\s*(?=[,;]|$)', re.IGNORECASE)


class Held:
    """How long this request may be held. A preference that is not understood is none (RFC 7240, 2)."""

    def __init__(self, request: Request, streams: EventStreams, wait_s: int | None) -> None:
        self._request = request
        self._streams = streams
        self._wait_s = wait_s

    async def settled(self, task: Task, response: Response) -> Task:
        """The task once it has ended or needs something, or when the time is over; told in a header.

        Raises `ClientDisconnect` when nobody waits for the answer any more.
        """
        if self._wait_s is None:
            return task
        wait_s = min(self._wait_s, int(self._streams.settings.max_wait_s))
        response.headers["Preference-Applied"] = f"wait={wait_s}"
        return await unless_gone(
            self._request.receive, self._streams.settled(task, within_s=wait_s)
        )


async def _held(
    request: Request,
    streams: Streams,
    prefer: Annotated[
        list[str] | None,
        Header(
            alias="Prefer",
            description="`wait=30`: hold the answer for at most so many seconds, until the task has "
            "ended or needs something. The longest that is applied is in `Preference-Applied`.",
        ),
    ] = None,
) -> Held:
    found = _WAIT.search(",".join(prefer or ()))
    return Held(request, streams, int(found[1]) if found else None)


Holding = Annotated[Held, Depends(_held)]
