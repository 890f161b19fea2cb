"""What resolving an approval and answering a question have in common on this door."""

from typing import Annotated

from fastapi import Header, Response

from ops_core.ask import Ask
from ops_core.asks.once import Resolved
from ops_core.bounds import MAX_KEY_LENGTH

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description=f"1 to {MAX_KEY_LENGTH} printable characters. The same request with the same key is "
        "answered as the first time, with `Idempotent-Replay: true`.",
    ),
]


def resolved(done: Resolved, response: Response) -> Ask:
    """The ask; the response says whether this request had resolved it before."""
    if done.replayed:
        response.headers["Idempotent-Replay"] = "true"
    return done.ask
