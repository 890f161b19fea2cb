"""The REST door: translates HTTP to `TaskService` and back. No rule of the business is here."""

from ops_core.api.app import create_app

__all__ = ["create_app"]
