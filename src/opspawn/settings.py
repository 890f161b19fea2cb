"""Every setting, read once at start from the environment and `.env`.

Nothing else in the project reads the environment. A wrong value stops the start with one line that
names the key (`SettingsError`). `.env.example` documents every key, and a test compares the two.
"""

import os
import re
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self, get_args

from dotenv import dotenv_values
from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from opspawn.urls import AMQP_SHAPE, POSTGRESQL_SHAPE, check_amqp, check_postgresql, has_host

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Provider = Literal["openai", "anthropic", "google", "openrouter", "local"]

#: What must be at least so many times another, or the one makes the other useless.
_AT_LEAST: Final = (
    # One late heartbeat, or two, must not cost a living worker its tasks.
    ("heartbeat_ttl_s", 3.0, "heartbeat_s"),
    # A worker that has just lost its lock has to be heard of once more before it is taken for dead.
    ("reconnect_grace_s", 1.5, "heartbeat_s"),
    ("ring_grace_max_s", 1.0, "ring_grace_s"),
    ("dispatch_idle_s", 1.0, "dispatch_busy_s"),
    ("stream_idle_s", 1.0, "stream_poll_s"),
)

#: Whoever guesses the secret of links can decide every approval. Characters.
MIN_SECRET: Final = 32

#: A year. Seconds.
MAX_ANSWER_S: Final = 365 * 86_400.0


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
    api_tls_cert: Path | None = None
    api_tls_key: Path | None = None
    grpc_port: int = Field(50051, ge=0, le=65535)
    grpc_reflection: bool = False
    grpc_tls_cert: Path | None = None
    grpc_tls_key: Path | None = None
    grpc_tls_client_ca: Path | None = None
    grpc_keepalive_s: float = Field(30.0, ge=1, le=86_400)
    grpc_max_idle_s: float | None = Field(None, ge=1, le=86_400)
    grpc_max_age_s: float | None = Field(None, ge=1, le=86_400)
    url: str | None = None

    # Who may come in.
    auth: Literal["keys", "none"] = "keys"
    api_key: SecretStr | None = None
    requests_per_minute: int | None = Field(None, ge=1, le=1_000_000)
    audit_days: float = Field(400.0, gt=0)
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_keys: str | None = None
    jwt_algorithms: str = "RS256,ES256"
    jwt_tenant_claim: str = "tenant"
    jwt_tenant: str | None = None
    jwt_scope_claim: str = "scope"
    jwt_leeway_s: float = Field(30.0, ge=0, le=300)

    # Agents.
    llm_provider: Provider | None = Field(None, validation_alias="AGENTKIT_LLM_PROVIDER")
    llm_model: str | None = Field(None, validation_alias="AGENTKIT_LLM_MODEL")
    planner_type: Literal["react", "plan_execute", "simple"] = Field(
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
    llm_streaming: Literal["watched", "always"] = "watched"
    agent_timeout_s: float = Field(600.0, gt=0)
    agent_max_steps: int = Field(20, ge=1, le=1000)
    agent_max_tokens: int = Field(200_000, ge=1)
    agent_window_tokens: int = Field(16_000, ge=1_000)
    agent_summary_model: str | None = None
    tools: str = ""
    mcp_servers: Path | None = None
    agents: Path | None = None
    http_fetch_hosts: str = ""
    workspaces: Path | None = None
    python_code: bool = False

    # People: how long they have to answer, and links that let them decide without another key.
    answer_within_s: float | None = Field(None, gt=0, le=MAX_ANSWER_S)
    link_secret: SecretStr | None = None
    public_url: str | None = None

    # Doors beside REST, in the same process.
    mcp_door: bool = True
    a2a_door: bool = True

    # What agents remember beyond one task.
    ltm_provider: Literal["chroma", "none"] = Field(
        "none", validation_alias="AGENTKIT_LTM_PROVIDER"
    )
    ltm_chroma_url: str | None = Field(None, validation_alias="AGENTKIT_LTM_CHROMA_URL")
    ltm_chroma_path: Path = Field(
        Path(".agentkit-memory"), validation_alias="AGENTKIT_LTM_CHROMA_PATH"
    )
    ltm_chroma_collection: str = Field(
        "agentkit", validation_alias="AGENTKIT_LTM_CHROMA_COLLECTION"
    )
    ltm_embedder: Literal["hashing", "minilm", "openai"] = Field(
        "hashing", validation_alias="AGENTKIT_LTM_EMBEDDER"
    )

    # Workers and dispatcher.
    worker_queues: str = "default"
    worker_slots: int = Field(100, ge=1, le=10_000)
    heartbeat_s: float = Field(0.3, gt=0)
    heartbeat_ttl_s: float = Field(10.0, gt=0)
    reconnect_grace_s: float = Field(0.6, gt=0)
    ring_grace_s: float = Field(5.0, gt=0)
    ring_grace_max_s: float = Field(300.0, gt=0)
    dispatch_busy_s: float = Field(0.05, gt=0)
    dispatch_idle_s: float = Field(0.2, gt=0)
    drain_grace_s: float = Field(30.0, ge=0)

    # Streams, and requests that are held.
    max_streams: int = Field(10_000, ge=1, le=1_000_000)
    max_tenant_streams: int = Field(8_000, ge=1, le=1_000_000)
    stream_buffer: int = Field(1000, ge=1, le=100_000)
    stream_keepalive_s: float = Field(15.0, gt=0, le=3600)
    stream_poll_s: float = Field(0.02, ge=0.001, le=60)
    stream_idle_s: float = Field(1.0, ge=0.001, le=60)
    max_wait_s: float = Field(60.0, ge=0, le=3600)

    # Webhooks.
    webhook_networks: str = ""
    webhook_http: bool = False
    webhook_timeout_s: float = Field(15.0, gt=0, le=120)
    webhook_concurrency: int = Field(16, ge=1, le=1000)
    webhook_max_attempts: int = Field(20, ge=1, le=1000)
    webhook_give_up_s: float = Field(86_400.0, gt=0)
    webhook_disable_after_days: float = Field(5.0, gt=0)
    webhook_retention_days: float = Field(30.0, gt=0)

    # Limits and logs.
    max_children: int = Field(1000, ge=1, le=100_000)
    max_depth: int = Field(8, ge=1, le=100)
    max_unfinished_tasks: int = Field(100_000, ge=1)
    max_backlog: int = Field(1_000_000, ge=1)
    tenant_max_unfinished_tasks: str = ""
    retention_days: float | None = Field(None, gt=0)
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
            raise ValueError(POSTGRESQL_SHAPE)
        # The driver's own word for what libpq, and with it every cloud's URL, calls sslmode.
        rest = re.sub(r"(?<=[?&])sslmode=", "ssl=", rest)
        url = SecretStr(f"postgresql+asyncpg://{rest}")
        check_postgresql(url)
        return url

    @field_validator("rabbitmq_url")
    @classmethod
    def _amqp(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        if not url.get_secret_value().startswith(("amqp://", "amqps://")):
            raise ValueError(AMQP_SHAPE)
        check_amqp(url)
        return url

    @field_validator(
        "openai_base_url", "anthropic_base_url", "google_base_url", "openrouter_base_url"
    )
    @classmethod
    def _base_url(cls, url: str | None) -> str | None:
        # Never repeated: a gateway's may have a key in it.
        if url is not None and not has_host(url):
            raise ValueError("must look like https://host or http://host:8000/v1")
        return url

    @field_validator("ltm_chroma_url")
    @classmethod
    def _http(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(
            r"https?://(\[[\da-f:]+\]|[\w.-]+)(:\d{1,5})?/?", url
        ):
            raise ValueError("must look like http://host:8000 or https://host")
        return url

    @field_validator("public_url")
    @classmethod
    def _public(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(
            r"https?://(\[[\da-f:]+\]|[\w.-]+)(:\d{1,5})?(/[\w./-]*)?", url
        ):
            raise ValueError("must look like https://opspawn.example.org")
        return url

    @field_validator("link_secret")
    @classmethod
    def _long(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value()) < MIN_SECRET:
            raise ValueError(
                f"must have at least {MIN_SECRET} characters, drawn at random: openssl rand -hex 32"
            )
        return secret

    @field_validator("jwt_algorithms")
    @classmethod
    def _signatures(cls, names: str) -> str:
        wrong = [
            name
            for name in _names(names)
            if not re.fullmatch(r"(RS|PS|ES)(256|384|512)|EdDSA", name)
        ]
        if wrong or not _names(names):
            raise ValueError(
                "must be some of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and EdDSA, "
                "with commas in between: signatures that only the issuer can make"
            )
        return names

    @field_validator("ltm_chroma_collection")
    @classmethod
    def _collection(cls, name: str) -> str:
        if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,126}[a-zA-Z0-9]", name):
            raise ValueError("must be 3 to 128 letters, digits, dots, _ and -, such as agentkit")
        return name

    @field_validator("worker_queues")
    @classmethod
    def _some_queue(cls, names: str) -> str:
        if not _names(names):
            raise ValueError("must name a queue, such as default; several with commas in between")
        return names

    @field_validator("agent_summary_model")
    @classmethod
    def _provider_and_model(cls, named: str | None) -> str | None:
        provider, _, model = (named or "").partition(":")
        if named is not None and (provider not in get_args(Provider) or not model):
            raise ValueError(
                f"must be provider:model, such as openai:gpt-5.4-nano; providers: "
                f"{', '.join(get_args(Provider))}"
            )
        return named

    @field_validator("tools")
    @classmethod
    def _places(cls, names: str) -> str:
        place = r"plugin:[\w.-]+|[\w.]+:\w+"
        wrong = [name for name in _names(names) if not re.fullmatch(place, name)]
        if wrong:
            raise ValueError(
                "must be module:attribute or plugin:name, with commas in between; "
                f"not {wrong[0][:100]}"
            )
        return names

    @field_validator("http_fetch_hosts")
    @classmethod
    def _hosts(cls, names: str) -> str:
        host = r"\*|(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*"
        wrong = [name for name in _names(names) if not re.fullmatch(host, name)]
        if wrong:
            raise ValueError(
                "must be names such as example.org or *.example.org, with commas in between; "
                f"not {wrong[0][:100]}"
            )
        return names

    @field_validator("webhook_networks")
    @classmethod
    def _networks(cls, names: str) -> str:
        for name in _names(names):
            try:
                ip_network(name)
            except ValueError:
                raise ValueError(
                    "must be networks such as 10.1.0.0/16, with commas in between; "
                    f"not {name[:100]}"
                ) from None
        return names

    @field_validator("tenant_max_unfinished_tasks")
    @classmethod
    def _tenants(cls, limits: str) -> str:
        wrong = [one for one in _names(limits) if not re.fullmatch(r"[^=\s]+=[1-9]\d{0,17}", one)]
        if wrong:
            raise ValueError(f"must be tenant=number, with commas in between; not {wrong[0][:100]}")
        return limits

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        problems = [
            f"{env_name(longer)}: must be at least {_times(factor)}{env_name(shorter)} "
            f"({getattr(self, longer):g} is too short for {getattr(self, shorter):g})"
            for longer, factor, shorter in _AT_LEAST
            # A thousandth less is allowed: 1.5 * 0.4 is more than 0.6 in binary.
            if getattr(self, longer) < 0.999 * factor * getattr(self, shorter)
        ]
        token = {"jwt_issuer", "jwt_audience", "jwt_keys"}
        missing = sorted(name for name in token if getattr(self, name) is None)
        if 0 < len(missing) < len(token):
            problems += [f"{env_name(name)}: is needed as well to read tokens" for name in missing]
        problems += self._tls_problems()
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _tls_problems(self) -> list[str]:
        """A certificate is nothing without its key."""
        needs = (
            ("api_tls_cert", "api_tls_key"),
            ("api_tls_key", "api_tls_cert"),
            ("grpc_tls_cert", "grpc_tls_key"),
            ("grpc_tls_key", "grpc_tls_cert"),
            ("grpc_tls_client_ca", "grpc_tls_cert"),
        )
        return [
            f"{env_name(given)}: is only of use with {env_name(missing)}"
            for given, missing in needs
            if getattr(self, given) is not None and getattr(self, missing) is None
        ]

    @property
    def summaries_by(self) -> tuple[str, str] | None:
        """The provider and the model that sum up long conversations, if one does."""
        if self.agent_summary_model is None:
            return None
        provider, _, model = self.agent_summary_model.partition(":")
        return provider, model

    @property
    def memory_in_folder(self) -> bool:
        """Whether long-term memory is kept in a folder, which one process alone may use."""
        return self.ltm_provider == "chroma" and self.ltm_chroma_url is None

    @property
    def key_file(self) -> Path:
        """Where the first key of this machine is kept, for commands on it."""
        return self.data_dir / "api-key"

    @property
    def signatures(self) -> list[str]:
        return _names(self.jwt_algorithms)

    @property
    def server_url(self) -> str:
        """Where the command line finds the REST door: OPSPAWN_URL, else this machine's port."""
        if self.url is not None:
            return self.url
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"{self.api_scheme}://{f'[{host}]' if ':' in host else host}:{self.api_port}"

    @property
    def api_scheme(self) -> str:
        """What the REST door speaks."""
        return "http" if self.api_tls_cert is None else "https"

    @property
    def queues(self) -> list[str]:
        return _names(self.worker_queues)

    @property
    def tenant_limits(self) -> dict[str, int]:
        """The unfinished tasks that a tenant may have, where that is not the limit of all."""
        pairs = (one.split("=") for one in _names(self.tenant_max_unfinished_tasks))
        return {tenant: int(most) for tenant, most in pairs}

    @property
    def tool_names(self) -> list[str]:
        return _names(self.tools)

    @property
    def webhook_allowed_networks(self) -> list[str]:
        return _names(self.webhook_networks)

    @property
    def fetched_hosts(self) -> list[str]:
        return _names(self.http_fetch_hosts)


def load(**overrides: object) -> Settings:
    """Reads the settings; raises `SettingsError` with one line for each wrong key."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # overrides are validated like the rest
    except ValidationError as error:
        found = error.errors(include_input=False, include_context=False)
        raise SettingsError("\n".join(map(_line, found))) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f".env cannot be read: {error}") from None


def _line(error: "ErrorDetails") -> str:
    said = error["msg"].removeprefix("Value error, ")
    # What is wrong between several settings has no place of its own, and names its keys itself.
    return f"{env_name(str(error['loc'][0]))}: {said}" if error["loc"] else said


def environment(**changes: str) -> dict[str, str]:
    """This process's environment with changes: what a process that it starts needs to be set up like it."""
    return {**os.environ, **changes}


def variables() -> dict[str, str]:
    """What a configuration file may refer to: the environment, and `.env` behind it."""
    behind = {key: value for key, value in dotenv_values(".env").items() if value is not None}
    return {**behind, **os.environ}


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


def _names(list_of_names: str) -> list[str]:
    return [name.strip() for name in list_of_names.split(",") if name.strip()]


def _times(factor: float) -> str:
    return "" if factor == 1 else f"{factor:g} times "
