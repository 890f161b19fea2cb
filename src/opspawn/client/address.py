"""Where the server is and what opens it, when a program does not say so."""


def address(base_url: str | None, api_key: str | None) -> tuple[str, str | None]:
    """What is given, else OPSPAWN_URL and OPSPAWN_API_KEY of the environment or `.env`."""
    if base_url is not None and api_key is not None:
        return base_url.rstrip("/"), api_key
    # Imported here: who says where the server is needs nothing of the settings.
    from opspawn.settings import variables

    found = variables()
    url = base_url or found.get("OPSPAWN_URL") or "http://127.0.0.1:8000"
    key = api_key or found.get("OPSPAWN_API_KEY")
    return url.rstrip("/"), key or None
