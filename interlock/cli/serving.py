"""`interlock serve`."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the app."""

    @app.command()
    def serve(workers: Annotated[int | None, typer.Option(help="Prediction worker processes (default: setting serving_workers).")] = None,
              predictions_port: Annotated[int | None, typer.Option(help="Port for predictions.")] = None,
              control_port: Annotated[int | None, typer.Option(help="Port for health, metrics, swaps and rollback.")] = None) -> None:
        """Answer predictions; needs neither store nor Prefect nor MLflow."""
        from interlock.serving.server import run_server
        from interlock.settings import load_settings

        run_server(load_settings(serving_workers=workers, predictions_port=predictions_port, control_port=control_port))
