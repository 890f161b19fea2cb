"""The person who is asked when nobody knows whether an effect took place: looks into the ledger, and says."""

import asyncio
from collections.abc import Collection
from contextlib import suppress

from ops_core.answers import resolution
from ops_core.errors import NothingAsked, StoreUnavailable, TaskFinished
from ops_core.replay import read
from ops_core.store import Database, SqlTaskStore
from support.ledger_tools import Effect


def settle_doubts(url: str, doubtful: Collection[str], ledger: Collection[Effect]) -> int:
    """Answers the open doubts of these tasks. Ask only when nothing that might still act is frozen.

    Returns how many there were.
    """
    done = {(effect.goal, effect.entry) for effect in ledger}
    return asyncio.run(_settle(url, doubtful, done))


async def _settle(url: str, doubtful: Collection[str], done: set[tuple[str, str]]) -> int:
    database, answered = Database(url, pool_size=2), 0
    store = SqlTaskStore(database)
    try:
        for task_id in doubtful:
            log = await store.events("default", task_id, after=0, limit=1000)
            for step, call in read(log).doubtful.items():
                goal, entry = call["arguments"]["goal"], call["arguments"]["entry"]
                word = (
                    resolution(step, "happened", f"{entry} is written")
                    if (goal, entry) in done
                    else resolution(step, "run_again", None)
                )
                with suppress(NothingAsked, TaskFinished, StoreUnavailable):
                    await store.signal("default", task_id, word)
                    answered += 1
    finally:
        await database.close()
    return answered
