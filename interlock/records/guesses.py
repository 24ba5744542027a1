"""What a sample suggests about its columns. Guesses, with their grounds; a person confirms them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from interlock.modeling.schema import FALSE, TRUE
from interlock.modeling.times import parse_times

if TYPE_CHECKING:
    import polars as pl

CATEGORIES_MAX = 200   # more different words than this are text, not categories
CLASSES_MAX = 20
LEAK = 0.95            # a column that alone orders the target this well is probably its consequence
STRONG = 0.75
_WORDS = r"(?:^|[^a-z]){}(?:$|[^a-z])"
TARGETS = ("target", "label", "class", "outcome", "y", "default", "churn", "approved", "approve", "fraud", "income", "cnt",
           "count", "price")
SENSITIVE = ("sex", "gender", "race", "ethnicity", "ethnic", "religion", "age", "marital", "marriage", "married", "disability",
             "nationality", "native", "birth", "pregnant", "orientation", "black", "white", "hispanic", "hispan", "male", "female")
IDENTIFIERS = ("id", "uuid", "key", "number", "no", "instant", "index")
PEOPLE = ("customer", "client", "person", "user", "email", "phone", "ssn", "passport", "name", "patient", "employee")


@dataclass(frozen=True)
class Job:
    """The guessed prediction job."""

    task: str
    task_why: str
    target: str
    target_why: str
    positive: str = ""
    positive_why: str = ""
    classes: list[str] = field(default_factory=list)
    time: str | None = None
    time_why: str = ""


@dataclass(frozen=True)
class Guess:
    """One guessed column."""

    name: str
    kind: str
    kind_why: str
    role: str
    role_why: str
    missing: int


def guess_job(frame: pl.DataFrame) -> Job:
    """Target, task and clock of a frame of text columns."""
    named = next((name for word in TARGETS for name in frame.columns if _has_word(name, (word,))), None)
    kinds = {name: _kind(frame[name])[0] for name in frame.columns}
    possible = [name for name in frame.columns if kinds[name] not in {"date", "datetime", "text"}] or frame.columns
    target = named or possible[-1]
    why = f"its name; the last column is '{frame.columns[-1]}'" if named else "the last column that can be one"
    times = [name for name in frame.columns if kinds[name] in {"date", "datetime"} and name != target]
    time = max(times, key=lambda name: frame[name].n_unique(), default=None)
    clock = (time, "dates or times, the most different ones of the sample" if len(times) > 1 else "the only column of dates or times")
    values = frame[target].drop_nulls().unique().sort().to_list()
    if len(values) == 2:
        rarer = min(values, key=lambda value: _share(frame, target, value))
        positive = next((value for value in values if value.lower() in TRUE), rarer)
        return Job("binary", "the target has two values", target, why, positive,
                   f"the rarer or affirmative of {values[0]!r} and {values[1]!r}", [], *clock)
    if kinds[target] in {"category", "text"} and 3 <= len(values) <= CLASSES_MAX:
        return Job("multiclass", f"the target has {len(values)} words", target, why, classes=values, time=clock[0], time_why=clock[1])
    if kinds[target] in {"integer", "float"}:
        return Job("regression", "the target is a number", target, why, time=clock[0], time_why=clock[1])
    positive = str(values[0]) if values else "yes"
    return Job("binary", f"nothing fits: the target has {len(values)} different values; choose another target", target, why, positive,
               "the first value", [], *clock)


def guess_columns(frame: pl.DataFrame, job: Job) -> list[Guess]:
    """Type and role of every column, in file order; at least one stays a feature where any can be one."""
    return [_guess(frame, name, job) for name in frame.columns]


def _guess(frame: pl.DataFrame, name: str, job: Job) -> Guess:
    values = frame[name]
    kind, why = _kind(values)
    if name == job.target:
        number = job.task == "regression"
        return Guess(name, kind if number else "category", why if number else "a target with named values", "target", "see prediction",
                     values.null_count())
    role, role_why = _role(frame, name, kind, job)
    return Guess(name, kind, why, role, role_why, values.null_count())


def _kind(values: pl.Series) -> tuple[str, str]:
    import polars as pl

    known = values.drop_nulls()
    if known.is_empty():
        return "category", "no value in the sample"
    lower = set(known.str.to_lowercase().unique().to_list()) if known.n_unique() == 2 else set()
    if lower and (lower <= {"0", "1"} or (lower <= {*TRUE, *FALSE} and not lower & {"1.0", "0.0"})):
        return "boolean", f"only {' and '.join(sorted(lower))}"
    whole, number = known.cast(pl.Int64, strict=False), known.cast(pl.Float64, strict=False)
    if whole.null_count() == 0:
        return "integer", f"whole numbers from {whole.min()!r} to {whole.max()!r}"
    if number.null_count() == 0:
        return "float", f"numbers from {number.min()!r} to {number.max()!r}"
    times = known.to_frame("value").select(parse_times(pl.col("value"), None, "UTC")).to_series()
    if times.null_count() == 0:
        return ("date", "ISO 8601 dates") if known.str.len_chars().max() == 10 else ("datetime", "ISO 8601 times")
    if known.n_unique() <= CATEGORIES_MAX:
        return "category", f"{known.n_unique()} different words"
    return "text", f"{known.n_unique():,} different texts"


def _role(frame: pl.DataFrame, name: str, kind: str, job: Job) -> tuple[str, str]:
    distinct = frame[name].n_unique()
    if name == job.time:
        return "ignore", "the clock; parts of it become features through features.calendar"
    if _has_word(name, PEOPLE) and distinct > frame.height / 2:
        return "subject", "it seems to name a person: only its keyed token is kept"
    if distinct == frame.height and (kind in {"text", "category"} or (kind == "integer" and _has_word(name, IDENTIFIERS))):
        return "identifier", "every row has another value"
    if _has_word(name, SENSITIVE):
        return "sensitive", "its name; measured for fairness and kept out of the model"
    if kind in {"text", "date", "datetime"}:
        return "ignore", f"a {kind} cannot be a feature"
    power = _power(frame, name, kind, job)
    if power is not None and power >= LEAK:
        return "later", f"alone it tells the target almost perfectly ({power:.2f}): known only afterwards?"
    if distinct == 1:
        return "ignore", "always the same value"
    if power is not None and power >= STRONG:
        return "feature", f"alone it tells the target well ({power:.2f}): is it really known at the prediction moment?"
    return "feature", ""


def _power(frame: pl.DataFrame, name: str, kind: str, job: Job) -> float | None:
    """How well one column alone tells the target: AUC of its order (binary), |rank correlation| (regression), 0.5 or 0 to 1.

    Categories are ordered by their own mean of the target, so rare ones flatter it: looked at only up to 50 of them.
    """
    import polars as pl

    target = pl.col(job.target)
    label = (target == job.positive).cast(pl.Float64) if job.task == "binary" else target.cast(pl.Float64, strict=False)
    if job.task == "multiclass":
        return None
    pairs = frame.lazy().select(x=pl.col(name), y=label).drop_nulls().collect()
    if kind in {"category", "boolean"}:
        if pairs["x"].n_unique() > 50:
            return None
        pairs = pairs.with_columns(x=pl.col("y").mean().over("x"))
    else:
        pairs = pairs.with_columns(pl.col("x").cast(pl.Float64, strict=False)).drop_nulls()
    positives = float(pairs["y"].sum() or 0)
    if pairs.height < 20 or pairs["x"].n_unique() < 2 or pairs["y"].n_unique() < 2:
        return None
    if job.task == "regression":
        value = pairs.select(pl.corr("x", "y", method="spearman")).item()
        return None if value is None else abs(float(value))
    ranks = float(pairs.select((pl.col("x").rank() * pl.col("y")).sum()).item())
    area = (ranks - positives * (positives + 1) / 2) / (positives * (pairs.height - positives))
    return max(area, 1 - area)


def _share(frame: pl.DataFrame, name: str, value: str) -> int:
    return int((frame[name] == value).sum())


def _has_word(name: str, words: tuple[str, ...]) -> bool:
    return any(re.search(_WORDS.format(word), name.lower()) for word in words)
