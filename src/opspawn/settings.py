"""Every setting, read once at start from the environment and `.env`.

Nothing else in the project reads the environment. A wrong value stops the start with one line that
names the key (`SettingsError`). `.env.example` documents every key, and a test compares the two.
"""

import os
import re
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Provider = Literal["openai", "anthropic", "google", "openrouter", "local"]


class SettingsError(Exception):
    """The configuration is wrong; the message is one line a key, each naming its key."""


class Settings(BaseSettings):
    """The configuration of one process. Durations are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_prefix="OPSPAWN_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    # Where things are. Unset database and broker: our own PostgreSQL, a broker in process.
    database_url: SecretStr | None = Field(None, validation_alias="DATABASE_URL")
    database_direct_url: SecretStr | None = None
    rabbitmq_url: SecretStr | None = Field(None, validation_alias="RABBITMQ_URL")
    data_dir: Path = Path(".opspawn")
    host: str = "127.0.0.1"
    api_port: int = Field(8000, ge=0, le=65535)
    grpc_port: int = Field(50051, ge=0, le=65535)
    grpc_reflection: bool = False
    url: str | None = None

    # Agents.
    llm_provider: Provider | None = Field(None, validation_alias="AGENTKIT_LLM_PROVIDER")
    llm_model: str | None = Field(None, validation_alias="AGENTKIT_LLM_MODEL")
    planner_type: Literal["react", "simple"] = Field(
        "react", validation_alias="AGENTKIT_PLANNER_TYPE"
    )
    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, validation_alias="OPENAI_BASE_URL")
    anthropic_api_key: SecretStr | None = Field(None, validation_alias="ANTHROPIC_API_KEY")
    anthropic_base_url: str | None = Field(None, validation_alias="ANTHROPIC_BASE_URL")
    google_api_key: SecretStr | None = Field(
        None, validation_alias=AliasChoices("GOOGLE_API_KEY", "GEMINI_API_KEY")
    )
    google_base_url: str | None = Field(None, validation_alias="GOOGLE_BASE_URL")
    openrouter_api_key: SecretStr | None = Field(None, validation_alias="OPENROUTER_API_KEY")
    openrouter_base_url: str | None = Field(None, validation_alias="OPENROUTER_BASE_URL")
    local_model_path: Path | None = None
    agent_timeout_s: float = Field(600.0, gt=0)
    agent_max_steps: int = Field(20, ge=1, le=1000)
    agent_max_tokens: int = Field(200_000, ge=1)

    # Workers and dispatcher.
    worker_queues: str = "default"
    worker_slots: int = Field(100, ge=1, le=10_000)
    heartbeat_s: float = Field(0.4, gt=0)
    heartbeat_ttl_s: float = Field(10.0, gt=0)
    reconnect_grace_s: float = Field(0.75, gt=0)
    ring_grace_s: float = Field(5.0, gt=0)
    ring_grace_max_s: float = Field(300.0, gt=0)
    dispatch_busy_s: float = Field(0.05, gt=0)
    dispatch_idle_s: float = Field(0.2, gt=0)
    drain_grace_s: float = Field(30.0, ge=0)

    # Limits and logs.
    max_body_bytes: int = Field(1_048_576, ge=1024)
    database_pool: int = Field(10, ge=2, le=200)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"

    @field_validator("database_url", "database_direct_url")
    @classmethod
    def _postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        scheme, _, rest = url.get_secret_value().partition("://")
        if scheme not in {"postgresql", "postgres", "postgresql+asyncpg"} or not rest:
            raise ValueError("must look like postgresql://user:password@host:5432/name")
        # The driver's own word for what libpq, and with it every cloud's URL, calls sslmode.
        rest = re.sub(r"(?<=[?&])sslmode=", "ssl=", rest)
        return SecretStr(f"postgresql+asyncpg://{rest}")

    @field_validator("rabbitmq_url")
    @classmethod
    def _amqp(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("amqp://", "amqps://")):
            raise ValueError("must look like amqp://user:password@host:5672/vhost")
        return url

    @property
    def server_url(self) -> str:
        """Where the command line finds the REST door: OPSPAWN_URL, else this machine's port."""
        if self.url is not None:
            return self.url
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.api_port}"

    @property
    def queues(self) -> list[str]:
        return [name.strip() for name in self.worker_queues.split(",") if name.strip()]


def load(**overrides: object) -> Settings:
    """Reads the settings; raises `SettingsError` with one line for each wrong key."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # overrides are validated like the rest
    except ValidationError as error:
        lines = [
            f"{env_name(str(e['loc'][0]))}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors(include_input=False, include_context=False)
        ]
        raise SettingsError("\n".join(lines)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f".env cannot be read: {error}") from None


def unknown_keys() -> list[str]:
    """Keys that look like ours and mean nothing: most likely misspelt."""
    written = {*os.environ, *dotenv_values(".env")}
    known = {key for field in Settings.model_fields for key in env_names(field)}
    ours = {key for key in written if key.startswith(("OPSPAWN_", "AGENTKIT_"))}
    return sorted(ours - known)


def env_name(field: str) -> str:
    """The environment variable that sets a field."""
    return env_names(field)[0]


def env_names(field: str) -> list[str]:
    """All environment variables that set a field, the one to use first."""
    info = Settings.model_fields.get(field)
    if info is None:
        return [field]
    alias = info.validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices]
    return [alias] if isinstance(alias, str) else [f"OPSPAWN_{field.upper()}"]
