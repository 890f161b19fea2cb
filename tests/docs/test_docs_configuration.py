"""docs/reference/configuration.md lists every setting, with the default that the code has."""

from opspawn.settings import Settings, env_names
from support.documents import names, read, rows

PAGE = read("docs/reference/configuration.md")
DEFAULTS = {names(row[0])[0]: (names(row[1]) or [""])[0] for row in rows(PAGE) if names(row[0])}


def default_of(field: str) -> str:
    default = Settings.model_fields[field].default
    if default is None:
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_every_setting_is_listed_with_its_default() -> None:
    expected = {env_names(field)[0]: default_of(field) for field in Settings.model_fields}
    assert expected == DEFAULTS


def test_a_second_name_of_a_setting_is_mentioned() -> None:
    others = [name for field in Settings.model_fields for name in env_names(field)[1:]]
    assert [name for name in others if f"`{name}`" in PAGE] == others
