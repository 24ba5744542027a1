"""Which labelled rows a model learns from, is tuned on, and is judged by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.rules.canonical import iso
from interlock.spec.model import Prediction
from interlock.spec.training import Training
from interlock.spec.usecase import UseCase


@dataclass(frozen=True)
class Split:
    """Three disjoint parts of the labelled rows. `fit_rows` (train + validation) is what the final model learns from.

    `known` also holds the rows in none of them: labels that came too late to be learned from before the held-out rows began.
    """

    train: pl.DataFrame
    validation: pl.DataFrame
    test: pl.DataFrame
    known: pl.DataFrame
    labels_until: datetime
    note: str

    @property
    def fit_rows(self) -> pl.DataFrame:
        return pl.concat([self.train, self.validation]).sort("_event_time", maintain_order=True)


def known_rows(frame: pl.DataFrame, as_of: datetime | None, since: datetime | None = None) -> pl.DataFrame:
    """Rows whose label had been seen by `as_of` (None: all labels), and whose event came after `since` (None: all history)."""
    known = frame.filter(pl.col("_label").is_not_null())
    if as_of is not None:
        known = known.filter(pl.col("_label_seen_time") <= as_of)
    return known if since is None else known.filter(pl.col("_event_time") > since)


def sliding_since(known: pl.DataFrame, days: float) -> datetime | None:
    """The moment after which the newest `days` of these rows begin; None where there are no rows."""
    newest = known["_event_time"].max()
    return newest - timedelta(days=days) if isinstance(newest, datetime) else None


def split_rows(use_case: UseCase, frame: pl.DataFrame, as_of: datetime | None = None, since: datetime | None = None) -> Split:
    """Split as `[training]` says; a `DataError` says what is missing for that.

    time: the newest rows are held out, and no row before them counts as known whose label came only after they began; rows of
    one instant stay together; validation is cut from the newer end of the rest in the same way. seeded: by a hash of the row's
    id. official: the source's own test rows; validation by hash. grouped: by a hash of the group's value; a row without one is a
    group of its own. `since`: rows up to this moment are no part of it (None: as `window_days` says for a sliding window).
    """
    training = use_case.training
    known = known_rows(frame, as_of, since)
    if since is None and training.window_kind == "sliding" and training.window_days is not None:
        known = known_rows(known, None, sliding_since(known, training.window_days))
    if known.height < training.rows_min:
        raise DataError(f"use case '{use_case.name}' has too few labelled rows to train", value=known.height,
                        allowed=f"at least {training.rows_min:,}", next_step=f"interlock ingest {use_case.name}, or wait for labels")
    train, validation, test, note = _parts(training, known)
    if training.group is not None and training.split != "grouped":
        train, validation, said = _apart(training, train, validation, test)
        note = f"{note}; {said}"
    until = known["_label_seen_time"].max()
    split = Split(train, validation, test, known, until if isinstance(until, datetime) else datetime.min, note)
    _check(use_case, split)
    return split


def _parts(training: Training, known: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, str]:
    """(train, validation, test, how they were cut)."""
    if training.split == "time":
        rest, test = _newest(known, training.test_fraction, "test")
        train, validation = _newest(rest, training.validation_fraction, "validation")
        return train, validation, test, f"newest {training.test_fraction:.0%} of the rows held out, from {_earliest(test)}"
    keys = group_keys(known, training.group) if training.split == "grouped" and training.group else known["_row_id"]
    held = (known["_split"] == "test").fill_null(value=False) if training.split == "official" else \
        _hashed(keys, training.seed, "test", training.test_fraction)
    inner = _hashed(keys.filter(~held), training.seed, "validation", training.validation_fraction)
    rest, test = known.filter(~held), known.filter(held)
    note = {"official": "the source's official split", "seeded": f"seeded split by row id, seed {training.seed}"}.get(
        training.split, f"split by {training.group}, {keys.n_unique():,} entities, none in two parts, seed {training.seed}")
    return rest.filter(~inner), rest.filter(inner), test, note


def group_keys(rows: pl.DataFrame, group: str) -> pl.Series:
    """The entity of each row as text; a row without one is an entity of its own. `DataError` where the column is not there."""
    if group not in rows.columns:
        raise DataError(f"the rows have no column '{group}' to group by", value=", ".join(name for name in rows.columns if name[0] != "_"),
                        next_step="correct [training] group")
    alone = pl.concat_str(pl.lit("\0row:"), pl.col("_row_id").cast(pl.String))
    return rows.select(pl.col(group).cast(pl.String).fill_null(alone).alias("_group"))["_group"]


def _apart(training: Training, train: pl.DataFrame, validation: pl.DataFrame, test: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, str]:
    """(train, validation, what was said) without the entities that a later part holds, where `group_overlap` says so."""
    group = str(training.group)
    tested, checked = group_keys(test, group).unique(), group_keys(validation, group).unique()
    shared = [group_keys(part, group).is_in(later.implode()) for part, later in (
        (train, pl.concat([tested, checked])), (validation, tested))]
    rows = sum(int(mask.cast(pl.Int64).sum()) for mask in shared)
    if training.group_overlap == "state":
        return train, validation, f"{rows:,} rows to learn from belong to a {group} that is also in a later part"
    return train.filter(~shared[0]), validation.filter(~shared[1]), f"{rows:,} rows removed whose {group} is also in a later part"


def target(prediction: Prediction, frame: pl.DataFrame) -> NDArray[np.float64]:
    """Labels as numbers: 0/1, the value, or the class's place in `prediction.classes`."""
    if prediction.task != "multiclass":
        return frame["_label"].cast(pl.Float64).to_numpy()
    classes = prediction.classes or []
    codes = frame["_label"].cast(pl.Enum(classes), strict=False).to_physical()
    if codes.null_count():
        odd = frame.filter(codes.is_null())["_label"][0]
        raise DataError("a label is not one of the use case's classes", value=odd, allowed=", ".join(classes))
    return codes.cast(pl.Float64).to_numpy()


