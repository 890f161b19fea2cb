"""The commands for API keys; they hand over to the module that does the work.

They go to the database itself, through no door: the first key is made before anybody can come in.
"""

from typing import Annotated

import typer

from opspawn.cli.configuration import settings
from opspawn.cli.groups import group
from opspawn.cli.options import AsJson

app = group("Makes and closes API keys, on the database itself.")

Tenant = Annotated[str, typer.Option(help="Whose keys.")]
KeyId = Annotated[str, typer.Argument(metavar="KEY_ID")]
Limit = Annotated[int, typer.Option(min=1, max=200)]


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who uses it, and what for.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="What it may do; may be repeated. Default: admin.")
    ] = None,
    days: Annotated[
        float | None, typer.Option(min=0.001, max=36_500, help="After which it expires.")
    ] = None,
    per_minute: Annotated[int | None, typer.Option(min=1, help="Requests at most.")] = None,
    tenant: Tenant = "default",
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once."""
    from opspawn.cli import keys as keyring

    asked = keyring.Wanted(name=name, scopes=scope or ["admin"], days=days, per_minute=per_minute)
    keyring.create(settings(), asked, tenant=tenant, as_json=as_json)


@app.command("list")
def list_keys(tenant: Tenant = "default", limit: Limit = 50, as_json: AsJson = False) -> None:
    """List keys, newest first."""
    from opspawn.cli import keys as keyring

    keyring.list_keys(settings(), tenant=tenant, limit=limit, as_json=as_json)


@app.command()
def revoke(key_id: KeyId, tenant: Tenant = "default", as_json: AsJson = False) -> None:
    """Close a key for ever."""
    from opspawn.cli import keys as keyring

    keyring.revoke(settings(), key_id, tenant=tenant, as_json=as_json)


@app.command()
def rotate(
    key_id: KeyId,
    grace: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="How long the old one is good.")
    ] = 0.0,
    tenant: Tenant = "default",
    as_json: AsJson = False,
) -> None:
    """Give a key a new secret and print it, this once."""
    from opspawn.cli import keys as keyring

    keyring.rotate(settings(), key_id, grace, tenant=tenant, as_json=as_json)
