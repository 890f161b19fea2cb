"""Where a command finds the database itself, for what goes through no door."""

from opspawn import embedded
from opspawn.settings import Settings


class NoDatabase(Exception):
    """There is no database that a command could use; the message says what to do."""


def database_url(settings: Settings) -> str:
    """DATABASE_URL, or the embedded server while it runs. Raises `NoDatabase`."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    try:
        state = embedded.look(settings.data_dir)
    except (embedded.EmbeddedError, OSError) as error:
        raise NoDatabase(f"There is no database: {error}") from None
    if state.url is None:
        raise NoDatabase(
            f"The database of {settings.data_dir} does not run: start `opspawn up`, or set DATABASE_URL."
        )
    return state.url
