"""Steps in words for clients: plain ones, or those of a handler."""

from typing import Any, Final, Protocol

from ops_core.log import EventType
from ops_core.step import Step
from ops_core.task import NOTHING_USED, JsonObject, Usage


class Telling(Protocol):
    """How steps are told to clients."""

    def finished(
        self, step: Step, value: Any, duration_s: float
    ) -> tuple[EventType, JsonObject, Usage]:
        """The public event of a finished step, and what it used."""
        ...

    def failed(
        self, step: Step, error: Exception, duration_s: float
    ) -> tuple[EventType, JsonObject, Usage] | None:
        """The same of a step that raised, and is made again when its task runs again; None: nothing."""
        ...


class PlainTelling:
    """Steps of handlers that have no words of their own."""

    def finished(
        self, step: Step, value: Any, duration_s: float
    ) -> tuple[EventType, JsonObject, Usage]:
        data = step.place | {
            "kind": step.kind,
            "name": step.name,
            "effect": step.effect,
            "duration_s": duration_s,
        }
        if step.effect == "unsafe":
            return (
                EventType.TOOL_COMPLETED,
                data | {"tool": step.name, "output": value},
                NOTHING_USED,
            )
        return EventType.STEP_RECORDED, data, NOTHING_USED

    def failed(
        self, step: Step, error: Exception, duration_s: float
    ) -> tuple[EventType, JsonObject, Usage] | None:
        return None


PLAIN: Final = PlainTelling()
