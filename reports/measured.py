"""From a measured interval to a finding: one place where numbers become something a gate can judge."""

from __future__ import annotations

import math
from typing import Any

from interlock.rules.findings import Finding, State
from reports.intervals import Interval


def measured(metric: str, interval: Interval, *, sample_size: int, unit: str = "", segment: str = "all", note: str = "",
             detail: dict[str, Any] | None = None, why_missing: str = "the rows do not allow this figure") -> Finding:
    """The finding of one figure. A value that is not finite becomes TOO_FEW with `why_missing`; ends that are not finite stay away."""
    if not math.isfinite(interval.value):
        return Finding(metric=metric, sample_size=sample_size, unit=unit, segment=segment, state=State.TOO_FEW, note=why_missing,
                       detail=detail or {})
    bounded = math.isfinite(interval.low) and math.isfinite(interval.high)
    return Finding(metric=metric, value=interval.value, low=interval.low if bounded else None, high=interval.high if bounded else None,
                   confidence=interval.confidence if bounded else None, sample_size=sample_size, unit=unit, segment=segment, note=note,
                   detail=detail or {})
