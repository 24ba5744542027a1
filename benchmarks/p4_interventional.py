"""Interventional Shapley values of 10,000 rows against 5,000 background rows, beside `shap.TreeExplainer(data=...)`.

    python -m benchmarks --only P4

The peer's time grows with rows x background rows, so it is measured on a stated smaller run against the same 5,000 background rows and
multiplied by the ratio of rows; two sizes show that it grows in that way.
"""

from __future__ import annotations

import json
import resource
import time
import warnings
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks.shapley_model import THREADS, fitted, rows, types

ROWS, BACKGROUND, ROUNDS = 10_000, 5_000, 3
PEER_ROWS = (5, 20)
GOAL = 500


def run() -> dict[str, Any]:
    """Both sides on the same model, rows and background; the peer's rows are compared feature by feature."""
    import shap
    import woodelf  # noqa: F401 - imports are no part of the time

    from reports.shapley import explain_against

    booster, (values, _), (background, _) = fitted(categories=0), rows(ROWS, 2, categories=0), rows(BACKGROUND, 3, categories=0)
    own, peer = [], {size: list[float]() for size in PEER_ROWS}
    for _ in range(ROUNDS):
        began = time.perf_counter()
        made = explain_against(booster, values, background, types(0), threads=THREADS)
        own.append(time.perf_counter() - began)
        for size in PEER_ROWS:
            began = time.perf_counter()
            masker = shap.maskers.Independent(background, max_samples=BACKGROUND)  # by default it keeps 100 background rows
            explainer = shap.TreeExplainer(booster, data=masker, feature_perturbation="interventional")
            found = explainer.shap_values(values[:size], check_additivity=False)
            peer[size].append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    own_s, small, large = float(np.median(own)), *(float(np.median(peer[size])) for size in PEER_ROWS)
    per_row = (large - small) / (PEER_ROWS[1] - PEER_ROWS[0])
    peer_s = per_row * ROWS
    apart = float(np.abs(made.contributions[:PEER_ROWS[1], :-1] - found).max())
    ratio = peer_s / own_s
    return {"id": "P4", "what": "interventional SHAP values of 10,000 rows against 5,000 background rows, 300 trees of depth 6",
            "ours_s": own_s, "peer_s": peer_s, "ratio": ratio, "ours_mb": peak, "peer_mb": None,
            "agreement": f"every row's sum within {made.worst:.1e} of the margin ({made.recomputed} rows recomputed); the peer's "
                         f"{PEER_ROWS[1]} rows within {apart:.1e} feature by feature",
            "goal": f"≥ {GOAL}×", "met": ratio >= GOAL and apart <= 1e-3 and made.worst <= 1e-3,
            "note": f"Peer: shap.TreeExplainer(data=…), extrapolated: {PEER_ROWS[0]} rows took {small:.1f} s and {PEER_ROWS[1]} rows "
                    f"{large:.1f} s against the same {BACKGROUND:,} background rows, {per_row:.3f} s a further row (its fixed time is left "
                    f"out, in its favour). {ROUNDS} rounds in turn in one process, whose peak memory is given.",
            "versions": {name: version(name) for name in ("xgboost", "shap", "woodelf-explainer", "numpy")}}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(run(), indent=2, ensure_ascii=False))
