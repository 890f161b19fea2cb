"""Groups of commands: `opspawn tasks`, `opspawn agents`, … Alone, each shows its help."""

import typer


def group(about: str) -> typer.Typer:
    app = typer.Typer(help=about, rich_markup_mode=None)
    app.callback(invoke_without_command=True)(help_alone)
    return app


def help_alone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
