"""Shares of rows as findings, with Wilson's interval; nothing to count is never a clean zero."""

from __future__ import annotations

from typing import Any

from interlock.rules.findings import Finding, State
from reports.intervals import CONFIDENCE, NORMAL_95


def wilson(part: int, whole: int) -> tuple[float, float]:
    """95 % score interval of a share part / whole, both ends in [0, 1]; good down to small n and to shares of 0 and 1.

    Raises nothing: `whole` must be positive and 0 ≤ part ≤ whole. Source: Wilson 1927; equals SciPy's `proportion_ci("wilson")`.
    """
    share, square = part / whole, NORMAL_95**2
    middle = share + square / (2 * whole)
    spread = NORMAL_95 * (share * (1 - share) / whole + square / (4 * whole**2)) ** 0.5
    scale = 1 + square / whole
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def share_finding(metric: str, part: int, whole: int, note: str = "", **more: Any) -> Finding:
    """part / whole in [0, 1] with its interval and n = whole; TOO_FEW where there is no row."""
    if whole <= 0:
        return Finding(metric=metric, state=State.TOO_FEW, needed=1, note="no row to count", **more)
    low, high = wilson(part, whole)
    return Finding(metric=metric, value=part / whole, low=low, high=high, confidence=CONFIDENCE, sample_size=whole, note=note, **more)


def absent(metric: str, why: str, unit: str = "") -> Finding:
    """The finding where there is nothing to measure, which is a state and says so."""
    return Finding(metric=metric, state=State.MISSING, note=why, unit=unit)
