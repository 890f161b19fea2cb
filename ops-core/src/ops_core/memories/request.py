"""What a client may ask to be remembered, with its bounds: the model that every door parses into."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ops_core.agents.reference import DEFAULT_AGENT, NAME_PATTERN
from ops_core.bodies import parsed, parsed_json
from ops_core.memories.port import NewMemory

#: About 1,000 tokens: a fact or a few, and no document. Characters.
MAX_TEXT: Final = 4_000

#: Keys of one memory, characters of one, and of a text that is its value.
MAX_KEYS: Final = 16
MAX_KEY: Final = 64
MAX_VALUE: Final = 500

#: Characters of the name of a user, which is whatever the client calls its users.
MAX_USER: Final = 200

#: Beyond it, a store that keeps numbers as JSON does not give back the same one.
BIGGEST_INT: Final = 2**53

Key = Annotated[str, Field(min_length=1, max_length=MAX_KEY)]
Text = Annotated[str, Field(max_length=MAX_VALUE)]
AgentName = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]


class MemoryRequest(BaseModel):
    """Something to remember, and whose it is."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    text: str = Field(
        max_length=MAX_TEXT,
        description="In words that need nothing else to be understood.",
        examples=["Ada drinks tea."],
    )
    agent: AgentName = Field(DEFAULT_AGENT, description="The agent that will find it.")
    user: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_USER,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="Whom it is about, as you call your users: found in tasks of that user only.",
        examples=["ada"],
    )
    metadata: dict[Key, bool | int | float | Text] = Field(
        default_factory=dict,
        max_length=MAX_KEYS,
        description="What it can be filtered by; agents set `topic`.",
    )

    @field_validator("text")
    @classmethod
    def _says_something(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("says nothing")
        return value.strip()

    @field_validator("metadata", mode="before")
    @classmethod
    def _exact(cls, value: object) -> object:
        """An integer that is too large would be taken for a float, and be another number then."""
        for key, each in value.items() if isinstance(value, dict) else ():
            if isinstance(each, int) and abs(each) > BIGGEST_INT:
                raise ValueError(f"{str(key)[:MAX_KEY]!r} must lie within 2**53; send it as a text")
        return value

    def new(self, tenant_id: str, source: str) -> NewMemory:
        return NewMemory(
            tenant_id=tenant_id,
            agent=self.agent,
            user=self.user or "",
            text=self.text,
            source=source[:MAX_VALUE],
            metadata=self.metadata,
        )


def parse_memory(data: dict[str, Any]) -> MemoryRequest:
    """Parses what is already Python data. Raises `InvalidRequest` naming each wrong field."""
    return parsed(MemoryRequest, data)


def parse_memory_json(body: bytes) -> MemoryRequest:
    """Parses JSON text. Raises `InvalidRequest` naming each wrong field."""
    return parsed_json(MemoryRequest, body)
