"""How an agent is named: `researcher` is its newest version, `researcher@3` is that one."""

import re
from typing import Final, NamedTuple

from ops_core.errors import FieldError, InvalidRequest

#: Also what a model may call, because an agent that work is handed over to is a tool.
NAME_PATTERN: Final = r"[A-Za-z0-9_-]{1,64}"

#: The agent that is always there: the server's settings, and nothing that could be changed.
DEFAULT_AGENT: Final = "default"

#: No version has a larger number.
MAX_VERSION: Final = 999_999_999

_REFERENCE: Final = re.compile(rf"({NAME_PATTERN})(?:@([1-9][0-9]{{0,8}}))?")


class AgentRef(NamedTuple):
    """A name, and a version or the newest one."""

    name: str
    version: int | None = None

    @classmethod
    def parse(cls, text: str, path: str = "agent") -> "AgentRef":
        """Raises `InvalidRequest` for what cannot be the name of an agent."""
        found = _REFERENCE.fullmatch(text)
        if found is None:
            message = "must look like name or name@3, with letters, digits, _ and - in the name"
            raise InvalidRequest([FieldError(path, message)])
        return cls(found[1], int(found[2]) if found[2] else None)

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}@{self.version}"
