"""Intervals and distances that the analysis of a step rests on. All deterministic: the same counts give the same figures."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from math import ceil, log, sqrt

from interlock.rules.arms import LATENCY_EDGES_MS

Z95 = 1.959964
BINS = 10
RESAMPLES = 1_000
SEED = 20_130_501


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % Wilson score interval of a share; (0, 1) where n is 0. Source: Wilson 1927, doi:10.1080/01621459.1927.10502953."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = hits / n, Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def newcombe(hits: int, n: int, hits_other: int, n_other: int) -> tuple[float, float]:
    """95 % interval of hits/n − hits_other/n_other from the Wilson bounds of both; (−1, 1) where either n is 0.

    Source: Newcombe 1998, method 10, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I.
    """
    if n == 0 or n_other == 0:
        return -1.0, 1.0
    share, other = hits / n, hits_other / n_other
    (low, high), (low_other, high_other) = wilson(hits, n), wilson(hits_other, n_other)
    return (share - other - sqrt((share - low) ** 2 + (high_other - other) ** 2),
            share - other + sqrt((high - share) ** 2 + (other - low_other) ** 2))


def latency_at(counts: Sequence[int], share: float) -> float | None:
    """Latency in ms below which this share (0 to 1) of the answers stayed, linear within its bucket; None without answers."""
    return _Inverse(counts).at(share) if sum(counts) else None


def latency_ratio(candidate: Sequence[int], champion: Sequence[int], share: float) -> tuple[float, float, float] | None:
    """Candidate's quantile over the champion's, and its 95 % bootstrap interval; None where an arm has no answers.

    The quantile of a resample of n answers is the k-th smallest, k = ⌈share · n⌉: the inverse of the arm's histogram at a
    Beta(k, n + 1 − k) variate (order statistics of uniforms: David and Nagaraja 2003, section 2.1). So each of the 1,000 resamples costs
    two draws, however many answers there are. Percentile interval: Efron 1979, doi:10.1214/aos/1176344552. The seed is fixed.
    """
    if not sum(candidate) or not sum(champion):
        return None
    draw = random.Random(SEED)  # noqa: S311 - a resample, no secret
    ours, its = _Inverse(candidate), _Inverse(champion)
    ratios = sorted(ours.resampled(share, draw) / its.resampled(share, draw) for _ in range(RESAMPLES))
    return ours.at(share) / its.at(share), ratios[int(0.025 * RESAMPLES)], ratios[int(0.975 * RESAMPLES) - 1]


class _Inverse:
    """The inverse of a latency histogram's distribution function."""

    def __init__(self, counts: Sequence[int]) -> None:
        self._counts = counts
        self._until = list(accumulate(counts))
        self._edges = [0.0, *LATENCY_EDGES_MS, LATENCY_EDGES_MS[-1] * 2]

    def at(self, share: float) -> float:
        wanted = share * self._until[-1]
        place = bisect_left(self._until, wanted)
        while not self._counts[place]:  # share 0: the first bucket that holds anything
            place += 1
        low, high, count = self._edges[place], self._edges[place + 1], self._counts[place]
        return low + (high - low) * (wanted - (self._until[place] - count)) / count

    def resampled(self, share: float, draw: random.Random) -> float:
        n = self._until[-1]
        rank = max(1, ceil(share * n))
        return max(self.at(draw.betavariate(rank, n + 1 - rank)), 1e-6)


def score_psi(champion: tuple[int, ...], candidate: tuple[int, ...]) -> tuple[float, float]:
    """Population stability index and the part of it that chance alone makes.

    PSI = Σ (q − p) ln(q / p) over at most 10 bins, joined from the given ones so that each holds about a tenth of both arms together;
    half a count is added to each bin. 0: the same; both counts must be above 0. By chance: (bins − 1)(1/n + 1/m), the mean of PSI
    where nothing shifted (Yurdakul and Naranjo 2020, Journal of Risk Model Validation 14:4).
    """
    joined = _join(champion, candidate)
    n, m = sum(p for p, _ in joined), sum(q for _, q in joined)
    total = 0.0
    for p, q in joined:
        share_p, share_q = (p + 0.5) / (n + 0.5 * len(joined)), (q + 0.5) / (m + 0.5 * len(joined))
        total += (share_q - share_p) * log(share_q / share_p)
    return total, (len(joined) - 1) * (1 / n + 1 / m)


def _join(champion: tuple[int, ...], candidate: tuple[int, ...]) -> list[tuple[int, int]]:
    """Neighbouring bins joined until each holds a tenth of the whole; a rest goes to the last."""
    whole = (sum(champion) + sum(candidate)) / BINS
    joined: list[tuple[int, int]] = []
    p = q = 0
    for left, right in zip(champion, candidate, strict=True):
        p, q = p + left, q + right
        if p + q >= whole:
            joined.append((p, q))
            p = q = 0
    if p + q and joined:
        joined[-1] = (joined[-1][0] + p, joined[-1][1] + q)
    return joined or [(p, q)]
