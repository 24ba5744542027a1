"""Fit the quantile booster, and learn from rows that it did not see how far its interval is off."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.modeling.boosting import load_xgboost
from interlock.modeling.intervals import Intervals
from interlock.modeling.trials import Columns, Data, quantile_matrix
from interlock.spec.training import Training

Floats = NDArray[np.float64]


def fit_quantiles(training: Training, columns: Columns, train: Data, validation: Data, parameters: dict[str, Any]
                  ) -> tuple[bytes, Intervals]:
    """The quantile booster (UBJ) fitted on `train`, and its intervals with the correction learned on `validation`.

    The booster has one output per level (pinball loss; XGBoost's `reg:quantileerror`), the shape of the tuned trees, and stops after
    the round that was best on the validation rows. These rows then teach the correction, so they are not fitted on.
    """
    xgboost = load_xgboost()
    settings = parameters | {"objective": "reg:quantileerror", "eval_metric": "quantile", "quantile_alpha": training.quantiles}
    fitted = quantile_matrix(columns, train, settings["nthread"])
    checked = quantile_matrix(columns, validation, settings["nthread"], fitted)
    booster = xgboost.train(settings, fitted, num_boost_round=training.rounds_max, evals=[(checked, "validation")],
                            early_stopping_rounds=training.early_stopping_rounds, verbose_eval=False)
    booster = booster[:booster.best_iteration + 1]
    answers = np.asarray(booster.inplace_predict(validation.matrix), dtype=np.float64)
    ordered = np.sort(answers, axis=1)
    crossed = float(np.mean((np.diff(answers, axis=1) < 0).any(axis=1)))
    wanted = training.quantiles[-1] - training.quantiles[0]
    correction = conformal_correction(ordered[:, 0], ordered[:, -1], validation.labels, wanted) if training.conformal else 0.0
    return bytes(booster.save_raw("ubj")), Intervals(levels=training.quantiles, correction=correction, conformal=training.conformal,
                                                     rows=len(validation.labels), crossed_share=crossed)


def conformal_correction(low: Floats, high: Floats, outcomes: Floats, coverage: float) -> float:
    """What to add to both ends so that at least `coverage` of exchangeable new outcomes lie within: split conformal, all (n,).

    The ceil((n + 1) · coverage)-th smallest of max(low - y, y - high): Romano, Patterson and Candès 2019, "Conformalized quantile
    regression". With too few rows for that rank (n + 1 < 1 / (1 - coverage)) a `DataError`. Negative where the interval was too wide.
    """
    rank = int(np.ceil((outcomes.size + 1) * coverage - 1e-9))
    if rank > outcomes.size:
        raise DataError("too few validation rows for intervals of this coverage", value=outcomes.size,
                        allowed=f"at least {int(np.ceil(1 / (1 - coverage))) - 1}",
                        next_step="raise [training] validation_fraction, or set conformal = false")
    return float(np.sort(np.maximum(low - outcomes, outcomes - high))[rank - 1])
