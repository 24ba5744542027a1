"""Where a model is weakest: groups of cases with a larger loss than the rest, found on one half of the rows and tested on the other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from interlock.rules.findings import Finding, State
from reports.segments_compare import Compared, against_rest, holm, welch
from reports.segments_cut import Cut, cut_column

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]

CANDIDATES_MAX = 20
PAIRED_COLUMNS_MAX = 12
SHOWN_MAX = 10
OVERLAP_MAX = 0.8
ALPHA = 0.05
BETTER_THAN_PARENT = 1.645


@dataclass(frozen=True)
class Slice:
    """A group of rows: one group of one column, or of two."""

    name: str
    parts: tuple[tuple[int, int], ...]

    def rows(self, cuts: list[Cut]) -> NDArray[np.bool_]:
        """(n,) true where a row belongs to it."""
        inside = np.ones(cuts[0].codes.size, dtype=np.bool_)
        for column, group in self.parts:
            inside &= cuts[column].codes == group
        return inside


def slice_findings(loss: Floats, columns: pl.DataFrame, *, unit: str, rows_min: int = 100, seed: int = 2013
                   ) -> tuple[list[Finding], dict[str, Any]]:
    """`performance.weakest_slice`, and `performance.slice` for each slice that was confirmed (at most 10).

    `loss` (n,) per row, larger = worse, finite; `columns` (n rows): what slices may be made of. Every group of every column and every
    pair of groups of the `PAIRED_COLUMNS_MAX` columns with the largest spread is a possible slice. On one seeded half of the rows the
    `CANDIDATES_MAX` with the largest Welch z (slice against all other rows) are picked, pairs only where they are worse than both of
    their parts, no two nearly the same. On the other half, which the search never saw, each is tested once: one-sided Welch test, Holm's
    correction at 5 %, and intervals widened so that all hold together at 95 % (Bonferroni). value = mean loss in the slice - mean loss
    of all other rows of that half, in `unit`, 0 = no difference; the weakest slice is the one whose lower end is highest. A slice needs
    `rows_min` rows, counted over both halves. No such slice, or fewer than 4 `rows_min` rows: TOO_FEW. Source: Chung et al. 2019 (Slice
    Finder), Holm 1979. Figures: `{"slices": [{"slice", "rows", "loss", "rest_loss", "difference", "low", "high", "p_adjusted",
    "confirmed"}], "searched", "candidates"}`.
    """
    metric = "performance.weakest_slice"
    if loss.size < 4 * rows_min:
        note = f"not enough evidence: n = {loss.size:,}, at least {4 * rows_min:,} needed to search one half and test on the other"
        return [Finding(metric=metric, sample_size=loss.size, needed=4 * rows_min, state=State.TOO_FEW, note=note, unit=unit)], {}
    first = np.zeros(loss.size, dtype=np.bool_)
    first[np.random.default_rng(seed).permutation(loss.size)[:loss.size // 2]] = True
    cuts = [cut for cut in (cut_column(columns[name], first) for name in columns.columns) if cut is not None]
    searched, candidates = _search(loss, cuts, first, rows_min)
    if not candidates:
        note = f"none of {searched:,} groups with at least {rows_min:,} rows had a larger loss than the rest, or no column tells rows apart"
        few = Finding(metric=metric, sample_size=loss.size, state=State.TOO_FEW, note=note, unit=unit)
        return [few], {"slices": [], "searched": searched, "candidates": 0}
    tested = [welch(loss[~first], one.rows(cuts)[~first], share_of_alpha=len(candidates)) for one in candidates]
    rows = [_row(one, found, adjusted) for one, found, adjusted in zip(candidates, tested, holm([one.p for one in tested]), strict=True)]
    rows.sort(key=lambda row: (row["low"] is None, -(row["low"] or 0.0), row["slice"]))
    confirmed = [row for row in rows if row["confirmed"]]
    summary = (f"{len(confirmed) or 'None'} of {len(rows)} suspected slices {'was' if len(confirmed) < 2 else 'were'} confirmed on rows "
               "that the search had not seen")
    found = [_finding(metric, rows[0], unit, f"{summary}; {searched:,} were looked at.")]
    found += [_finding("performance.slice", row, unit, "") for row in confirmed[:SHOWN_MAX]]
    return found, {"slices": rows, "searched": searched, "candidates": len(rows)}


def declared_findings(loss: Floats, columns: pl.DataFrame, *, unit: str, rows_min: int = 100) -> tuple[list[Finding], dict[str, Any]]:
    """`performance.segment` for every group of the declared columns: mean loss in it - mean loss of all other rows, in `unit`.

    Intervals hold together at 95 % over all groups (Bonferroni). Groups below `rows_min` rows: TOO_FEW. Figures:
    `{"segments": [{"segment", "column", "rows", "loss", "rest_loss", "difference", "low", "high"}]}`.
    """
    cuts = [cut for cut in (cut_column(columns[name]) for name in columns.columns) if cut is not None]
    groups = [(cut.name, label, cut.codes == place) for cut in cuts for place, label in enumerate(cut.labels)]
    large = sum(int(inside.sum()) >= rows_min for _, _, inside in groups)
    found, rows = [], []
    for column, label, inside in groups:
        size = int(inside.sum())
        if size < rows_min or loss.size - size < 2:
            note = f"not enough evidence: n = {size:,}, at least {rows_min:,} needed"
            found.append(Finding(metric="performance.segment", segment=label, sample_size=size, needed=rows_min, state=State.TOO_FEW,
                                 note=note, unit=unit))
            continue
        compared = welch(loss, inside, share_of_alpha=large)
        row = _row(Slice(label, ()), compared, compared.p)
        rows.append({key: value for key, value in row.items() if key not in {"confirmed", "p_adjusted", "slice"}}
                    | {"segment": label, "column": column})
        found.append(_finding("performance.segment", row, unit, ""))
    return found, {"segments": rows}


def _search(loss: Floats, cuts: list[Cut], first: NDArray[np.bool_], rows_min: int) -> tuple[int, list[Slice]]:
    """Number of possible slices and the suspected ones, worst first; looks at the first half only."""
    seen, codes = loss[first], [cut.codes[first] for cut in cuts]
    singles = [against_rest(seen, own, len(cut.labels)) for own, cut in zip(codes, cuts, strict=True)]
    scored = [(float(z), Slice(cuts[place].labels[group], ((place, group),)))
              for place, found in enumerate(singles) for group, z in enumerate(found.z) if found.rows[group] * 2 >= rows_min]
    searched = len(scored)
    spread = sorted(range(len(cuts)), key=lambda place: -float(np.max(singles[place].z, initial=-np.inf)))[:PAIRED_COLUMNS_MAX]
    for one, other in combinations(sorted(spread), 2):
        width = len(cuts[other].labels)
        found = against_rest(seen, codes[one] * width + codes[other], len(cuts[one].labels) * width)
        for place in np.flatnonzero(found.rows * 2 >= rows_min):
            searched += 1
            group, second = divmod(int(place), width)
            parents = (singles[one], group), (singles[other], second)
            if found.z[place] > 0 and all(found.excess(int(place), parent, own) > BETTER_THAN_PARENT for parent, own in parents):
                name = f"{cuts[one].labels[group]} and {cuts[other].labels[second]}"
                scored.append((float(found.z[place]), Slice(name, ((one, group), (other, second)))))
    scored = sorted((pair for pair in scored if pair[0] > 0), key=lambda pair: (-pair[0], pair[1].name))
    return searched, _distinct([one for _, one in scored], cuts)


def _distinct(slices: list[Slice], cuts: list[Cut]) -> list[Slice]:
    """The first `CANDIDATES_MAX` of which no two share more than `OVERLAP_MAX` of their rows."""
    kept: list[Slice] = []
    masks: list[NDArray[np.bool_]] = []
    for one in slices[:10 * CANDIDATES_MAX]:
        inside = one.rows(cuts)
        if all((inside & mask).sum() <= OVERLAP_MAX * (inside | mask).sum() for mask in masks):
            kept.append(one)
            masks.append(inside)
        if len(kept) == CANDIDATES_MAX:
            break
    return kept


def _row(one: Slice, found: Compared, adjusted: float) -> dict[str, Any]:
    bounded = bool(np.isfinite(found.low))
    return {"slice": one.name, "rows": found.rows, "loss": found.inside, "rest_loss": found.outside,
            "difference": found.inside - found.outside, "low": found.low if bounded else None, "high": found.high if bounded else None,
            "p_adjusted": adjusted, "confirmed": bool(bounded and adjusted < ALPHA and found.low > 0)}


def _finding(metric: str, row: dict[str, Any], unit: str, tail: str) -> Finding:
    note = f"Mean loss {row['loss']:.4g} {unit} in {row['rows']:,} rows, {row['rest_loss']:.4g} in the others. {tail}".strip()
    return Finding(metric=metric, value=row["difference"], low=row["low"], high=row["high"], confidence=1 - ALPHA, sample_size=row["rows"],
                   unit=unit, segment=row["slice"], note=note, detail={"loss": row["loss"], "rest_loss": row["rest_loss"],
                                                                       "p_adjusted": row["p_adjusted"], "confirmed": row["confirmed"]})
