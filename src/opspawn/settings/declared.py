"""The settings themselves: what there is, what it is unless it is set, and how several fit together."""

from pathlib import Path
from typing import Final, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from opspawn.settings.names import (
    CollectionName,
    HostNames,
    LinkSecret,
    ModelName,
    Networks,
    Provider,
    QueueNames,
    SignatureNames,
    TenantLimits,
    ToolNames,
    listed,
)
from opspawn.settings.urls import AmqpUrl, PostgresqlUrl, ProviderUrl, PublicUrl, ServerUrl

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

#: A year. Seconds.
MAX_ANSWER_S: Final = 365 * 86_400.0


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
    database_url: PostgresqlUrl | None = Field(None, validation_alias="DATABASE_URL")
    database_direct_url: PostgresqlUrl | None = None
    rabbitmq_url: AmqpUrl | None = Field(None, validation_alias="RABBITMQ_URL")
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
    jwt_algorithms: SignatureNames = "RS256,ES256"
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
    openai_base_url: ProviderUrl | None = Field(None, validation_alias="OPENAI_BASE_URL")
    anthropic_api_key: SecretStr | None = Field(None, validation_alias="ANTHROPIC_API_KEY")
    anthropic_base_url: ProviderUrl | None = Field(None, validation_alias="ANTHROPIC_BASE_URL")
    google_api_key: SecretStr | None = Field(
        None, validation_alias=AliasChoices("GOOGLE_API_KEY", "GEMINI_API_KEY")
    )
    google_base_url: ProviderUrl | None = Field(None, validation_alias="GOOGLE_BASE_URL")
    openrouter_api_key: SecretStr | None = Field(None, validation_alias="OPENROUTER_API_KEY")
    openrouter_base_url: ProviderUrl | None = Field(None, validation_alias="OPENROUTER_BASE_URL")
    local_model_path: Path | None = None
    llm_streaming: Literal["watched", "always"] = "watched"
    agent_timeout_s: float = Field(600.0, gt=0)
    agent_max_steps: int = Field(20, ge=1, le=1000)
    agent_max_tokens: int = Field(200_000, ge=1)
    agent_window_tokens: int = Field(16_000, ge=1_000)
    agent_summary_model: ModelName | None = None
    tools: ToolNames = ""
    mcp_servers: Path | None = None
    agents: Path | None = None
    http_fetch_hosts: HostNames = ""
    workspaces: Path | None = None
    python_code: bool = False

    # People: how long they have to answer, and links that let them decide without another key.
    answer_within_s: float | None = Field(None, gt=0, le=MAX_ANSWER_S)
    link_secret: LinkSecret | None = None
    public_url: PublicUrl | None = None

    # Doors beside REST, in the same process.
    mcp_door: bool = True
    a2a_door: bool = True

    # What agents remember beyond one task.
    ltm_provider: Literal["chroma", "none"] = Field(
        "none", validation_alias="AGENTKIT_LTM_PROVIDER"
    )
    ltm_chroma_url: ServerUrl | None = Field(None, validation_alias="AGENTKIT_LTM_CHROMA_URL")
    ltm_chroma_path: Path = Field(
        Path(".agentkit-memory"), validation_alias="AGENTKIT_LTM_CHROMA_PATH"
    )
    ltm_chroma_collection: CollectionName = Field(
        "agentkit", validation_alias="AGENTKIT_LTM_CHROMA_COLLECTION"
    )
    ltm_embedder: Literal["hashing", "minilm", "openai"] = Field(
        "hashing", validation_alias="AGENTKIT_LTM_EMBEDDER"
    )

    # Workers and dispatcher.
    worker_queues: QueueNames = "default"
    worker_slots: int = Field(250, ge=1, le=10_000)
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
    webhook_networks: Networks = ""
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
    tenant_max_unfinished_tasks: TenantLimits = ""
    retention_days: float | None = Field(None, gt=0)
    max_body_bytes: int = Field(1_048_576, ge=1024)
    database_pool: int = Field(10, ge=2, le=200)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"

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

    def key_for(self, provider: str) -> SecretStr | None:
        """The key for a provider that wants one: any but `local`."""
        key: SecretStr | None = getattr(self, f"{provider}_api_key")
        return key

    def base_url_for(self, provider: str) -> str | None:
        """Where such a provider is, if not where it says."""
        url: str | None = getattr(self, f"{provider}_base_url")
        return url

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
        return listed(self.jwt_algorithms)

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
        return listed(self.worker_queues)

    @property
    def tenant_limits(self) -> dict[str, int]:
        """The unfinished tasks that a tenant may have, where that is not the limit of all."""
        pairs = (one.split("=") for one in listed(self.tenant_max_unfinished_tasks))
        return {tenant: int(most) for tenant, most in pairs}

    @property
    def tool_names(self) -> list[str]:
        return listed(self.tools)

    @property
    def webhook_allowed_networks(self) -> list[str]:
        return listed(self.webhook_networks)

    @property
    def fetched_hosts(self) -> list[str]:
        return listed(self.http_fetch_hosts)


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


def _times(factor: float) -> str:
    return "" if factor == 1 else f"{factor:g} times "
