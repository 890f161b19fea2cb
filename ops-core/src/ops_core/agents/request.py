"""What a client may ask of agents, with its bounds: the models that every door parses into."""

import hashlib
import json
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from ops_core.agents.reference import NAME_PATTERN
from ops_core.errors import FieldError, InvalidRequest
from ops_core.task import JsonObject

#: Instructions of 20,000 characters and a schema fit; a document does not. Bytes of JSON.
MAX_DEFINITION: Final = 65_536


class VersionRequest(BaseModel):
    """The next version of an agent."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    definition: dict[str, Any] = Field(
        description="What the agent is: the fields of a task's `agent_config`, and `description`, "
        "`handoffs`, `memory`, `policy` and `overrides`.",
        examples=[{"instructions": "You answer in one sentence.", "tools": ["calculator"]}],
    )

    def checked(self) -> tuple[JsonObject, str]:
        """The definition and its digest. Raises `InvalidRequest` when it is too large."""
        canonical = json.dumps(
            self.definition, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
        if len(canonical) > MAX_DEFINITION:
            problem = f"is larger than {MAX_DEFINITION} bytes of JSON"
            raise InvalidRequest([FieldError("definition", problem)])
        return self.definition, hashlib.sha256(canonical).hexdigest()


class AgentRequest(VersionRequest):
    """A new agent, with its first version."""

    name: str = Field(pattern=f"^{NAME_PATTERN}$", examples=["researcher"])
