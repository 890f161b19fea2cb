"""The settings as a command needs them: a wrong one ends it with one line that names the key."""

from typing import TYPE_CHECKING

from opspawn.cli.exits import USAGE, CommandError

if TYPE_CHECKING:  # pydantic takes longer to import than `opspawn --help` may take
    from opspawn.settings import Settings


def settings(**overrides: object) -> "Settings":
    from opspawn.settings import SettingsError, load  # see above

    try:
        return load(**overrides)
    except SettingsError as error:
        raise CommandError(f"wrong setting: {error}", USAGE) from None


def server_url(given: str | None) -> str:
    """The server to talk to: the option, else OPSPAWN_URL, else the port on this machine."""
    return given or settings().server_url


def api_key(url: str) -> str | None:
    """OPSPAWN_API_KEY, else the first key of this machine's own server, which no other server is sent."""
    from opspawn import key_file  # see above
    from opspawn.client.wire import is_local

    chosen = settings()
    if chosen.api_key is not None:
        return chosen.api_key.get_secret_value()
    return key_file.read(chosen.key_file) if is_local(url) else None
