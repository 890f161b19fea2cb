"""Checks who may come in, and that PostgreSQL keeps tenants apart."""

import asyncio

from opspawn import embedded, identity
from opspawn.database_errors import DATABASE_ERRORS, explain
from opspawn.doctor.check_error import CheckError
from opspawn.preconditions import StartError, refuse_strangers
from opspawn.settings import Settings


def entrance(settings: Settings) -> str:
    """Keys, tokens or nobody asked; with a database that answers, whether there is a key at all."""
    try:
        refuse_strangers(settings)
    except StartError as error:
        raise CheckError(str(error)) from None
    if settings.auth == "none":
        return "everybody on this machine may do everything (OPSPAWN_AUTH=none)"
    tokens = "" if settings.jwt_issuer is None else f", and tokens of {settings.jwt_issuer}"
    url = _url(settings)
    if url is None:
        return f"API keys{tokens}; `opspawn up` makes the first one"
    try:
        has_keys = asyncio.run(identity.examined(url))
    except identity.NotIsolated as error:
        raise CheckError(str(error)) from None
    except DATABASE_ERRORS as error:
        raise CheckError(explain(error, url)) from None
    missing = "" if has_keys else "; there is none yet: `opspawn keys create NAME` makes one"
    return f"API keys{tokens}{missing}; tenants are kept apart"


def _url(settings: Settings) -> str | None:
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    try:
        return embedded.look(settings.data_dir).url
    except embedded.EmbeddedError as error:
        raise CheckError(str(error)) from None
