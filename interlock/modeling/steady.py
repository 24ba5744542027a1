"""The tested default stays unless the search found something that is surely better."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.modeling.boosting import load_xgboost
from interlock.modeling.selection import row_losses
from interlock.modeling.trials import Columns, Data, quantile_matrix
from interlock.modeling.tuning import Trial, Tuned

ERRORS = 2.0  # standard errors by which a trial must lead


def steadied(tuned: Tuned, columns: Columns, train: Data, validation: Data) -> Tuned:
    """`tuned`, or trial 0 (the default) where the best trial's lead on the validation rows is within two standard errors.

    The lead is the mean difference of the rows' losses (log loss, squared error), paired. The best of many trials on the same rows is
    partly luck, so where they cannot tell the two apart the model counts that these rows did not choose: the rule of one standard
    error (Breiman et al. 1984, "Classification and regression trees", 3.4.3), with two because twenty trials compete.
    """
    best = min((trial for trial in tuned.trials if trial.loss is not None), key=lambda trial: (trial.loss, trial.number))
    default = tuned.trials[0]
    if best.number == default.number or default.loss is None:
        return tuned
    fixed = {name: value for name, value in tuned.parameters.items() if name not in best.parameters}
    matrix = quantile_matrix(columns, train, tuned.parameters["nthread"])
    first, second = (_losses(fixed, trial, matrix, validation) for trial in (default, best))
    lead = first - second
    if lead.size > 1 and lead.mean() > ERRORS * lead.std(ddof=1) / np.sqrt(lead.size):
        return tuned
    return replace(tuned, parameters={**fixed, **default.parameters, "seed": default.seed}, rounds=default.rounds, loss=default.loss,
                   number=default.number)


def _losses(fixed: dict[str, Any], trial: Trial, matrix: Any, validation: Data) -> NDArray[np.float64]:
    parameters = {**fixed, **trial.parameters, "seed": trial.seed}
    booster = load_xgboost().train(parameters, matrix, num_boost_round=trial.rounds)
    found = row_losses(np.asarray(booster.inplace_predict(validation.matrix), np.float64), validation.labels, str(parameters["objective"]))
    return found if validation.weights is None else found * validation.weights
