"""What receivers of push notifications are sent: the task as it is, as an event of a stream."""

import json
from typing import Final

from ops_core.a2a.views import task_view
from ops_core.log import EventType
from ops_core.task import JsonObject
from ops_core.webhooks.model import Claimed
from ops_core.webhooks.payload import MAX_BODY

#: Events after which a task stands elsewhere.
EVENTS: Final = (
    EventType.TASK_CLAIMED.value,
    EventType.TASK_WAITING.value,
    EventType.TASK_COMPLETED.value,
    EventType.TASK_FAILED.value,
    EventType.TASK_CANCELLED.value,
)


def notification(claimed: Claimed) -> bytes:
    """The whole task: one that comes late or twice says nothing wrong. At most `MAX_BODY`.

    What would be larger leaves out the answer, which GetTask has.
    """
    assert claimed.task is not None  # a config is of a task, and what was deleted is not sent
    whole = _dump(task_view(claimed.task))
    return whole if len(whole) <= MAX_BODY else _dump(_shortened(task_view(claimed.task)))


def _shortened(view: JsonObject) -> JsonObject:
    status = {name: value for name, value in view["status"].items() if name != "message"}
    kept = {name: view[name] for name in ("id", "contextId", "metadata")}
    return {**kept, "status": status}


def _dump(view: JsonObject) -> bytes:
    return json.dumps({"task": view}, separators=(",", ":"), ensure_ascii=False).encode()
