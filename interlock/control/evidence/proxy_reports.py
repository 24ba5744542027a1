"""Which features stand in for the sensitive attributes of a candidate's held-out rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.control.evidence.case import Case
from interlock.modeling.boosting import load_xgboost
from interlock.modeling.features import Matrix
from interlock.modeling.trials import Columns, Data, quantile_matrix
from interlock.rules.findings import Finding

Report = tuple[list[Finding], dict[str, Any]]
ROWS_MAX, EXPLAINED_ROWS, JOINT_ROWS, JOINT_ROUNDS = 6_000, 400, 3_000, 20


def proxies(case: Case) -> Report:
    """`fairness.proxy…` of at most 6,000 held-out rows (seeded); nothing without sensitive attributes. It informs and gates nothing."""
    from reports.proxies import proxy_findings

    names = case.use_case.sensitive_columns
    if not names or not case.held_out.rows.height:
        return [], {}
    chosen = picked(case.held_out.rows.height, ROWS_MAX, case.seed)
    matrix, space = case.held_out.matrix[chosen], case.package.manifest.features
    joint = teller(Columns.of(space), matrix, case.seed)
    return proxy_findings(matrix, space.names, space.feature_types, case.held_out.rows[chosen].select(names), importance(case, matrix),
                          rows_min=case.use_case.fairness.group_rows_min, joint=joint, seed=case.seed)


def picked(rows: int, most: int, seed: int) -> NDArray[np.int64]:
    """Ascending numbers of at most `most` rows."""
    if rows <= most:
        return np.arange(rows)
    return np.asarray(np.sort(np.random.default_rng(seed).choice(rows, most, replace=False)), dtype=np.int64)


def importance(case: Case, matrix: Matrix) -> dict[str, float]:
    """Each feature's share of mean |SHAP| over at most 400 of these rows; all 0 for a constant model."""
    xgboost, columns = load_xgboost(), Columns.of(case.package.manifest.features)
    data = xgboost.DMatrix(matrix[picked(matrix.shape[0], EXPLAINED_ROWS, case.seed)], feature_names=columns.names,
                           feature_types=columns.types, enable_categorical=True, nthread=1)
    found = np.abs(np.asarray(case.package.open_model(1).booster.predict(data, pred_contribs=True), dtype=np.float64))[..., :-1]
    sizes = found.reshape(-1, len(columns.names)).mean(axis=0)
    total = float(sizes.sum())
    return {name: float(size) / total if total else 0.0 for name, size in zip(columns.names, sizes, strict=True)}


def teller(columns: Columns, matrix: Matrix, seed: int) -> Any:
    """A small model that tells groups from all features: each half is scored by a model of at most 3,000 rows of the other."""
    xgboost = load_xgboost()

    def tell(rows: NDArray[np.int64], groups: NDArray[np.int64], count: int) -> NDArray[np.float64]:
        half = np.random.default_rng(seed).permutation(rows.size) % 2
        said = np.zeros((rows.size, count))
        parameters = {"objective": "multi:softprob", "num_class": count, "max_depth": 4, "learning_rate": 0.3, "nthread": 1,
                      "tree_method": "hist", "seed": seed, "verbosity": 0}
        for part in (0, 1):
            learned = np.flatnonzero(half != part)[:JOINT_ROWS]
            data = Data(matrix[rows[learned]], groups[learned].astype(np.float64))
            booster = xgboost.train(parameters, quantile_matrix(columns, data, 1), num_boost_round=JOINT_ROUNDS)
            scored = np.flatnonzero(half == part)
            said[scored] = booster.inplace_predict(matrix[rows[scored]], missing=np.nan, validate_features=False)
        return said

    return tell
