"""`interlock sign-out NAME`: an admin ends somebody else's sessions in the control room."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("sign-out")(sign_out)


def sign_out(name: Annotated[str, typer.Argument(help="Whose: the name that decisions are signed with, its address, or the subject.")],
             reason: Annotated[str, typer.Option("--reason", "-r", help="Why; it stays in the ledger.")]) -> None:
    """End every session of a person in the control room now; needs the role admin, and works with the store down."""
    from interlock.control.access.ending import end_sessions
    from interlock.control.access.people import actor_name
    from interlock.errors import InterlockError
    from interlock.records.store import open_store
    from interlock.settings import load_settings

    settings, store = load_settings(), None
    try:
        store = open_store(settings)
    except InterlockError as error:
        typer.echo(f"warning: {error}", err=True)
    ended = end_sessions(settings, store, actor=actor_name(settings), reason=reason, name=name)
    typer.echo(f"{ended.name} is signed out everywhere ({ended.sign_ins} sign-in{'' if ended.sign_ins == 1 else 's'} counted until now). "
               "Who must not come back is to be refused by the provider as well.")
    if ended.warning:
        typer.echo(f"warning: {ended.warning}", err=True)
