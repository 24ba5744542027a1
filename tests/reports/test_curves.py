"""Counts at every threshold and quantiles of errors, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from reports.curves import binary_curves, confusion, regression_curves


def test_counts_at_every_threshold_by_hand() -> None:
    y, score = np.array([1, 1, 0, 0, 0.0]), np.array([0.9, 0.3, 0.6, 0.1, 0.1])
    counts = binary_curves(y, score, 0.5)["counts"]
    assert len(counts["threshold"]) == 101
    names = [name for name in counts if name not in {"threshold", "present"}]
    assert counts["present"] == 0.5
    at = {cut: {name: counts[name][counts["threshold"].index(cut)] for name in names} for cut in (0.0, 0.3, 0.5, 1.0)}
    assert at[0.0] == {"true_positive": 2, "false_positive": 3, "false_negative": 0, "true_negative": 0}
    assert at[0.5] == {"true_positive": 1, "false_positive": 1, "false_negative": 1, "true_negative": 2} == confusion(y, score, 0.5)
    assert at[1.0] == {"true_positive": 0, "false_positive": 0, "false_negative": 2, "true_negative": 3}
    assert at[0.3]["true_positive"] == 2  # a score at the threshold is a yes


def test_quantiles_of_errors_by_hand() -> None:
    """Errors -2, -1, 0, 1, 2: a tenth and nine tenths of the way between neighbours give -1.8 and 1.8."""
    found = regression_curves(np.zeros(5), np.array([-2.0, -1, 0, 1, 2]))["error_quantiles"]
    assert found["level"] == [0.05, 0.25, 0.5, 0.75, 0.95]
    assert found["error"] == pytest.approx([-1.8, -1, 0, 1, 1.8])
    assert regression_curves(np.empty(0), np.empty(0))["error_quantiles"] == {"level": [], "error": []}
