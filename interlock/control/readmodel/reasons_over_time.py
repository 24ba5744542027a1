"""Whether production's answers still have the reasons of the evidence: one value per window, and each feature's share of the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from interlock.control.readmodel.window_part import WindowPart
from interlock.rules.findings import Finding, State

METRIC = "explain.attribution_drift"


@dataclass(frozen=True)
class ReasonsPoint:
    """One window: 1 - nDCG with interval, and feature → (share in the evidence, share in the window); empty in older windows."""

    start: datetime
    end: datetime
    version: int
    finding: Finding
    shares: dict[str, tuple[float, float]]

    @property
    def value(self) -> float | None:
        """1 - nDCG, None where it was not measured; `finding.note` says why."""
        return self.finding.value if self.finding.state is State.OK else None


def reasons_over_time(parts: list[WindowPart]) -> list[ReasonsPoint]:
    """Windows in which attribution drift was looked at, oldest first."""
    return [ReasonsPoint(part.start, part.end, part.version, one, {
        str(name): (float(pair[0]), float(pair[1])) for name, pair in (one.detail.get("shares") or {}).items()})
        for part in parts for one in part.findings if one.metric == METRIC]


def moved_features(points: list[ReasonsPoint], most: int = 10) -> list[str]:
    """Features by their largest change of share in any window, the largest first."""
    peak: dict[str, float] = {}
    for point in points:
        for name, (before, now) in point.shares.items():
            peak[name] = max(peak.get(name, 0.0), abs(now - before))
    return sorted(peak, key=lambda name: (-peak[name], name))[:most]
