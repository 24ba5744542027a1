"""Features that could go: the least important ones, each tried without. A proposal for a person, never done by itself."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.modeling.boosting import load_xgboost
from interlock.modeling.trials import Columns, Data, quantile_matrix

Floats = NDArray[np.float64]
TOLERANCE = 0.005       # a loss that is surely less than 0.5 % worse counts as not worse
EXPLAINED_ROWS = 2_000


def propose_drops(columns: Columns, train: Data, validation: Data, parameters: dict[str, Any], rounds: int, *, tries: int, seed: int
                  ) -> dict[str, Any]:
    """Which of the `tries` least important features could be dropped, as plain JSON.

    Importance is the share of the mean absolute SHAP value over at most 2,000 validation rows. Each candidate is tried by a refit
    without it on the training rows; its loss on the validation rows (log loss, or squared error) is compared row by row. It could go
    where the interval of the change (normal, paired) ends below 0.5 % of the loss: a test of non-inferiority, so few rows give wide
    intervals and no proposal. Those that could go are then tried together, because two features may stand in for each other. The
    intervals of all these tests hold together at 95 % (Bonferroni), because of many tries on the same rows some look good by luck.

        {"rows", "tolerance", "loss", "tested": [{"features", "importance", "change", "low", "high", "droppable"}],
         "together": the same or null, "drop": [names], "note"}      changes are relative: 0.01 is a loss 1 % higher
    """
    whole = load_xgboost().train(parameters, quantile_matrix(columns, train, parameters["nthread"]), num_boost_round=rounds)
    shares = _importance(columns, whole, validation, seed)
    names = sorted(columns.names, key=lambda name: (shares[name], name))[:min(tries, len(columns.names) - 1)]
    base = _losses_of(whole, validation.matrix, validation, parameters)
    rows, reach = validation.labels.size, NormalDist().inv_cdf(1 - 0.025 / (len(names) + 1))

    def tried(dropped: list[str]) -> dict[str, Any]:
        off = _losses(columns, train, validation, parameters, rounds, dropped) - base
        scale = max(float(base.mean()), 1e-12)
        change, doubt = float(off.mean()) / scale, reach * float(off.std(ddof=1)) / np.sqrt(rows) / scale if rows > 1 else float("inf")
        return {"features": dropped, "importance": sum(shares[name] for name in dropped), "change": change, "low": change - doubt,
                "high": change + doubt, "droppable": bool(change + doubt < TOLERANCE)}

    if rows < 2:
        return {"rows": rows, "tolerance": TOLERANCE, "loss": None, "tested": [], "together": None, "drop": [],
                "note": "Too few validation rows to try features."}
    tested = [tried([name]) for name in names]
    drop = [one["features"][0] for one in tested if one["droppable"]]
    together = tried(drop) if len(drop) > 1 else None
    if together is not None and not together["droppable"]:
        drop = [min((one for one in tested if one["droppable"]), key=lambda one: one["high"])["features"][0]]
    return {"rows": rows, "tolerance": TOLERANCE, "loss": float(base.mean()), "tested": tested, "together": together, "drop": drop,
            "note": _note(drop, len(names), rows)}


def _note(drop: list[str], tried: int, rows: int) -> str:
    if not drop:
        return f"None of the {tried} least important features could go without doubt ({rows:,} validation rows)."
    return (f"Without {', '.join(drop)} the loss on {rows:,} validation rows is surely less than {TOLERANCE:.1%} higher: "
            'consider role = "ignore".')


def _importance(columns: Columns, booster: Any, validation: Data, seed: int) -> dict[str, float]:
    xgboost = load_xgboost()
    count = validation.labels.size
    picked = np.sort(np.random.default_rng(seed).choice(count, min(count, EXPLAINED_ROWS), replace=False))
    rows = xgboost.DMatrix(validation.matrix[picked], feature_names=columns.names, feature_types=columns.types, enable_categorical=True)
    values = np.abs(booster.predict(rows, pred_contribs=True).astype(np.float64))[..., :-1]
    sizes = values.reshape(-1, len(columns.names)).mean(axis=0)
    shares = sizes / max(float(sizes.sum()), 1e-12)
    return {name: float(share) for name, share in zip(columns.names, shares, strict=True)}


def _losses(columns: Columns, train: Data, validation: Data, parameters: dict[str, Any], rounds: int, dropped: list[str]) -> Floats:
    """Loss per validation row of a model without the dropped features."""
    kept = [place for place, name in enumerate(columns.names) if name not in dropped]
    narrow = Columns([columns.names[place] for place in kept], [columns.types[place] for place in kept])
    matrix = quantile_matrix(narrow, replace(train, matrix=np.ascontiguousarray(train.matrix[:, kept])), parameters["nthread"])
    booster = load_xgboost().train(_without(parameters, dropped), matrix, num_boost_round=rounds)
    return _losses_of(booster, np.ascontiguousarray(validation.matrix[:, kept]), validation, parameters)


def _losses_of(booster: Any, matrix: NDArray[np.float32], validation: Data, parameters: dict[str, Any]) -> Floats:
    return row_losses(np.asarray(booster.inplace_predict(matrix), dtype=np.float64), validation.labels, str(parameters["objective"]))


def row_losses(answers: Floats, labels: Floats, objective: str) -> Floats:
    """Log loss per row of probabilities (n,) or (n, classes), or squared error of values."""
    if objective.startswith("reg:"):
        return (answers - labels) ** 2
    shares = answers if answers.ndim == 2 else np.column_stack([1 - answers, answers])
    hit = shares[np.arange(labels.size), labels.astype(np.int64)]
    losses: Floats = -np.log(np.clip(hit, 1e-15, 1.0))
    return losses


def _without(parameters: dict[str, Any], dropped: list[str]) -> dict[str, Any]:
    found = dict(parameters)
    if "monotone_constraints" in found:
        found["monotone_constraints"] = {name: way for name, way in found["monotone_constraints"].items() if name not in dropped}
    if "interaction_constraints" in found:
        lists = [[name for name in listed if name not in dropped] for listed in found["interaction_constraints"]]
        found["interaction_constraints"] = [listed for listed in lists if listed]
    return found
