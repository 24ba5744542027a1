"""`interlock keys add | list | rotate | revoke`: API keys of the predictions port."""

from __future__ import annotations

from typing import Annotated

import typer

Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; it stays in the ledger.")]
KeyId = Annotated[str, typer.Argument(help="Id of the key, as `interlock keys list` shows it.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    keys = typer.Typer(help="API keys of the predictions port: who may ask for predictions, and for which use cases.", no_args_is_help=True)
    for command in (add, rotate, revoke):
        keys.command()(command)
    keys.command("list")(list_)
    app.add_typer(keys, name="keys")


def add(client: Annotated[str, typer.Argument(help="Who will use it.")], reason: Reason,
        use_case: Annotated[list[str], typer.Option("--use-case", "-u", help="Use case it is for, or * for all; repeatable.")],
        days: Annotated[float | None, typer.Option(help="Days after which it ends (default: never).", min=0.0)] = None,
        rate: Annotated[float | None, typer.Option(help="Requests per second it may make (default: any).", min=0.001)] = None,
        ) -> None:
    """Make a key and show it once."""
    from interlock.control.access.keys import add_key
    from interlock.control.access.people import actor_name
    from interlock.records.store import open_store
    from interlock.settings import load_settings

    settings = load_settings()
    issued = add_key(settings, open_store(settings), actor=actor_name(settings), reason=reason, client=client, use_cases=use_case,
                     days=days, requests_per_s=rate)
    typer.echo(f"{issued.secret}\n\nThis is key {issued.key.id} for {client}. It is shown this once and kept nowhere: note it now.")


def rotate(key: KeyId, reason: Reason,
           overlap: Annotated[float, typer.Option(help="Seconds for which the old key still counts.", min=0.0)] = 3_600.0) -> None:
    """Make a key like this one; the old one ends after a while."""
    from interlock.control.access.keys import rotate_key
    from interlock.control.access.people import actor_name
    from interlock.records.store import open_store
    from interlock.settings import load_settings

    settings = load_settings()
    issued = rotate_key(settings, open_store(settings), actor=actor_name(settings), reason=reason, key_id=key, overlap_s=overlap)
    typer.echo(f"{issued.secret}\n\nThis is key {issued.key.id} in place of {key}, which ends in {overlap:g} s. It is shown this once.")


def revoke(key: KeyId, reason: Reason) -> None:
    """End a key now; works with the store down."""
    from interlock.control.access.keys import revoke_key
    from interlock.control.access.people import actor_name
    from interlock.records.store import open_store
    from interlock.settings import load_settings

    settings = load_settings()
    gone, warnings = revoke_key(settings, open_store(settings), actor=actor_name(settings), reason=reason, key_id=key)
    typer.echo(f"key {gone.id} of {gone.client} is revoked; the server knows within a second")
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)


def list_() -> None:
    """Show all keys; their secrets are kept nowhere."""
    from interlock.control.access.keys import list_keys
    from interlock.records.store import utc_now
    from interlock.serving.keys import keys_required
    from interlock.settings import load_settings

    settings, now = load_settings(), utc_now()
    typer.echo(f"Keys are {'required' if keys_required(settings) else 'not asked for (setting serving_keys)'}.")
    for key in list_keys(settings):
        ends = "" if key.expires_at is None else f", ends {key.expires_at:%Y-%m-%d %H:%M}Z"
        rate = "" if key.requests_per_s is None else f", {key.requests_per_s:g} requests/s"
        typer.echo(f"{key.id}  {key.state(now):8}  {key.client}  for {', '.join(key.use_cases)}{ends}{rate}")
