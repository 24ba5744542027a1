"""`make demo`: set the stage, tell the story, write `demo.json`, have it verified by a second process, print what happened."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy import select

from demo.journal import Journal
from demo.scenario import FIRST_TRAINING, USE_CASE, Scenario
from demo.stage import Stage, copy_use_cases
from demo.traffic import Customers
from interlock.control.stack import lifecycle
from interlock.control.stack.programs import PROJECT
from interlock.errors import InterlockError, SettingsError
from interlock.records.store import open_store
from interlock.records.tables import Candidate, Outbox
from interlock.serving.client import ServingClient
from interlock.settings import Settings, apply_environment, load_settings


def main() -> int:
    console, started = Console(), time.monotonic()
    settings = _settings()
    apply_environment(settings)
    console.print(f"[bold]Interlock demo[/bold]: half a year of real flights; state in {settings.home}")
    lifecycle.up(settings, lambda text: console.print(f"  {text}"), dashboard=False)
    try:
        path = _tell(settings, console)
        verified = subprocess.run([sys.executable, "-m", "demo.verify", str(path)], cwd=PROJECT, check=False).returncode  # noqa: S603
    finally:
        lifecycle.down(settings, lambda text: console.print(f"  {text}"))
    console.print(f"{'every step is true' if verified == 0 else 'NOT every step is true'}; "
                  f"{time.monotonic() - started:.0f} s. Next: [bold]make up[/bold], then decide on the waiting candidate.")
    return verified


def _settings() -> Settings:
    base = load_settings()
    home = base.home.resolve()
    if (home / "store.db").exists():
        raise SettingsError("the demo starts from nothing, but there is state", value=home, next_step="make clean, then make demo")
    copy_use_cases(PROJECT / "usecases", home / "usecases")
    return base.model_copy(update={"home": home, "usecases_dir": home / "usecases"})


def _tell(settings: Settings, console: Console) -> Path:
    store, customers, client = open_store(settings), Customers(settings.predictions_url, USE_CASE), ServingClient(settings)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            journal = Journal(store, USE_CASE, settings.home / "demo.json", say=progress.console.print)
            Scenario(Stage(settings, store), journal, customers, client, progress).tell()
        journal.write(**_facts(settings, store, customers))
        console.print(_table(journal.steps, settings))
        return journal.path
    finally:
        client.close()
        customers.close()
        store.close()


def _facts(settings: Settings, store: Any, customers: Customers) -> dict[str, Any]:
    with store.reading() as session:
        versions = session.scalars(select(Candidate.mlflow_version).where(Candidate.use_case == USE_CASE)).all()
        runs = session.scalars(select(Outbox.flow_run_id).where(Outbox.state == "done")).all()
    links = {"predictions": settings.predictions_url, "mlflow": settings.mlflow_url, "prefect": settings.prefect_url.removesuffix("/api"),
             "control_room": settings.dashboard_url}
    probe = next(iter(customers.records(FIRST_TRAINING, FIRST_TRAINING + timedelta(hours=12))))
    return {"links": links, "ledger_file": str(settings.home / "store.db"), "registered_model": USE_CASE, "mlflow_versions": versions,
            "flow_runs": runs, "probe_record": probe, "predictions": customers.sent, "labels": customers.told, "refused": customers.refused,
            "answers": [{"version": v, "digest": d, "rows": n} for (v, d), n in sorted(customers.answers.items())]}


def _table(steps: list[dict[str, Any]], settings: Settings) -> Table:
    table = Table(title="What happened", caption=f"{settings.home / 'demo.json'}; after `make up`: Prefect {settings.prefect_port}, "
                                                 f"MLflow {settings.mlflow_port}, control room {settings.dashboard_port}")
    for heading in ("step", "what", "ledger", "version", "digest", "gates"):
        table.add_column(heading, justify="right" if heading in {"step", "ledger", "version"} else "left")
    for step in steps:
        table.add_row(str(step["step"]), step["title"], str(step["ledger_seq"]), str(step.get("version", "")),
                      str(step.get("digest", ""))[7:19], _gates(step))
    return table


def _gates(step: dict[str, Any]) -> str:
    """How many passed, and the others by name: where the verdict is a pass all the same, they only observe."""
    verdicts: dict[str, str] = step.get("gates", {})
    passed = list(verdicts.values()).count("pass")
    mode = " (observed)" if step.get("verdict") == "pass" else ""
    others = [f"{name}: {verdict}{mode}" for name, verdict in verdicts.items() if verdict != "pass"]
    return ", ".join([f"{passed} pass", *others]) if verdicts else ""


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InterlockError as error:
        Console(stderr=True).print(f"error: {error}", markup=False)
        sys.exit(1)
