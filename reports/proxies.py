"""Proxies: how well each feature, and all of them together, tell a sensitive attribute that is kept out of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.rules.findings import Finding, State
from reports.fairness_groups import GROUPS_MAX, MISSING, group_names
from reports.intervals import Interval, auc_components, auc_interval, normal_interval
from reports.measured import measured

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Joint = Callable[[NDArray[np.int64], Ints, int], Floats]
"""(numbers of rows, group of each of these rows, groups) → out-of-fold probabilities (rows, groups)."""
BINS, LEVELS_MAX, SHOWN_MAX = 10, 60, 10
STRONG, WEAK = 0.3, 0.1


@dataclass(frozen=True)
class Proxy:
    """How well one feature tells one attribute. `risk` = `cramers_v` × `share`, the feature's share of the model's reasons (SHAP)."""

    feature: str
    share: float
    cramers_v: float
    nmi: float
    auc: float
    auc_low: float | None
    auc_high: float | None
    told: str
    risk: float


def proxy_findings(matrix: NDArray[np.float32], names: Sequence[str], types: Sequence[str], sensitive: pl.DataFrame,
                   importance: Mapping[str, float], *, rows_min: int, joint: Joint | None = None, seed: int = 2013
                   ) -> tuple[list[Finding], dict[str, Any]]:
    """`fairness.proxy` per attribute and feature (segment `<attribute> from <feature>`, the ten largest risks of each attribute), and
    `fairness.proxy_joint` per attribute (segment `attribute=<name>`): the AUC of all features together.

    `matrix` (n, f) as the model gets it, `types` `c` (codes) or `q`; `sensitive` n rows; `importance` feature → share of mean |SHAP|.
    Groups with fewer than `rows_min` rows are left out. cramers_v: bias-corrected, range [0, 1], 0 = tells nothing, 1 = tells all
    (Bergsma 2013); nmi: mutual information over the mean of both entropies, [0, 1]; auc: of the group that is told best against the
    others, from shares of the other half of the rows, 0.5 = chance, DeLong interval. Quantities are cut into ten bins, categories
    beyond the 60 most frequent share one level; missing is a level. The finding's value is the risk, cramers_v × share, range [0, 1]:
    a proxy that the model does not use does no harm. Words: from 0.3 on strong, from 0.1 on weak (Cohen 1988, conventions).
    An attribute without two such groups, or with more than 50 values: TOO_FEW with the reason.

    Figures: attribute → {"features": [Proxy as a table], "joint": {"auc", "low", "high"} or None, "rows", "groups"}.
    """
    if sensitive.height != matrix.shape[0] and sensitive.width:
        raise DataError("sensitive attributes and features do not fit together", value=sensitive.height, allowed=f"{matrix.shape[0]} rows")
    findings: list[Finding] = []
    figures: dict[str, Any] = {}
    for attribute in sensitive.columns:
        groups = group_names(sensitive[attribute])
        kept, trouble = _kept(groups, rows_min)
        if trouble:
            findings.append(Finding(metric="fairness.proxy_joint", segment=f"attribute={attribute}", sample_size=int(groups.size),
                                    needed=rows_min, state=State.TOO_FEW, note=trouble))
            continue
        rows = np.flatnonzero(np.isin(groups, kept))
        place = np.searchsorted(kept, groups[rows]).astype(np.int64)
        found = [_proxy(name, matrix[rows, column], kind, place, kept, importance.get(name, 0.0), seed)
                 for column, (name, kind) in enumerate(zip(names, types, strict=True))]
        found = sorted(found, key=lambda one: (-one.risk, -one.cramers_v, one.feature))
        together = _joint(joint, rows, place, kept) if joint is not None else None
        findings += _findings(attribute, found, together, rows.size)
        figures[attribute] = {"features": [asdict(one) for one in found], "rows": int(rows.size), "groups": [str(name) for name in kept],
                              "joint": {"auc": together.value, "low": together.low, "high": together.high} if together else None}
    return findings, figures


def _findings(attribute: str, found: list[Proxy], together: Interval | None, rows: int) -> list[Finding]:
    findings = [_finding(attribute, rank, one, rows) for rank, one in enumerate(found[:SHOWN_MAX], start=1)]
    if together is None:
        return findings
    note = f"All features together tell {attribute} with an AUC of {together.value:.3f} (0.5: not at all)."
    return [*findings, measured("fairness.proxy_joint", together, sample_size=rows, segment=f"attribute={attribute}", note=note,
                                why_missing="a small model could not be asked")]


def _kept(groups: NDArray[np.str_], rows_min: int) -> tuple[NDArray[np.str_], str]:
    """The groups with enough rows, in order of name; or why there is nothing to tell apart."""
    names, counts = np.unique(groups[groups != MISSING], return_counts=True)
    if names.size > GROUPS_MAX:
        return names, f"{names.size:,} different values are no groups of people: at most {GROUPS_MAX}"
    kept = names[counts >= rows_min]
    if kept.size < 2:
        return kept, f"not enough evidence: 2 groups with at least {rows_min:,} rows are needed to be told apart, found {kept.size}"
    return kept, ""


def _proxy(name: str, values: NDArray[np.float32], kind: str, place: Ints, kept: NDArray[np.str_], share: float, seed: int) -> Proxy:
    level = _levels(values, kind)
    table = np.zeros((int(level.max()) + 1, kept.size))
    np.add.at(table, (level, place), 1.0)
    v = cramers_v(table)
    auc, told = _told(level, place, kept.size, seed)
    bounded = np.isfinite(auc.low) and np.isfinite(auc.high)
    return Proxy(name, float(share), v, normalised_mutual_information(table), auc.value, auc.low if bounded else None,
                 auc.high if bounded else None, str(kept[told]), v * float(share))


def _levels(values: NDArray[np.float32], kind: str) -> Ints:
    """The level of each row, 0 …: a category (rare ones share a level), a bin of a quantity; missing is level 0."""
    known = np.isfinite(values)
    level = np.zeros(values.size, dtype=np.int64)
    if not known.any():
        return level
    found = values[known].astype(np.float64)
    distinct, codes, counts = np.unique(found, return_inverse=True, return_counts=True)
    if kind == "c" and distinct.size > LEVELS_MAX:
        frequent = np.argsort(-counts, kind="stable")[:LEVELS_MAX]
        renumbered = np.full(distinct.size, LEVELS_MAX)
        renumbered[frequent] = np.arange(LEVELS_MAX)
        codes = renumbered[codes]
    elif kind != "c" and distinct.size > BINS:
        edges = np.unique(np.quantile(found, np.arange(1, BINS) / BINS, method="lower"))
        codes = np.searchsorted(edges, found, side="left")
    level[known] = codes + 1
    return level


def cramers_v(table: Floats) -> float:
    """Association of two categories from their contingency table, range [0, 1]; 0 where either has one level. Source: Bergsma 2013."""
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    n, (r, k) = table.sum(), table.shape
    if n < 2 or min(r, k) < 2:
        return 0.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    phi = float(((table - expected) ** 2 / expected).sum() / n)
    phi = max(0.0, phi - (r - 1) * (k - 1) / (n - 1))
    r_corrected, k_corrected = r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)
    smallest = min(r_corrected, k_corrected) - 1
    return min(1.0, float(np.sqrt(phi / smallest))) if smallest > 0 else 0.0


def normalised_mutual_information(table: Floats) -> float:
    """Mutual information over the mean of both entropies, range [0, 1]; 0 where either has one level (scikit-learn's arithmetic mean)."""
    joint = table / max(table.sum(), 1.0)
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.nansum(joint * np.log(joint / np.outer(rows, columns)))
        entropies = [-np.nansum(part * np.log(part)) for part in (rows, columns)]
    mean = sum(entropies) / 2
    return float(min(max(information / mean, 0.0), 1.0)) if min(entropies) > 0 else 0.0


def _told(level: Ints, place: Ints, groups: int, seed: int) -> tuple[Interval, int]:
    """AUC of the group told best: each half of the rows is scored by the shares of the groups in the other half's levels."""
    half = np.random.default_rng(seed).permutation(level.size) % 2
    share = np.zeros((level.size, groups))
    for part in (0, 1):
        learned, scored = half != part, half == part
        counts = np.zeros((int(level.max()) + 1, groups))
        np.add.at(counts, (level[learned], place[learned]), 1.0)
        base = counts.sum(axis=0) / max(counts.sum(), 1.0)
        smooth = (counts + base) / (counts.sum(axis=1, keepdims=True) + 1.0)
        share[scored] = smooth[level[scored]]
    aucs = [auc_components((place == group).astype(np.float64), share[:, group])[0] for group in range(groups)]
    best = int(np.nanargmax(aucs))
    return auc_interval((place == best).astype(np.float64), share[:, best]), best


def _joint(joint: Joint, rows: Ints, place: Ints, kept: NDArray[np.str_]) -> Interval:
    """Mean over the groups of the AUC of one against the others; the interval adds standard errors as if fully correlated (wide)."""
    said = joint(rows, place, kept.size)
    aucs, errors = [], []
    for group in range(kept.size):
        auc, above, below = auc_components((place == group).astype(np.float64), said[:, group])
        if min(above.size, below.size) >= 2:
            aucs.append(auc)
            errors.append(float(np.sqrt(above.var(ddof=1) / above.size + below.var(ddof=1) / below.size)))
    if not aucs:
        return Interval(float("nan"), float("nan"), float("nan"))
    found = normal_interval(float(np.mean(aucs)), float(np.mean(errors)) ** 2)
    return Interval(found.value, max(found.low, 0.0), min(found.high, 1.0))


def _finding(attribute: str, rank: int, one: Proxy, rows: int) -> Finding:
    strength = "a strong proxy" if one.cramers_v >= STRONG else "a weak proxy" if one.cramers_v >= WEAK else "hardly a proxy"
    note = (f"{one.feature} is {strength} of {attribute}: it tells {one.told} with an AUC of {one.auc:.2f} (0.5: not at all), Cramér's V "
            f"{one.cramers_v:.2f}, and gives {one.share:.0%} of the model's reasons.")
    return Finding(metric="fairness.proxy", value=one.risk, sample_size=rows, segment=f"{attribute} from {one.feature}", note=note,
                   detail=asdict(one) | {"rank": rank, "attribute": attribute})
