"""`interlock standing grant | revoke | list`: a person's expiring permission for data-only retrainings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from interlock.control.decisions.receipts import Receipt

Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; it stays in the ledger.")]
UseCase = Annotated[str, typer.Argument(help="Name of the use case.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    standing = typer.Typer(help="Standing approvals: retrainings that change only data and pass every gate, approved in a person's name.",
                           no_args_is_help=True)
    standing.command()(grant)
    standing.command()(revoke)
    standing.command("list")(list_)
    app.add_typer(standing, name="standing")


def grant(use_case: UseCase, reason: Reason,
          days: Annotated[float, typer.Option(help="Days after which it ends; at most 90.")] = 30.0,
          uses: Annotated[int, typer.Option(help="Candidates that it approves at most.")] = 30,
          per_week: Annotated[int, typer.Option(help="Of them at most in any seven days.")] = 7,
          yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask again.")] = False) -> None:
    """Permit data-only retrainings of a use case in your name, until they are used up, over, or ended."""
    from interlock.control.access.people import actor_name
    from interlock.control.decisions import actions
    from interlock.control.opening import opened_store
    from interlock.records.ids import new_id

    with opened_store() as (settings, store):
        actor = actor_name(settings)
        if not yes:
            typer.confirm(f"approve retrainings of {use_case} in the name of {actor} for {days:g} days "
                          f"({uses} at most, {per_week} a week)?", abort=True)
        _print(actions.grant(settings, store, actor=actor, use_case=use_case, reason=reason, days=days, uses_max=uses, per_week=per_week,
                             nonce=new_id()))


def revoke(standing_id: Annotated[str, typer.Argument(help="Id, as `interlock standing list` shows it.")], reason: Reason) -> None:
    """End a standing approval at once; who granted it may, and anybody who may approve."""
    from interlock.control.access.people import actor_name
    from interlock.control.decisions import actions
    from interlock.control.opening import opened_store
    from interlock.records.ids import new_id

    with opened_store() as (settings, store):
        _print(actions.revoke(settings, store, actor=actor_name(settings), standing_id=standing_id, reason=reason, nonce=new_id()))


def list_(use_case: Annotated[str | None, typer.Argument(help="Only this use case.")] = None) -> None:
    """Every standing approval: by whom, until when, how often used, and whether it counts."""
    from interlock.control.opening import opened_store
    from interlock.records.standing import standings, with_any
    from interlock.records.store import utc_now

    with opened_store() as (_, store), store.reading() as session:
        names = with_any(session) if use_case is None else [use_case]
        found = [one for name in names for one in standings(session, name)]
    now = utc_now()
    for one in found:
        ended = f", by {one.ended.actor}: {one.ended.reason}" if one.ended else ""
        typer.echo(f"{one.id}  {one.use_case}  {one.state(now)}  by {one.grantor} until {one.expires_at:%Y-%m-%d %H:%M} UTC, used "
                   f"{len(one.used)} of {one.uses_max} times ({one.in_week(now)} of {one.per_week} this week){ended}")
    if not found:
        typer.echo("no standing approval: interlock standing grant NAME --reason …")


def _print(receipt: Receipt) -> None:
    typer.echo(f"{receipt.sentence}\n{receipt.kind} {receipt.decision_id}, ledger entry {receipt.ledger_seq}, by {receipt.actor}")
