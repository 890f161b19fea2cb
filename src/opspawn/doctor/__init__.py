"""Checks what Opspawn needs on this machine: one finding for each, with the remedy.

The checks run at the same time, each in a thread that is given up after some seconds: a frozen
database or a firewall that swallows packets must not freeze the doctor. No finding has a secret.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from opspawn.doctor import machine, mcp, providers, recall, servers, tools
from opspawn.doctor.check_error import CheckError
from opspawn.doctor.entrance import entrance
from opspawn.settings import Settings, SettingsError, load, unknown_keys

#: Seconds after which a check counts as failed.
PATIENCE_S: Final = 3.0

#: The same for MCP servers, some of which are programs that have to be started first.
MCP_PATIENCE_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `words` holds the remedy when it is not ok."""

    what: str
    ok: bool
    words: str


Check = Callable[[], str]


def examine() -> list[Finding]:
    """Runs all checks; with wrong settings, those that need none."""
    try:
        settings = load()
    except SettingsError as error:
        wrong = [Finding("settings", False, line) for line in str(error).splitlines()]
        return [*_all({"python": machine.python, "memory": machine.memory}), *wrong]
    findings = _all(
        {
            "python": machine.python,
            "settings": _spelling,
            "database": lambda: servers.database(settings),
            "migrations": lambda: servers.migrations(settings),
            "broker": lambda: servers.broker(settings),
            "provider": lambda: providers.provider(settings),
            "long-term memory": lambda: recall.long_term_memory(settings),
            "memory": machine.memory,
            "entrance": lambda: entrance(settings),
            "REST port": lambda: servers.rest_port(settings),
            "gRPC port": lambda: servers.grpc_port(settings),
        }
    )
    if settings.tool_names or settings.workspaces is not None:
        findings += _all({"tools": lambda: tools.tools(settings)})
    path = settings.mcp_servers
    if path is not None:
        findings += _all({"MCP": lambda: mcp.mcp_servers(path)}, MCP_PATIENCE_S)
    secrets = list(_secrets(settings))
    return [Finding(f.what, f.ok, _scrubbed(f.words, secrets)) for f in findings]


def _all(checks: Mapping[str, Check], patience_s: float = PATIENCE_S) -> list[Finding]:
    found: dict[str, Finding] = {}
    threads = [
        threading.Thread(target=_one, args=(what, check, found), daemon=True)
        for what, check in checks.items()
    ]
    for thread in threads:
        thread.start()
    deadline_s = time.monotonic() + patience_s
    for thread in threads:
        thread.join(max(0.0, deadline_s - time.monotonic()))
    late = f"no answer within {patience_s:.0f} s: is it frozen, or behind a firewall?"
    return [found.get(what, Finding(what, False, late)) for what in checks]


def _one(what: str, check: Check, found: dict[str, Finding]) -> None:
    try:
        found[what] = Finding(what, True, check())
    except CheckError as wrong:
        found[what] = Finding(what, False, str(wrong))
    except Exception as error:  # noqa: BLE001  # a broken check must not hide the other findings
        words = f"could not be checked ({type(error).__name__}: {error})"
        found[what] = Finding(what, False, words)


def _spelling() -> str:
    unknown = unknown_keys()
    if unknown:
        raise CheckError(
            f"{', '.join(unknown)}: no such setting; see .env.example for the right name"
        )
    return "every key is known"


def _secrets(settings: Settings) -> Iterator[str]:
    for key in Settings.model_fields:
        value = getattr(settings, key)
        if isinstance(value, SecretStr) and value.get_secret_value():
            yield value.get_secret_value()


def _scrubbed(words: str, secrets: list[str]) -> str:
    """The last of several safeguards: the checks name places, never URLs."""
    for secret in secrets:
        words = words.replace(secret, "[secret]")
    return words
