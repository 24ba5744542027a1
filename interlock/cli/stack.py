"""`interlock up | down | clean`: start, stop and forget one machine's installation."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(down)
    app.command()(clean)


def up(dashboard: bool = typer.Option(True, help="Start the control room too.")) -> None:
    """Start Prefect, MLflow, prediction server, keeper, worker and control room, and wait until they answer."""
    from interlock.control.stack import lifecycle
    from interlock.settings import load_settings

    settings = load_settings()
    lifecycle.up(settings, typer.echo, dashboard=dashboard)
    rows = {"control room": settings.dashboard_url if dashboard else "not started", "predictions": settings.predictions_url,
            "prefect": settings.prefect_url.removesuffix("/api"), "mlflow": settings.mlflow_url,
            "use cases": settings.usecases_dir, "state": settings.home.resolve()}
    for name, value in rows.items():
        typer.echo(f"  {name:<13} {value}")


def down() -> None:
    """Stop everything that `up` started; the state stays."""
    from interlock.control.stack import lifecycle
    from interlock.settings import load_settings

    lifecycle.down(load_settings(), typer.echo)


def clean(yes: bool = typer.Option(False, "--yes", help="Delete without asking.")) -> None:
    """Stop everything and delete all state under the home folder."""
    from interlock.control.stack import lifecycle
    from interlock.settings import load_settings

    settings = load_settings()
    if not yes:
        typer.confirm(f"Delete {settings.home.resolve()} with all models, decisions and the ledger?", abort=True)
    lifecycle.clean(settings, typer.echo)
