"""Latency: how long one answer takes. An observed figure: it depends on the machine and is never replayed."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from interlock.rules.findings import Finding, State

SAMPLES_MIN = 100


def latency_findings(samples_ms: ArrayLike, *, warm_up: int = 0) -> list[Finding]:
    """`latency.p50_ms` and `latency.p99_ms` of single answers.

    `samples_ms` (n,): milliseconds per one-row answer, in order; the first `warm_up` are left out. Quantiles are values that
    occurred (the smallest with at least that share at or below). Values that are missing, negative or infinite make the findings
    an ERROR: a clock that lies measures nothing. Fewer than 100 samples: TOO_FEW (a 99th percentile needs at least one row above it).
    """
    times = np.asarray(samples_ms, dtype=np.float64)[warm_up:]
    if times.size and not (np.isfinite(times).all() and (times >= 0).all()):
        return [Finding(metric=f"latency.{name}", unit="ms", state=State.ERROR, note="a measured time is negative or not a number")
                for name in ("p50_ms", "p99_ms")]
    findings = []
    for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99)):
        value = float(np.quantile(times, share, method="inverted_cdf")) if times.size else None
        enough = times.size >= SAMPLES_MIN
        findings.append(Finding(metric=f"latency.{name}", value=value, sample_size=times.size, unit="ms",
                                needed=None if enough else SAMPLES_MIN, state=State.OK if enough else State.TOO_FEW,
                                note="" if enough else f"not enough evidence: n = {times.size:,}, at least {SAMPLES_MIN} needed"))
    return findings
