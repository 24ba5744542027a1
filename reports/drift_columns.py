"""The distances of one column: profile against profile, with what is drawn and how much of it may be chance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from interlock.errors import DataError
from reports.distances import jensen_shannon, ks, psi, total_variation, wasserstein
from reports.distances_doubt import chi_square, psi_rows_needed
from reports.profile_columns import CategoryProfile, ColumnProfile, NumericProfile

GROUPS = 10
CATEGORIES_SHOWN = 20
NAMED_MAX = 10


@dataclass(frozen=True)
class ColumnDrift:
    """Distances by name (NaN: no value to compare), the chi-square test (statistic, freedom, p), rows needed for the PSI, figures."""

    distances: dict[str, float]
    test: tuple[float, int, float]
    needed: int
    rows: int
    count: int
    detail: dict[str, Any] = field(repr=False)
    new_values: dict[str, int] = field(default_factory=dict)


def column_drift(name: str, base: ColumnProfile, now: ColumnProfile, psi_max: float) -> ColumnDrift:
    """How far `now` lies from `base`.

    `psi`, `js`, `tv` on ten open-ended groups of the baseline's bins (numbers, dates) or on the listed categories and "other"; `ks` and
    `wasserstein` on the fine bins, the latter in standard deviations of the baseline (NaN where it has none and anything moved);
    `missing_change` the difference of the missing shares (infinite counts as missing); `unseen` (categories) how much larger the share of
    values that the baseline does not list became. Raises `DataError` where bins or categories differ.
    """
    if isinstance(base, NumericProfile) and isinstance(now, NumericProfile) and base.edges == now.edges and base.kind == now.kind:
        pair, extra, detail = _numeric(base, now)
        named: dict[str, int] = {}
    elif isinstance(base, CategoryProfile) and isinstance(now, CategoryProfile) and base.categories == now.categories:
        pair, extra, detail, named = _category(base, now)
    else:
        raise DataError(f"'{name}' was profiled with other bins or categories", next_step="fit the current profile with like= the baseline")
    distances = {"psi": psi(*pair), "js": jensen_shannon(*pair), "tv": total_variation(*pair), **extra,
                 "missing_change": missing_share(now) - missing_share(base)}
    cells = int(np.count_nonzero(np.sum(pair, axis=0)))
    return ColumnDrift(distances, chi_square(*pair), psi_rows_needed(cells, sum(pair[0]), psi_max), now.rows, now.count,
                       detail | {"psi_max": psi_max}, named)


def grouped(column: NumericProfile, groups: int = GROUPS) -> list[list[int]]:
    """Bin numbers of `column` in at most `groups` runs that hold about equal shares of its own rows.

    Under- and overflow belong to the first and last run (open-ended, as usual for PSI). A bin belongs to the run in which the middle
    of its cumulated share falls, one without rows to the run before it; empty runs are left out. A column without a finite value gives
    one run.
    """
    inner = np.asarray(column.counts[1:-1], dtype=np.float64)
    if inner.sum() == 0:
        return [list(range(len(column.counts)))]
    middle = (np.cumsum(inner) - inner / 2) / inner.sum()
    place = np.minimum((middle * groups).astype(int), groups - 1)
    filled = np.flatnonzero(inner > 0)
    place = place[filled[np.maximum(np.searchsorted(filled, np.arange(inner.size), side="right") - 1, 0)]]
    runs = [[int(bin_) + 1 for bin_ in np.flatnonzero(place == run)] for run in np.unique(place)]
    runs[0].insert(0, 0)
    runs[-1].append(len(column.counts) - 1)
    return runs


def missing_share(column: ColumnProfile) -> float:
    """Share of the rows without a usable value: null, NaN or infinite; NaN for no row."""
    return _share_of(column.rows - column.count, column.rows)


def moved_by(base: NumericProfile, now: NumericProfile) -> float:
    """Wasserstein distance in standard deviations of `base`; NaN where a side has no value, or `base` no spread and anything moved."""
    if not base.edges or not base.count or not now.count:
        return float("nan")
    ends = [value for value in (base.minimum, base.maximum, now.minimum, now.maximum) if value is not None]
    bounds = [min(base.edges[0], *ends), *base.edges, max(base.edges[-1], *ends)]
    distance = wasserstein(base.counts, now.counts, baseline_sums=base.sums, current_sums=now.sums, bounds=bounds)
    if base.std > 0:
        return distance / base.std if np.isfinite(distance) else float("nan")
    return 0.0 if now.minimum == now.maximum == base.minimum else float("nan")


def _numeric(base: NumericProfile, now: NumericProfile) -> tuple[tuple[list[int], list[int]], dict[str, float], dict[str, Any]]:
    runs = grouped(base)
    pair = ([sum(base.counts[i] for i in run) for run in runs], [sum(now.counts[i] for i in run) for run in runs])
    cuts = [base.edges[run[0] - 1] for run in runs[1:]]
    middles = {"median_baseline": base.sketch.quantile(0.5), "median_current": now.sketch.quantile(0.5)}
    detail = {"kind": base.kind, "edges": cuts, "baseline": pair[0], "current": pair[1],
              "minimum": base.minimum, "maximum": base.maximum, "mean_baseline": base.mean, "mean_current": now.mean,
              "std_baseline": base.std, "std_current": now.std, **{name: value for name, value in middles.items() if value == value}}
    return pair, {"ks": ks(base.counts, now.counts), "wasserstein": moved_by(base, now)}, detail


def _category(base: CategoryProfile, now: CategoryProfile
              ) -> tuple[tuple[list[int], list[int]], dict[str, float], dict[str, Any], dict[str, int]]:
    pair = ([*base.counts, base.other], [*now.counts, now.other])
    unseen = max(_share_of(now.other, now.count) - _share_of(base.other, base.count), 0.0) if now.count and base.count else float("nan")
    rest = min(len(base.categories), CATEGORIES_SHOWN)
    detail = {"kind": now.kind, "categories": [*base.categories[:rest], "other"], "baseline": [*pair[0][:rest], sum(pair[0][rest:])],
              "current": [*pair[1][:rest], sum(pair[1][rest:])]}
    if now.kind != "category":
        return pair, {}, detail, {}
    counted = {"distinct_baseline": base.distinct, "distinct_current": now.distinct}
    new = sorted((name for name in now.heavy if name not in base.heavy), key=lambda name: (-now.heavy[name], name))
    return (pair, {"unseen": unseen}, detail | {name: value for name, value in counted.items() if value is not None},
            {name: now.heavy[name] for name in new[:NAMED_MAX]})


def _share_of(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
