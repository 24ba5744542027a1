"""`interlock train`, `validate`, `propose` and `materialize`: by hand and without Prefect."""

from __future__ import annotations

from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(help="Name of the use case.")]
AsOf = Annotated[str | None, typer.Option(help="Use only what was known at this time (ISO 8601); default: now.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(train)
    app.command()(validate)
    app.command()(materialize)
    app.command()(propose)


def train(name: Name, as_of: AsOf = None) -> None:
    """Make a candidate from the newest snapshot of a use case."""
    from interlock.control.access.people import actor_name
    from interlock.control.opening import moment, opened
    from interlock.control.training import train_candidate

    with opened(name) as here:
        made = train_candidate(here.settings, here.store, here.use_case, as_of=moment(as_of), started_by=actor_name(here.settings),
                               progress=typer.echo)
        typer.echo(f"version {made.number} of {name}: candidate {made.id}, package {made.package_digest}")


def propose(name: Name, tries: Annotated[int, typer.Option(min=1, max=100, help="Features to try without, the least important first.")] = 10
            ) -> None:
    """Which features the newest candidate could do without: tried by refits, proposed, never dropped by itself."""
    from interlock.control.evidence.proposals import propose_drops_for
    from interlock.control.opening import opened

    with opened(name) as here:
        found = propose_drops_for(here.settings, here.store, here.use_case, tries=tries, progress=typer.echo)
        for one in [*found["tested"], *([found["together"]] if found["together"] else [])]:
            typer.echo(f"{'could go' if one['droppable'] else 'stays':9} {', '.join(one['features'])}: {one['importance']:.2%} of the "
                       f"importance, loss {one['change']:+.2%} ({one['low']:+.2%} to {one['high']:+.2%}) without")
        typer.echo(found["note"])


def validate(name: Name, candidate: Annotated[str | None, typer.Option(help="Candidate id; default: the newest without evidence.")] = None,
             version: Annotated[int | None, typer.Option(help="Version of the candidate, validated also where it has evidence.")] = None,
             as_of: AsOf = None) -> None:
    """Measure a candidate, judge it by its gates and seal the evidence. Evidence about another champion or use-case file does not count."""
    from interlock.control.evidence.validation import next_candidate, validate_candidate
    from interlock.control.opening import moment, opened

    with opened(name) as here:
        chosen = next_candidate(here.settings, here.store, name, candidate_id=candidate, version=version)
        if chosen is None:
            typer.echo(f"every candidate of {name} has evidence that counts; to make new evidence: interlock validate {name} --version N")
            return
        evidence = validate_candidate(here.settings, here.store, chosen, as_of=moment(as_of), progress=typer.echo)
        for gate in evidence.gates:
            typer.echo(gate.sentence)


def materialize(name: Name, as_of: AsOf = None) -> None:
    """Write the online tables of the feature views that a use case reads or feeds; the prediction server takes them up by itself."""
    from interlock.control.materializing import materialize_views
    from interlock.control.opening import moment, opened

    with opened(name) as here:
        done = materialize_views(here.settings, here.store, here.use_case, as_of=moment(as_of), progress=typer.echo)
        if not done:
            typer.echo(f"{name} neither reads nor feeds a feature view")
