"""`interlock new`: a use-case file drafted from a sample. Every guess says in a comment what it rests on."""

from __future__ import annotations

import csv
import json
import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from interlock.errors import DataError, SourceError, UseCaseError
from interlock.records.byte_blocks import head_of
from interlock.records.guesses import Guess, Job, guess_columns, guess_job

if TYPE_CHECKING:
    import polars as pl

ROWS_MAX = 100_000  # of the sample that are looked at
SAMPLE_BYTES_MAX = 256 * 1024**2
MISSING = ("", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "unknown")
_CALENDAR = '[features]\ncalendar = ["hour", "weekday"]  # guess: no column could be a feature, so only the clock is left\n'
_BARE = re.compile(r"^[A-Za-z0-9_-]+$")
_NAME = re.compile(r"^[a-z][a-z0-9_]{1,62}$")


def draft_from(name: str, path: Path) -> str:
    """The text of a use-case file for rows like those in the CSV or Parquet file; it passes `interlock check`.

    Raises `SourceError` where the sample cannot be read, `DataError` where it has fewer than 2 columns or 2 rows.
    """
    if not _NAME.match(name):
        raise UseCaseError("this cannot be the name of a use case", value=name,
                           allowed="small letters, digits, underscores; a letter first")
    frame, source = _sample(Path(path))
    if frame.width < 2 or frame.height < 2:
        raise DataError(f"{path} has {frame.height} rows and {frame.width} columns", allowed="at least 2 of each",
                        next_step="check the separator")
    own = [column for column in frame.columns if column.startswith("_") or not column]
    if own:
        raise SourceError("columns without a name, or whose name starts with an underscore, cannot be used",
                          value=", ".join(map(repr, own)), next_step="rename them in the source")
    job = guess_job(frame)
    columns = guess_columns(frame, job)
    featureless = all(column.role != "feature" for column in columns)
    if featureless and job.time is None:
        raise DataError(f"no column of {path} could be a feature", value=", ".join(f"{column.name} ({column.role})" for column in columns),
                        allowed="at least one column of numbers, words or booleans that varies",
                        next_step="add columns, or write the file by hand")
    parts = [_head(name, Path(path)), _prediction(job), source, _time(job), *(_column(column) for column in columns),
             _CALENDAR if featureless else "", _training(job)]
    return "\n".join(part for part in parts if part)


def _sample(path: Path) -> tuple[pl.DataFrame, str]:
    """The sample as text with nulls, and the `[source]` section that reads it."""
    import polars as pl

    if not path.is_file():
        raise SourceError(f"there is no file {path}", next_step="interlock new NAME --from data.csv")
    shown = json.dumps(str(path.resolve()), ensure_ascii=False)
    if path.suffix == ".parquet":
        try:
            frame = pl.read_parquet(path, n_rows=ROWS_MAX)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise SourceError(f"{path} cannot be read as Parquet: {error}".partition("\n")[0],
                              next_step="write it again, or give a CSV file") from error
        text = frame.select(pl.col(name).cast(pl.String) for name in frame.columns)
        return text, f'[source]\nkind = "files"\nformat = "parquet"\nfiles = [{{ path = {shown} }}]\n'
    return _csv_sample(path, shown)


def _csv_sample(path: Path, shown: str) -> tuple[pl.DataFrame, str]:
    import polars as pl

    data = head_of(path, path.name, SAMPLE_BYTES_MAX)
    try:
        first = data.partition(b"\n")[0].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not UTF-8", next_step="convert it, or write the file by hand with encoding = \"latin-1\"") from error
    separator = max(",;\t|", key=first.count)
    names = [field.strip() for field in next(csv.reader([first], delimiter=separator))]
    try:
        frame = pl.read_csv(data, separator=separator, infer_schema=False, n_rows=ROWS_MAX, truncate_ragged_lines=True,
                            empty_string_is_null=False)
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{path} cannot be read as CSV: {error}", next_step="check separator and quotes") from error
    if len(set(names)) != len(names):
        raise SourceError(f"{path}: two columns have one name", value=", ".join(names))
    frame.columns = names
    stripped = frame.select(pl.all().str.strip_chars())
    known = pl.Series(MISSING, dtype=pl.String).implode()
    text = stripped.select(pl.when(~pl.col(name).is_in(known)).then(pl.col(name)) for name in names)
    return text, _source_section(shown, separator, space=not frame.equals(stripped), stripped=stripped)


def _source_section(shown: str, separator: str, *, space: bool, stripped: pl.DataFrame) -> str:
    """The `[source]` section; texts that mean missing are those of `MISSING` that the sample has."""
    import polars as pl

    used = [text for text in MISSING if stripped.select(pl.any_horizontal((pl.all() == text).any())).item()]
    lines = [f'[source]\nkind = "files"\nfiles = [{{ path = {shown} }}]']
    lines += [f"separator = {json.dumps(separator)}  # guess: the mark that the first line has most of"] if separator != "," else []
    lines += ["strip = true  # guess: some values begin or end with a space"] if space else []
    lines += [f"missing = {json.dumps(['', *[text for text in used if text]])}  # guess: these texts stand for 'not known'"]
    return "\n".join(lines) + "\n"


def _head(name: str, path: Path) -> str:
    return (f"# Drafted by `interlock new` from {path.name} on {date.today().isoformat()}.\n"
            "# Every line marked 'guess' wants a person's eye.\n"
            f'spec_version = 1\nname = "{name}"\ntitle = "{name.replace("_", " ").capitalize()}"\n'
            'description = "What it is for, and what it must not be used for."\nowner = "name of the team that answers for it"\n')


def _prediction(job: Job) -> str:
    lines = ["[prediction]", f'task = "{job.task}"  # guess: {job.task_why}', f"target = {_text(job.target)}  # guess: {job.target_why}"]
    if job.task == "binary":
        lines.append(f"positive = [{_text(job.positive)}]  # guess: {job.positive_why}")
    if job.task == "multiclass":
        lines.append(f"classes = {json.dumps(job.classes, ensure_ascii=False)}")
    lines.append('moment = "When is the prediction made? Columns that are known only later need role = \\"later\\"."')
    return "\n".join(lines) + "\n"


def _time(job: Job) -> str:
    if job.time is None:
        return "# guess: no column holds dates or times, so the event time of a row is its ingestion and there is no [time].\n"
    return f"[time]\ncolumn = {_text(job.time)}  # guess: {job.time_why}\n"


def _column(guess: Guess) -> str:
    key = guess.name if _BARE.match(guess.name) else _text(guess.name)
    lines = [f"[columns.{key}]", f'type = "{guess.kind}"  # guess: {guess.kind_why}']
    if guess.role != "feature":
        lines.append(f'role = "{guess.role}"  # guess: {guess.role_why}')
    elif guess.role_why:
        lines.append(f"# guess: a feature; {guess.role_why}")
    if guess.missing == 0:
        lines.append("missing = false  # guess: none is missing in the sample")
    return "\n".join(lines) + "\n"


def _training(job: Job) -> str:
    split, why = ("time", "there is a clock, so the newest rows are held out") if job.time is not None else ("seeded", "there is no clock")
    return f'[training]\nsplit = "{split}"  # guess: {why}\n'


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
