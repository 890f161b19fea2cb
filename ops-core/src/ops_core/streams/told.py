"""An event as all who watch its task share it."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from ops_core.log import Event

Form = TypeVar("Form")


class Told:
    """Read once, and written once for each door, however many clients it goes to."""

    __slots__ = ("_forms", "event")

    def __init__(self, event: Event) -> None:
        self.event = event
        self._forms: dict[Callable[[Event], Any], Any] = {}

    def written(self, write: Callable[[Event], Form]) -> Form:
        """What `write`, a function of a module, makes of the event; made once."""
        form = self._forms.get(write)
        if form is None:
            form = self._forms[write] = write(self.event)
        return cast(Form, form)
