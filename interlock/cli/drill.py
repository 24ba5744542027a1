"""`interlock drill`: rehearse deploy, breach and rollback now, by hand and without Prefect."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(drill)


def drill(name: Annotated[str, typer.Argument(help="Name of the use case.")]) -> None:
    """Rehearse deploy, breach and rollback on a shadow server with captured requests; exit code 1 where the drill failed."""
    from interlock.control.access.people import actor_name
    from interlock.control.drills import drill as drills
    from interlock.control.keeping.alerting import deliver
    from interlock.control.opening import opened

    with opened(name) as here:
        row = drills.drill(here.settings, here.store, here.use_case, started_by=actor_name(here.settings))
        for measure in row.body["measures"]:
            typer.echo(f"{measure['verdict']:4}  {measure['sentence']}")
        typer.echo(row.sentence)
        deliver(here.settings, here.store, [here.use_case])
    if row.verdict != "pass":
        raise typer.Exit(1)