def hashed_order(row_ids: pl.Series, seed: int, purpose: str) -> NDArray[np.float64]:
    """A number in [0, 1) per row that depends on nothing but the row's id, the seed and the purpose."""
    prefix = f"{seed}:{purpose}:".encode()
    scale = 2.0**-64
    return np.fromiter((int.from_bytes(hashlib.sha256(prefix + row.encode()).digest()[:8], "big") * scale for row in row_ids),
                       dtype=np.float64, count=len(row_ids))


def _hashed(row_ids: pl.Series, seed: int, purpose: str, fraction: float) -> pl.Series:
    return pl.Series(hashed_order(row_ids, seed, purpose) < fraction)


def _newest(frame: pl.DataFrame, fraction: float, part: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(older rows whose label was known when the newer part began, newest `fraction` of the rows)."""
    if frame.height < 2:
        raise DataError(f"no rows are left for the {part} part", value=frame.height)
    times = frame["_event_time"].sort()
    begin = times[min(frame.height - 1, frame.height - max(1, round(frame.height * fraction)))]
    older = frame.filter((pl.col("_event_time") < begin) & (pl.col("_label_seen_time") <= begin))
    if older.is_empty():
        raise DataError("the rows cannot be split by time", value=f"all labelled rows are at {begin} or later, or their labels came later",
                        allowed="rows spread over time", next_step='set [training] split = "seeded" if the rows have no real time')
    return older, frame.filter(pl.col("_event_time") >= begin)


def _earliest(rows: pl.DataFrame) -> str:
    first = rows["_event_time"].min()
    return iso(first) if isinstance(first, datetime) else "nothing"


def _check(use_case: UseCase, split: Split) -> None:
    for name, part in (("training", split.train), ("validation", split.validation), ("held-out", split.test)):
        if part.is_empty():
            raise DataError(f"the {name} part of use case '{use_case.name}' has no rows", value=split.note,
                            next_step="check [training] split and the fractions")
        if use_case.prediction.task != "regression" and part["_label"].n_unique() < 2:
            raise DataError(f"the {name} part of use case '{use_case.name}' holds one class only", value=part["_label"][0],
                            allowed="at least two classes", next_step="check [prediction] positive, or take in more rows")
