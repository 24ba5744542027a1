"""When an A/B test may stop: a confidence sequence for the difference of two shares that holds however often one looks.

For one arm with x hits among n, and a uniform prior over shares, the mixture likelihood ratio

    E(p) = B(x + 1, n − x + 1) / (p^x (1 − p)^(n − x))

is a martingale under the true share p (Ville 1939; Robbins 1970, doi:10.1214/aoms/1177696786). The arms are independent, so the product
of both is one too, in whatever order answers come: with probability 1 − alpha no moment has E₀(p₀) E₁(p₁) ≥ 1/alpha. The interval
collects the differences p₁ − p₀ of all pairs that are not ruled out (Turner and Grünwald 2023, doi:10.1016/j.spl.2023.109835).
It is valid at every look, so peeking costs nothing: Johari, Koomen, Pekelis and Walsh 2022, doi:10.1287/opre.2021.2135.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import exp, inf, lgamma, log

HALVINGS = 40


class AbState(StrEnum):
    """What the test says so far."""

    BENEFIT = "benefit"        # the candidate is better: the interval lies on its side of 0
    HARM = "harm"              # the candidate is worse
    FUTILITY = "futility"      # no difference that matters, or the most answers were seen without a verdict
    GOES_ON = "goes_on"        # not decided; more answers are needed


@dataclass(frozen=True)
class AbCounts:
    """Hits (answers or entities with the outcome) among those seen, per arm."""

    hits: int = 0
    n: int = 0
    hits_champion: int = 0
    n_champion: int = 0


@dataclass(frozen=True)
class AbResult:
    """The verdict, the difference candidate − champion, its confidence sequence now, and how much has been seen."""

    state: AbState
    difference: float | None
    low: float
    high: float
    counts: AbCounts


def log_e(hits: int, n: int, share: float) -> float:
    """ln of the mixture likelihood ratio against this share (0 to 1): 0 without answers, ∞ for a share that the hits rule out."""
    if (share <= 0 and hits) or (share >= 1 and n - hits):
        return inf
    mixture = lgamma(hits + 1) + lgamma(n - hits + 1) - lgamma(n + 2)
    return mixture - (hits * log(share) if hits else 0.0) - ((n - hits) * log(1 - share) if n - hits else 0.0)


def always_valid_p(counts: AbCounts) -> float:
    """Always-valid p-value of "both shares are the same": 1 over the smallest product of both ratios on p₀ = p₁. 1 without answers."""
    total = counts.n + counts.n_champion
    if total == 0:
        return 1.0
    pooled = (counts.hits + counts.hits_champion) / total  # the product is smallest where the common share is the pooled one
    return min(1.0, exp(-log_e(counts.hits, counts.n, pooled) - log_e(counts.hits_champion, counts.n_champion, pooled)))


def confidence_sequence(counts: AbCounts, alpha: float = 0.05) -> tuple[float, float]:
    """Lowest and highest difference (candidate − champion, −1 to 1) that is not ruled out now; (−1, 1) without answers."""
    high = _widest(counts.hits, counts.n, counts.hits_champion, counts.n_champion, alpha)
    low = -_widest(counts.hits_champion, counts.n_champion, counts.hits, counts.n, alpha)
    return low, high


def judge_ab(counts: AbCounts, *, better: str, effect_min: float, samples_max: int, alpha: float) -> AbResult:
    """Stop for benefit, for harm, for futility, or go on. `better`: "higher" or "lower"; `samples_max`: of both arms together."""
    low, high = confidence_sequence(counts, alpha)
    seen = counts.n + counts.n_champion
    difference = counts.hits / counts.n - counts.hits_champion / counts.n_champion if counts.n and counts.n_champion else None
    up, down = low > 0, high < 0
    if better == "lower":
        up, down = down, up
    if up:
        state = AbState.BENEFIT
    elif down:
        state = AbState.HARM
    elif seen >= samples_max or (-effect_min < low and high < effect_min):
        state = AbState.FUTILITY
    else:
        state = AbState.GOES_ON
    return AbResult(state, difference, low, high, counts)


def _widest(hits: int, n: int, hits_other: int, n_other: int, alpha: float) -> float:
    """Largest p − p_other within the joint region. The region is convex: for each p_other the largest p is a concave function of it."""
    budget = -log(alpha)
    low, high = _other_range(hits_other, n_other, budget - log_e(hits, n, _share(hits, n)))
    if low > high:
        return 1.0  # cannot happen with counts; never narrows the interval

    def distance(other: float) -> float:
        return _top(hits, n, budget - log_e(hits_other, n_other, other)) - other

    for _ in range(HALVINGS):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        if distance(left) < distance(right):
            low = left
        else:
            high = right
    return min(1.0, max(distance(low), distance(high), distance((low + high) / 2)))


def _share(hits: int, n: int) -> float:
    return hits / n if n else 0.5


def _other_range(hits: int, n: int, budget: float) -> tuple[float, float]:
    """Shares of the other arm that leave the first at least its best-fitting share."""
    return 1 - _top(n - hits, n, budget), _top(hits, n, budget)


def _top(hits: int, n: int, budget: float) -> float:
    """Largest share whose ln ratio is at most `budget`, by bisection above the best-fitting one."""
    low = _share(hits, n)
    if log_e(hits, n, low) > budget:
        return low
    high = 1.0
    if log_e(hits, n, high) <= budget:
        return high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if log_e(hits, n, middle) <= budget else (low, middle)
    return high
