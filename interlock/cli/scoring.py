"""`interlock score` and `interlock score-stream`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(help="Name of the use case.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command()(score)
    app.command(name="score-stream")(score_stream)


def score(name: Name, source: Annotated[str, typer.Argument(help="A CSV or Parquet file, or the digest of a snapshot (sha256:…).")],
          to: Annotated[str, typer.Option(help="Folder for Parquet files; or, with --url-env, the name of a table.")],
          version: Annotated[int | None, typer.Option(help="An approved version; default: the champion.")] = None,
          url_env: Annotated[str | None, typer.Option(help="Environment variable with the database's SQLAlchemy URL.")] = None,
          id_column: Annotated[str | None, typer.Option("--id", help="Column with ids; default: the unique identifier, else `id`.")] = None,
          capture: Annotated[bool, typer.Option(help="Count the answers as predictions in monitoring; champion only.")] = False) -> None:
    """Answer every row of a file or snapshot, exactly once; the same call again goes on where it was."""
    from interlock.control.access.people import actor_name
    from interlock.control.opening import opened
    from interlock.control.scoring.job import score as run
    from interlock.control.scoring.targets import target_of

    with opened(name) as here, typer.progressbar(length=1_000, label=name) as bar:
        done = run(here.settings, here.store, here.use_case, source, target_of(to, url_env), version=version, capture=capture,
                   id_column=id_column, actor=actor_name(here.settings),
                   progress=lambda rows, total: bar.update(max(0, (rows * 1_000 // total if total else 0) - bar.pos)))
        bar.update(1_000 - bar.pos)
    typer.echo(f"version {done.version} ({done.digest[:19]}…): {done.rows:,} rows, {done.answered:,} answered, {done.refused:,} refused")
    for reason, count in done.reasons.items():
        typer.echo(f"  refused {count:,}: {reason}")
    if done.resumed:
        typer.echo("every row had been answered before: nothing was changed" if done.repeated
                   else f"went on: {done.resumed} of {done.chunks} chunks were there already")


def score_stream(name: Name, folder: Annotated[Path, typer.Argument(help="Spool: files arrive in in/, answers go to out/.")],
                 once: Annotated[bool, typer.Option(help="End when nothing waits, instead of looking for more.")] = False,
                 capture: Annotated[bool, typer.Option(help="Count the answers as predictions in monitoring.")] = False) -> None:
    """Answer records of JSON-lines files as they arrive, exactly once, with whatever is live at that moment; SIGTERM ends it gracefully."""
    from interlock.control.opening import opened
    from interlock.control.scoring.stream import run

    with opened(name) as here:
        done = run(here.settings, here.store, name, folder, once=once, capture=capture, say=typer.echo)
        typer.echo(f"{done.answered:,} answered, {done.refused:,} in quarantine, files finished: {done.files}")
