"""`interlock bundle` and `interlock verify-bundle`: what an auditor needs about a period, signed, and the check of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Since = Annotated[str, typer.Option("--from", help="First moment, for example 2026-05-01 (UTC).")]
Until = Annotated[str, typer.Option("--to", help="First moment after the period, for example 2026-06-01 (UTC).")]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(bundle)
    app.command(name="verify-bundle")(verify_bundle)


def bundle(since: Since, until: Until, reason: Annotated[str, typer.Option(help="Why; it stands in the ledger.")],
           use_case: Annotated[str | None, typer.Option(help="Only this one; default: all.")] = None,
           out: Annotated[Path | None, typer.Option(help="File to write; default: under <home>/bundles.")] = None) -> None:
    """Evidence, decisions, ledger proof, model cards and access of a period as one signed archive."""
    from interlock.control.access.people import at_keyboard
    from interlock.control.bundle.making import make_bundle
    from interlock.control.opening import opened_store
    from interlock.control.past.timeline import moment_of

    with opened_store() as (settings, store):
        made = make_bundle(settings, store, actor=at_keyboard(settings), reason=reason, since=moment_of(since), until=moment_of(until),
                           use_case=use_case, path=out)
    typer.echo(f"{made.path}: {made.files} files, {made.bytes:,} bytes, {made.digest}")
    typer.echo(f"signed with key {made.fingerprint}; ledger entry {made.ledger_seq}")
    for one in made.missing:
        typer.echo(f"not in it: {one}")


def verify_bundle(file: Annotated[Path, typer.Argument(help="The archive.")],
                  key: Annotated[Path | None, typer.Option(help="Public key (PEM) that you were given by another way.")] = None) -> None:
    """Check a bundle: signature, files, chain, seals. Needs no installation."""
    from interlock.control.bundle.checking import check_bundle
    from interlock.errors import DataError

    try:
        pem = key.read_bytes() if key is not None else None
    except OSError as error:
        raise DataError(f"the public key cannot be read: {error.strerror}", value=key) from error
    report = check_bundle(file, pem)
    typer.echo(f"{report.entries:,} ledger entries ({report.withheld:,} withheld), {report.evidence} pieces of evidence, "
               f"{report.decisions} decisions")
    typer.echo(f"signed with key {report.fingerprint}" + ("" if report.key_known else
               ": the one inside the archive; give --key with the copy that you were given by another way"))
    for missing in report.manifest.get("missing", []):
        typer.echo(f"not in it when it was made: {missing}")
    for problem in report.problems:
        typer.echo(f"problem: {problem}", err=True)
    if not report.ok:
        raise DataError("the bundle does not hold", value=f"{len(report.problems)} problems", next_step="ask for it again from its maker")
    typer.echo("the bundle holds")
