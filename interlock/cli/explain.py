"""`interlock explain`: why one captured request was answered as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from interlock.control.answers.explaining import Explanation


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(explain)


def explain(name: Annotated[str, typer.Argument(help="Name of the use case.")],
            request: Annotated[str, typer.Option(help="Id of the request, as the reply gave it.")],
            direction: Annotated[Literal["up", "down"] | None, typer.Option(
                help="Reasons for a high (up) or a low (down) answer; default: toward the unfavourable one.")] = None,
            as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False) -> None:
    """Principal reasons for one captured answer, the way from the average answer to it, and the smallest changes that would turn it."""
    import json

    from interlock.control.answers.explaining import explain_request
    from interlock.settings import load_settings
    from interlock.spec.load import find_use_case

    settings = load_settings()
    use_case = find_use_case(settings, name)[1]
    found = explain_request(settings, use_case, request, direction=direction)
    if as_json:
        typer.echo(json.dumps(found.as_json(), indent=2, ensure_ascii=False, allow_nan=False, default=str))
        return
    typer.echo(f"request {found.request_id}: answered {found.prediction} (score {found.score:.4g}) by version {found.version} "
               f"for {found.event_time}")
    _reasons(found)
    _changes(found)


def _reasons(found: Explanation) -> None:
    way = "high" if found.reasons.direction == "up" else "low"
    typer.echo(f"\nprincipal reasons for {found.answer} being {way}")
    for place, reason in enumerate(found.reasons.codes, start=1):
        typer.echo(f"  {place}. {reason.text} ({reason.share:.0%}; {', '.join(reason.features)})")
    typer.echo(f"  {found.reasons.note}")
    typer.echo("\nfrom the average answer to this one (margin, path-dependent Shapley values)")
    for step in found.steps:
        value = "" if step["value"] is None else f" = {step['value']}"
        typer.echo(f"  {step['contribution']:+9.4f}  {step['after']:9.4f}  {step['feature']}{value}")


def _changes(found: Explanation) -> None:
    typer.echo(f"\nwhat would turn the answer: {found.search.note}")
    for changes in found.changes:
        typer.echo("  " + ", ".join(f"{name} {old} → {new}" for name, (old, new) in changes.items()))
