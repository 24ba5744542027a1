"""What each arm of each generation did: counts and histograms that add up over workers.

Histograms have the same edges for every model, so that champion and candidate can be compared bin by bin:
latency in quarter octaves from 0.1 ms; probabilities in 20 equal bins; values of a regression in half octaves of 1 + |value|, signed.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

LATENCY_EDGES_MS = [0.1 * 2 ** (step / 4) for step in range(69)]  # up to 13.1 s
UNIT_EDGES = [step / 20 for step in range(1, 20)]
LOG_EDGES = [math.copysign(2 ** (abs(step) / 2) - 1, step) for step in range(-40, 41) if step]


@dataclass(frozen=True, order=True)
class ArmKey:
    """Whose counts these are."""

    use_case: str
    generation: int
    override_id: str
    arm: str
    version: int
    digest: str


@dataclass
class ArmCounts:
    """Counts of records (not of HTTP requests). `requests` = answered + refused + failed."""

    edges: str = "unit"
    requests: int = 0
    refusals: int = 0
    errors: int = 0
    latency: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_EDGES_MS) + 1))
    latency_sum_ms: float = 0.0
    scores: list[int] = field(default_factory=list)
    predictions: dict[str, int] = field(default_factory=dict)
    abstentions: dict[str, int] = field(default_factory=dict)
    compared: int = 0  # in the shadow: mirrored records that both models answered,
    flips: int = 0     # those of them with another decision,
    dropped: int = 0   # and records that found no room in the mirror

    def __post_init__(self) -> None:
        self.scores = self.scores or [0] * (len(score_edges(self.edges)) + 1)

    def answered(self, score: float, prediction: str | None) -> None:
        """Count one answer. `prediction` is None for a regression."""
        self.requests += 1
        self.scores[bisect_right(score_edges(self.edges), score)] += 1
        if prediction is not None:
            self.predictions[prediction] = self.predictions.get(prediction, 0) + 1

    def answered_all(self, scores: Sequence[float], predictions: Sequence[object] | None) -> None:
        """Count many answers at once, as `answered` counts each; predictions by their text."""
        import numpy as np  # only workers count batches

        self.requests += len(scores)
        places = np.bincount(np.searchsorted(score_edges(self.edges), scores, side="right"), minlength=len(self.scores))
        self.scores = [mine + its for mine, its in zip(self.scores, places.tolist(), strict=True)]
        for prediction, number in Counter(predictions or ()).items():
            self.predictions[str(prediction)] = self.predictions.get(str(prediction), 0) + number

    def took(self, latency_ms: float, records: int) -> None:
        """Count the latency of a request once for each of its records."""
        self.latency[bisect_right(LATENCY_EDGES_MS, latency_ms)] += records
        self.latency_sum_ms += latency_ms * records

    def abstained(self, kind: str) -> None:
        """Count a record that this arm left to a fallback; whoever answered it counts the request."""
        self.abstentions[kind] = self.abstentions.get(kind, 0) + 1

    def refused(self, records: int = 1) -> None:
        self.requests += records
        self.refusals += records

    def failed(self, records: int = 1) -> None:
        self.requests += records
        self.errors += records

    def add(self, other: ArmCounts) -> None:
        """Add another worker's counts."""
        self.requests += other.requests
        self.refusals += other.refusals
        self.errors += other.errors
        self.latency_sum_ms += other.latency_sum_ms
        self.compared, self.flips, self.dropped = self.compared + other.compared, self.flips + other.flips, self.dropped + other.dropped
        self.latency = [mine + its for mine, its in zip(self.latency, other.latency, strict=True)]
        if self.edges == other.edges:
            self.scores = [mine + its for mine, its in zip(self.scores, other.scores, strict=True)]
        for name, count in other.predictions.items():
            self.predictions[name] = self.predictions.get(name, 0) + count
        for name, count in other.abstentions.items():
            self.abstentions[name] = self.abstentions.get(name, 0) + count

    def report(self) -> dict[str, Any]:
        """For people and for canary analysis; quantiles are null without an answer."""
        return {"requests": self.requests, "answered": self.requests - self.refusals - self.errors, "refusals": self.refusals,
                "errors": self.errors,
                "latency_ms": {"p50": quantile(self.latency, 0.5), "p90": quantile(self.latency, 0.9), "p99": quantile(self.latency, 0.99),
                               "sum": round(self.latency_sum_ms, 3), "edges": LATENCY_EDGES_MS, "counts": self.latency},
                "scores": {"edges": score_edges(self.edges), "counts": self.scores}, "predictions": self.predictions,
                "abstentions": self.abstentions, "compared": self.compared, "flips": self.flips, "dropped": self.dropped}


def score_edges(kind: str) -> list[float]:
    """Inner edges of the score histogram: `unit` for probabilities, `log` for values."""
    return UNIT_EDGES if kind == "unit" else LOG_EDGES


def quantile(counts: Sequence[int], share: float) -> float | None:
    """Latency below which this share of the records stayed, linear within its bucket; off by at most the bucket (19 %)."""
    total = sum(counts)
    if total == 0:
        return None
    wanted, before = share * total, 0
    edges = [0.0, *LATENCY_EDGES_MS, LATENCY_EDGES_MS[-1] * 2]
    for place, count in enumerate(counts):
        if count and before + count >= wanted:
            low, high = edges[place], edges[place + 1]
            return round(low + (high - low) * (wanted - before) / count, 4)
        before += count
    return edges[-1]


class Counters:
    """Counts by arm. A worker takes and sends them; the supervisor adds them up."""

    def __init__(self) -> None:
        self.arms: dict[ArmKey, ArmCounts] = {}

    def of(self, key: ArmKey, edges: str) -> ArmCounts:
        found = self.arms.get(key)
        if found is None:
            found = self.arms[key] = ArmCounts(edges)
        return found

    def take(self) -> list[dict[str, Any]]:
        """What was counted since the last call, as JSON."""
        taken = [{"key": asdict(key), "counts": asdict(counts)} for key, counts in self.arms.items()]
        self.arms = {}
        return taken

    def add(self, taken: list[dict[str, Any]]) -> None:
        """Add what a worker took."""
        for item in taken:
            counts = ArmCounts(**item["counts"])
            self.of(ArmKey(**item["key"]), counts.edges).add(counts)

    def forget_but(self, use_case: str, generations: int) -> None:
        """Keep only the newest generations of a use case."""
        known = sorted({key.generation for key in self.arms if key.use_case == use_case})
        for old in known[:-generations]:
            self.arms = {key: counts for key, counts in self.arms.items() if (key.use_case, key.generation) != (use_case, old)}
