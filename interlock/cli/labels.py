"""`interlock labels`: every outcome that was delivered for a request."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(labels)


def labels(use_case: Annotated[str, typer.Argument(help="Use case.")],
           request_id: Annotated[str, typer.Argument(help="Id of the prediction.")]) -> None:
    """Every label posted for a request, with when it was learned and delivered; the last one counts."""
    import polars as pl

    from interlock.errors import DataError
    from interlock.records.compaction import label_history
    from interlock.settings import load_settings
    from interlock.spec.load import find_use_case

    settings = load_settings()
    find_use_case(settings, use_case)
    found = label_history(settings, use_case).filter(pl.col("_request_id") == request_id)
    if found.is_empty():
        raise DataError("no label was posted for this request", value=request_id, next_step="POST /v1/{use_case}/labels; compaction takes "
                        "up to 5 seconds")
    for place, (label, learned, received) in enumerate(found.select("_label", "_label_seen_time", "_received_at").iter_rows()):
        mark = "counts" if place == found.height - 1 else "corrected"
        typer.echo(f"{learned:%Y-%m-%d %H:%M:%S}  {label:g}  {mark}  delivered {received:%Y-%m-%d %H:%M:%S}" if isinstance(label, float)
                   else f"{learned:%Y-%m-%d %H:%M:%S}  {label}  {mark}  delivered {received:%Y-%m-%d %H:%M:%S}")
