"""`interlock history` (the ledger, the line of changes, the time machine) and `interlock retire`."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (history, retire):
        app.command()(command)


def history(use_case: Annotated[str | None, typer.Argument(help="Use case; without one: the whole ledger.")] = None,
            at: Annotated[str | None, typer.Option(help="Moment, such as 2026-05-04T14:03 (UTC unless it says otherwise): what answered "
                                                   "then, who decided on what evidence, and the way back.")] = None,
            entries: Annotated[bool, typer.Option("--entries", help="The ledger's entries instead of the line of changes.")] = False,
            limit: Annotated[int, typer.Option(min=1, help="Lines at most, newest last.")] = 50) -> None:
    """What answered when: the line of changes of a use case, one moment of it, or the ledger's entries."""
    from interlock.control.opening import opened_store
    from interlock.errors import DataError

    if at is not None and use_case is None:
        raise DataError("a moment needs a use case", value=at, next_step="interlock history NAME --at 2026-05-04T14:03")
    with opened_store() as (settings, store):
        if use_case is None or entries:
            from interlock.control.past.history import lines

            for line in lines(store, use_case, limit):
                typer.echo(line)
        elif at is None:
            from interlock.control.past.timeline import timeline
            from interlock.control.past.timeline_words import change, clock

            found = timeline(store, use_case)
            for one in found.stretches[-limit:]:
                typer.echo(f"{clock(one.since)}  g{one.generation}  {change(one)}")
            if not found.stretches:
                typer.echo(f"nothing was ever released for '{use_case}'")
            for seq in found.altered:
                typer.echo(f"! ledger entry {seq} is not what was written, and was left out: interlock verify", err=True)
        else:
            from interlock.control.past.timeline import moment_of, what_answered
            from interlock.control.past.timeline_words import answer

            for sentence in answer(what_answered(settings, store, use_case, moment_of(at))):
                typer.echo(sentence)


def retire(use_case: Annotated[str, typer.Argument(help="Name of the use case.")],
           version: Annotated[int, typer.Option("--version", "-v", min=1, help="Version to archive.")],
           reason: Annotated[str, typer.Option("--reason", "-r", help="Why; it stays in the ledger.")],
           yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask again.")] = False) -> None:
    """Archive a version for good: it cannot be approved, released or gone back to; its history stays."""
    from interlock.control.access.people import actor_name
    from interlock.control.decisions import actions
    from interlock.control.opening import opened_store
    from interlock.records.ids import new_id

    with opened_store() as (settings, store):
        if not yes:
            typer.confirm(f"retire version {version} of {use_case} for good?", abort=True)
        receipt = actions.retire(settings, store, actor=actor_name(settings), use_case=use_case, version=version, reason=reason,
                                 nonce=new_id())
    typer.echo(f"{receipt.sentence}\ndecision {receipt.decision_id}, ledger entry {receipt.ledger_seq}, by {receipt.actor}")
    for warning in receipt.warnings:
        typer.echo(f"! {warning}", err=True)
