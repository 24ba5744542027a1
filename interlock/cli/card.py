"""`interlock card`: the model card of a version, as Markdown or HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(help="Name of the use case.")]


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(card)


def card(name: Name, version: Annotated[int | None, typer.Option(help="Version; default: that of the newest evidence.")] = None,
         form: Annotated[str, typer.Option("--format", help="md or html (print it from a browser for a PDF).")] = "md",
         out: Annotated[Path | None, typer.Option(help="File to write; default: printed.")] = None) -> None:
    """Write the model card of a version: purpose, data, metrics with intervals, groups, limits, decisions."""
    from interlock.control.evidence.model_card import write_card
    from interlock.control.opening import opened
    from interlock.errors import SettingsError

    if form not in ("md", "html"):
        raise SettingsError("unknown format of a model card", value=form, allowed="md, html")
    with opened(name) as here:
        text = write_card(here.settings, here.store, here.use_case, version=version, form="html" if form == "html" else "md")
    if out is None:
        typer.echo(text)
        return
    out.write_text(text, encoding="utf-8")
    typer.echo(f"{out} is written")
