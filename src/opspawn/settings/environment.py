"""The settings are read from the environment and `.env`: nothing else in the project reads those."""

import os
from typing import TYPE_CHECKING

from dotenv import dotenv_values
from pydantic import ValidationError

from opspawn.settings.declared import Settings, env_name, env_names

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class SettingsError(Exception):
    """The configuration is wrong; the message is one line a key, each naming its key."""


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
