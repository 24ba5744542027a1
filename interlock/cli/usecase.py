"""`interlock check | new | ingest | reference`: use-case files and the rows they describe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from interlock.spec.problems import Problem


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(check)
    app.command()(new)
    app.command()(ingest)
    app.command()(reference)


def check(files: Annotated[list[Path], typer.Argument(help="Use-case files, and feature views in their folder `views`.")]) -> None:
    """Report all problems of use-case files and feature views at once: file, line, key, value, allowed values. Exit code 1: any."""
    from interlock.rules.catalogue import known_gates
    from interlock.spec.load import read_use_case
    from interlock.spec.view_files import is_view_file, read_view

    wrong = 0
    for path in files:
        if is_view_file(path):
            view, problems = read_view(path)
            wrong += len(problems)
            if problems:
                _print_problems(problems)
            elif view is not None:
                typer.echo(f"{path}: in order: view {view.name} of {view.source}, {len(view.features)} features")
            continue
        use_case, problems = read_use_case(path, known_gates=known_gates)  # type: ignore[arg-type]
        wrong += len(problems)
        if problems:
            _print_problems(problems)
        elif use_case is not None:
            typer.echo(f"{path}: in order: {use_case.name}, {use_case.prediction.task}, {len(use_case.columns)} columns, "
                       f"{len(use_case.model_columns) + len(use_case.features.calendar)} features")
    if wrong:
        typer.echo(f"{wrong} problem{'s' if wrong != 1 else ''}", err=True)
        raise typer.Exit(1)


def new(name: Annotated[str, typer.Argument(help="Name of the use case: small letters, digits, underscores.")],
        source: Annotated[Path, typer.Option("--from", help="CSV or Parquet file with example rows (also .gz, .bz2, .zip).")],
        to: Annotated[Path | None, typer.Option("--to", help="File to write; default: the folder of use cases.")] = None) -> None:
    """Draft a use-case file from a sample: types, target, time, likely sensitive and leaking columns, each guess explained."""
    from interlock.errors import UseCaseError
    from interlock.records.drafting import draft_from
    from interlock.settings import load_settings

    path = to or load_settings().usecases_dir / f"{name}.toml"
    if path.exists():
        raise UseCaseError("the file is there already; nothing was changed", value=path, next_step="choose another name, or --to")
    text = draft_from(name, source)
    _write(path, text, make_folder=True)
    typer.echo(f"{path} is drafted. Read every comment marked 'guess', then: interlock check {path}")


def ingest(name: Annotated[str, typer.Argument(help="Name of the use case.")],
           as_of: Annotated[str | None, typer.Option(help="Take only rows with event times before this (ISO 8601).")] = None) -> None:
    """Take in new rows of a use case: checked, refused rows in quarantine, a snapshot of the rest. Running it again changes nothing."""
    from interlock.modeling.times import moment
    from interlock.records.ingest import ingest as run
    from interlock.records.store import open_store
    from interlock.settings import load_settings
    from interlock.spec.load import find_use_case

    settings = load_settings()
    _, use_case = find_use_case(settings, name)
    store = open_store(settings)
    try:
        result = run(settings, store, use_case, as_of=moment(as_of) if as_of is not None else None, progress=typer.echo)
    finally:
        store.close()
    typer.echo(f"{'new' if result.changed else 'unchanged'} snapshot {result.snapshot_digest}: {result.rows_total:,} rows "
               f"({result.new_rows:,} new), {result.quarantined:,} in quarantine")
    for reason, count in sorted(result.reasons.items(), key=lambda item: -item[1]):
        typer.echo(f"  {count:>9,}  {reason}")
    for warning in result.warnings:
        typer.echo(f"  note: {warning}")


def reference(to: Annotated[Path, typer.Option("--to", help="File to write.")] = Path("docs/use-cases.md")) -> None:
    """Write the reference of the use-case format from its types."""
    from interlock.spec.reference import reference_page

    _write(to, reference_page())
    typer.echo(f"{to} is written")


def _write(path: Path, text: str, *, make_folder: bool = False) -> None:
    from interlock.errors import SettingsError

    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise SettingsError(f"the file cannot be written: {error.strerror}", value=path,
                            next_step="name another one with --to") from error


def _print_problems(problems: list[Problem]) -> None:
    """A table on a terminal; one line per problem elsewhere, so that editors and scripts can read it."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        for problem in problems:
            typer.echo(str(problem))
        return
    table = Table(title=f"{problems[0].file}", title_justify="left", show_lines=False)
    for heading in ("line", "key", "problem", "got", "allowed", "hint"):
        table.add_column(heading, overflow="fold")
    for problem in problems:
        texts = (problem.key, problem.what, problem.value, problem.allowed, problem.hint)
        table.add_row(str(problem.line), *(escape(text) for text in texts))
    console.print(table)
