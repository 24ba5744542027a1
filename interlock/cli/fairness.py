"""`interlock frontier`: what lessening a difference between groups would cost."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(frontier)


def frontier(name: Annotated[str, typer.Argument(help="Name of the use case.")],
             attribute: Annotated[str | None, typer.Option(help="Sensitive column; default: the first one.")] = None,
             version: Annotated[int | None, typer.Option(help="Version of the candidate; default: the newest.")] = None) -> None:
    """Compare ways to lessen a difference between groups, by accuracy and fairness on the held-out rows. Nothing is changed."""
    from interlock.control.evidence.frontier import newest_frontier
    from interlock.control.opening import opened

    with opened(name) as here:
        findings, figures = newest_frontier(here.settings, here.store, name, attribute=attribute, version=version)
        typer.echo(f"{figures['attribute']}: {figures['measure']}, limit {figures['limit']:g}, {figures['rows']:,} held-out rows")
        for point in figures["points"]:
            value = "not measured" if point["fairness"] is None else f"{point['fairness']:.3f}"
            mark = "*" if point["pareto"] else " "
            typer.echo(f"{mark} {point['option']:<24}{point['strength']:>5g}  accuracy {point['accuracy']:.3f}  fairness {value}  "
                       f"{point['note']}".rstrip())
        typer.echo("* no other way is at least as good in both")
        for finding in findings:
            typer.echo(finding.note)
