"""A cassette: what a model was asked and what it replied, as a JSON file that can be committed.

    {"format": "agentkit cassette", "version": 1, "exchanges": [{"model", "request", "reply"}, …]}

A request is kept as it was, without its timeouts, which change nothing about the answer. Keys of
providers are no part of a request; what looks like one in a text, and each secret that is named, is
replaced by `[secret]` before anything is written or compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from agentkit.errors import UsageError
from agentkit.llm import ModelRequest
from agentkit.messages import Reply, from_json, to_json

if TYPE_CHECKING:
    from pydantic import JsonValue

FORMAT = "agentkit cassette"

VERSION = 1

SECRET = "[secret]"  # noqa: S105  the word that stands for one

_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{30,}|gh[pousr]_[A-Za-z0-9]{30,}"
    r"|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{20,}"
    r"|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|npm_[A-Za-z0-9]{30,}|xox[a-z]-[A-Za-z0-9-]{10,}"
    r"|A[KS]IA[A-Z0-9]{16}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)"
    r"|(?i:(?<=bearer ))[A-Za-z0-9._~+/=-]{8,}"
    # Base64, and no word of a sentence: it has a digit, or a capital in the middle.
    r"|(?i:(?<=basic ))(?=[A-Za-z+/]*(?:[0-9=]|[a-z][A-Z]))[A-Za-z0-9+/]{8,}={0,2}"
)
"""Keys of OpenAI and Anthropic, Google, GitHub (two kinds), GitLab, Hugging Face, Stripe, npm,
Slack, Amazon, JSON Web Tokens, and what follows `Bearer` or `Basic`."""

_VOCABULARY = frozenset({"kind", "stop", "usage", "provider"})
"""What a reply holds in words and numbers of ours: a secret that happens to be one is not in them."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request to a model, as JSON, and its reply."""

    model: str
    request: JsonValue
    reply: Reply


@dataclass(slots=True)
class Cassette:
    """The exchanges of one file, in the order in which they were made."""

    path: Path
    secrets: tuple[str, ...] = ()
    exchanges: list[Exchange] = field(default_factory=list)

    def __post_init__(self) -> None:
        forms = {form for secret in self.secrets if secret for form in _forms(secret)}
        # The longest first: of a secret that contains another one, the rest would be left.
        self.secrets = tuple(sorted(forms, key=len, reverse=True))

    @classmethod
    def new(cls, path: Path, secrets: Iterable[str] = ()) -> Cassette:
        """Raises UsageError when there can be no such file: before a reply is paid for."""
        if path.is_dir() or not path.parent.is_dir():
            raise UsageError(f"{path} cannot be written: give a file in a folder that exists.")
        return cls(path, tuple(secrets))

    @classmethod
    def load(cls, path: Path, secrets: Iterable[str] = ()) -> Cassette:
        """Raises UsageError for a file that is none, or not there."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            known = {(FORMAT, VERSION): "exchanges"}
            exchanges = [
                Exchange(one["model"], one["request"], from_json(Reply, one["reply"]))
                for one in data[known[data["format"], data["version"]]]
            ]
        except OSError as error:
            raise UsageError(
                f"{path} cannot be read ({error.strerror}): record it with LlmRecorder."
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} is no cassette that this build can read: {error!r}") from None
        return cls(path, tuple(secrets), exchanges)

    def add(self, model: str, request: ModelRequest, reply: Reply) -> None:
        """Keep an exchange, and write the file."""
        self.exchanges.append(Exchange(model, self.key(request), self._cleaned(reply)))
        data = {
            "format": FORMAT,
            "version": VERSION,
            "exchanges": [
                {"model": one.model, "request": one.request, "reply": to_json(one.reply)}
                for one in self.exchanges
            ],
        }
        text = json.dumps(data, ensure_ascii=False, indent=1)
        self.path.write_text(text + "\n", encoding="utf-8")

    def key(self, request: ModelRequest) -> JsonValue:
        """The request as it is written and compared."""
        settings = replace(request.settings, timeout_s=0.0, total_timeout_s=None)
        output = request.output
        key = {
            "messages": [to_json(message) for message in request.messages],
            "tools": [to_json(tool) for tool in request.tools],
            "output": None if output is None else {"name": output.name, "schema": output.schema},
            "settings": {
                name: value
                for name, value in cast("dict[str, Any]", to_json(settings)).items()
                if name not in ("timeout_s", "total_timeout_s")
            },
        }
        return self.without_secrets(cast("JsonValue", key))

    def _cleaned(self, value: Any) -> Any:
        """A reply, or a part of it, without secrets; what it is made of stays."""
        if isinstance(value, tuple):
            return tuple(map(self._cleaned, value))
        if is_dataclass(value) and not isinstance(value, type):
            names = {one.name for one in fields(value)} - _VOCABULARY
            return replace(value, **{name: self._cleaned(getattr(value, name)) for name in names})
        return self.without_secrets(cast("JsonValue", value))

    def without_secrets(self, value: JsonValue) -> JsonValue:
        """The same with `[secret]` wherever there was one, in names and numbers too."""
        match value:
            case bool():
                return value
            case int() | float():
                text = json.dumps(value)
                return SECRET if any(secret in text for secret in self.secrets) else value
            case str():
                for secret in self.secrets:
                    value = value.replace(secret, SECRET)
                return _KEY.sub(SECRET, value)
            case list():
                return [self.without_secrets(inner) for inner in value]
            case dict():
                return {
                    str(self.without_secrets(name)): self.without_secrets(inner)
                    for name, inner in value.items()
                }
        return value


def _forms(secret: str) -> Iterator[str]:
    """As it is, and as it stands inside of a JSON text."""
    yield secret
    for ascii_only in (True, False):
        yield json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
