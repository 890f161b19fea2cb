"""Webhooks: events sent to clients, signed, at least once."""
