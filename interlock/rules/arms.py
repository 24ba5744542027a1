"""What an arm of an endpoint did since a step began, and one measured comparison of two arms. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LATENCY_EDGES_MS = tuple(0.1 * 2 ** (step / 4) for step in range(69))  # inner edges of `ArmStats.latency`: quarter octaves, up to 13.1 s


@dataclass(frozen=True)
class ArmStats:
    """One arm of the endpoint since the step began. `requests`: answers, failed ones included; refused ones are not among them.

    `histogram`: counts of scores in bins that all arms share. `latency`: counts of answers between `LATENCY_EDGES_MS`.
    `predictions`: answers by decision (empty for a regression). `compared`, `flips`: mirrored requests that both models answered, and
    those with another decision; `dropped`: mirrored requests that were given up because too many waited.
    """

    requests: int = 0
    errors: int = 0
    refusals: int = 0
    latency_p99_ms: float | None = None
    histogram: tuple[int, ...] = ()
    latency: tuple[int, ...] = ()
    predictions: tuple[tuple[str, int], ...] = ()
    abstentions: int = 0
    compared: int = 0
    flips: int = 0
    dropped: int = 0

    def plain(self) -> dict[str, Any]:
        """Plain JSON values."""
        body: dict[str, Any] = {"requests": self.requests, "errors": self.errors, "refusals": self.refusals,
                                "latency_p99_ms": self.latency_p99_ms, "histogram": list(self.histogram)}
        more = {"predictions": dict(self.predictions), "abstentions": self.abstentions, "compared": self.compared, "flips": self.flips,
                "dropped": self.dropped}
        return body | {name: value for name, value in more.items() if value}


@dataclass(frozen=True)
class Measure:
    """One measured comparison. `verdict`: "pass", "fail", "unknown" (does not decide), or "observed" (no limit is set).

    `low`, `high`: its 95 % interval; `n`: answers of the candidate that it rests on, `n_champion`: of the champion.
    """

    name: str
    value: float | None
    threshold: float | None
    verdict: str
    sentence: str
    low: float | None = None
    high: float | None = None
    n: int = 0
    n_champion: int = 0


@dataclass(frozen=True)
class Outcomes:
    """Labels that came in for the answers of a step: the mean loss of each arm's labelled answers. `paired`: the same requests.

    `loss`: "log loss", "error rate" or "absolute error". `difference`: candidate − champion, with the standard error `se`.
    """

    loss: str
    n: int
    n_champion: int
    mean: float
    mean_champion: float
    difference: float
    se: float
    paired: bool
