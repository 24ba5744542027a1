"""Which rows teach the calibration, and who scores them: never a model that learned from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from interlock.modeling.calibration_fit import fit_calibration
from interlock.modeling.calibrator import Calibration
from interlock.modeling.fitting import Progress, fit_on
from interlock.modeling.split import Split, group_keys, hashed_order, target
from interlock.spec.usecase import UseCase

FOLDS = 5


def calibration_of(use_case: UseCase, split: Split, parameters: dict[str, Any], rounds: int, *, progress: Progress = lambda text: None
                   ) -> Calibration | None:
    """The calibration that `[training]` asks for; None where it asks for none.

    validation: a model of the training rows scores the validation rows. out_of_fold: each of five parts of the fitting rows is scored
    by a model of the others; by time, each by a model of the parts before it, so that the first part teaches nothing; grouped, no
    entity is in two parts. The final model, fitted on all these rows, is calibrated by what was learned on its near twins.
    """
    training = use_case.training
    if training.calibration == "none":
        return None
    folds = [(split.train, split.validation)] if training.calibration_rows == "validation" else list(_folds(use_case, split.fit_rows))
    margins, labels = [], []
    for place, (learned, scored) in enumerate(folds):
        progress(f"calibration: fit {place + 1} of {len(folds)}")
        margins.append(fit_on(use_case, learned, parameters, rounds).margins(scored, training.threads))
        labels.append(target(use_case.prediction, scored))
    return fit_calibration(training.calibration, np.concatenate(margins), np.concatenate(labels), source=training.calibration_rows)


def _folds(use_case: UseCase, rows: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """(learned from, scored) pairs of the fitting rows, which are in order of time."""
    training = use_case.training
    if training.split == "time":
        times = rows["_event_time"]
        edges = [times[min(rows.height - 1, round(rows.height * place / FOLDS))] for place in range(1, FOLDS)]
        for start, end in zip(edges, [*edges[1:], None], strict=True):
            learned = rows.filter((pl.col("_event_time") < start) & (pl.col("_label_seen_time") <= start))
            scored = rows.filter((pl.col("_event_time") >= start) & (pl.lit(value=True) if end is None else pl.col("_event_time") < end))
            if learned.height and scored.height:
                yield learned, scored
        return
    keys = rows["_row_id"] if training.group is None else group_keys(rows, training.group)
    place = pl.Series(np.floor(hashed_order(keys, training.seed, "calibration") * FOLDS))
    for fold in range(FOLDS):
        yield rows.filter(place != fold), rows.filter(place == fold)
