"""Every setting, read once at start from the environment and `.env`.

Nothing else in the project reads the environment. A wrong value stops the start with one line that
names the key (`SettingsError`). `.env.example` documents every key, and a test compares the two.
"""

from opspawn.settings.declared import Settings, env_name, env_names
from opspawn.settings.environment import SettingsError, environment, load, unknown_keys, variables

__all__ = [
    "Settings",
    "SettingsError",
    "env_name",
    "env_names",
    "environment",
    "load",
    "unknown_keys",
    "variables",
]
