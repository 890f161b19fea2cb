"""The settings as a command needs them: a wrong one ends it with one line that names the key."""

from typing import TYPE_CHECKING

from opspawn.cli.exits import USAGE, CommandError

if TYPE_CHECKING:  # pydantic takes longer to import than `opspawn --help` may take
    from opspawn.settings import Settings


def settings() -> "Settings":
    from opspawn.settings import SettingsError, load  # see above

    try:
        return load()
    except SettingsError as error:
        raise CommandError(f"wrong setting: {error}", USAGE) from None


def server_url(given: str | None) -> str:
    """The server to talk to: the option, else OPSPAWN_URL, else the port on this machine."""
    return given or settings().server_url
