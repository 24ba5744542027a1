"""Leakage: whether the model learned from something it will not have when it must answer.

A column written after the outcome betrays itself in two ways that do not need its name: alone it knows more than everything else
together, or it knows nearly everything. Both are measured on training rows only, within short periods of event time, so that a
world that changes (a falling interest rate, say) is not mistaken for a leak.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.rules.findings import Finding, State
from interlock.spec.model import Task
from reports.leakage_power import Examined, examined_rows, rest_power, single_powers

Floats = NDArray[np.float64]

ROWS_MIN = 200
RIVALS = 2
CLASSES_MAX = 5
SHOWN = 20


def split_findings(fit_rows: pl.DataFrame, test: pl.DataFrame, *, by_time: bool, model_columns: list[str],
                   later_columns: list[str]) -> list[Finding]:
    """`leakage.later_columns`, `leakage.same_rows`, `leakage.time_travel`: three counts that must be 0.

    later_columns: columns of the model that the use case declares to be known only later. same_rows: `_row_id`s that are both learned
    from and held out. time_travel (only where the split is by time, else MISSING with a note): learned rows whose event lies at or
    after the first held-out event, or whose label was seen after it. Both frames need `_row_id`, `_event_time`, `_label_seen_time`.
    """
    later = sorted(set(model_columns) & set(later_columns))
    both = fit_rows.join(test, on="_row_id", how="semi").height
    findings = [
        Finding(metric="leakage.later_columns", value=float(len(later)), sample_size=len(model_columns), unit="columns",
                note=f"Known only later: {', '.join(later)}." if later else "", detail={"columns": later}),
        Finding(metric="leakage.same_rows", value=float(both), sample_size=test.height, unit="rows"),
    ]
    if not by_time:
        return [*findings, Finding(metric="leakage.time_travel", state=State.MISSING, note="rows are not split by time")]
    if not test.height or not fit_rows.height:
        return [*findings, Finding(metric="leakage.time_travel", state=State.TOO_FEW, needed=1, note="no row to compare")]
    start = test["_event_time"].min()
    early = fit_rows.filter((pl.col("_event_time") >= start) | (pl.col("_label_seen_time") > start)).height
    return [*findings, Finding(metric="leakage.time_travel", value=float(early), sample_size=fit_rows.height, unit="rows",
                               note=f"Held-out rows begin at {start!s}.")]


def power_findings(task: Task, matrix: NDArray[Any], y: Floats, names: list[str], feature_types: list[str],
                   event_time_us: NDArray[np.int64], *, seed: int = 2013, threads: int = 1) -> tuple[list[Finding], dict[str, Any]]:
    """`leakage.single_feature` and `leakage.strongest_feature`, and the power of each column alone as a figure.

    `matrix` (n, f) encoded training rows (NaN = missing), `y` (n,) 0/1, class numbers or values, `feature_types` XGBoost's "c"/"q",
    `event_time_us` (n,) microseconds. At most 20,000 seeded rows; two thirds fit, one third examines. Power = 2 AUC - 1, for regression
    R² (at least 0), in the mean over up to ten periods of event time: 0 = knows nothing, 1 = everything.
    single_feature = power of a column alone - power of all others together (a small boosted model), the largest of the two strongest
    columns; range [-1, 1]; above 0 the column outranks everything else. strongest_feature = largest power of one column, range [0, 1].
    Columns that are a function of the calendar (hour, weekday, month …) are known in advance and cannot leak: left out.
    multiclass: each of the five most frequent classes against the rest, the worst counts. Fewer than 200 rows, 10 examined rows of a
    class, or 2 columns: TOO_FEW. Raises `DataError` for shapes that do not fit. Source: Kaufman et al. 2012 (exploratory detection);
    the comparison and its threshold are our own, measured in docs/gates.md.
    """
    if matrix.shape != (y.size, len(names)) or len(feature_types) != len(names) or event_time_us.shape != y.shape:
        raise DataError("matrix, labels and names do not fit together", value=f"{matrix.shape}, {y.shape}, {len(names)} names",
                        allowed="(n, f), (n,), f names")
    if y.size < ROWS_MIN or len(names) < 2:
        return _too_few(y.size, f"not enough evidence: n = {y.size:,}, at least {ROWS_MIN} rows and 2 columns needed"), {}
    findings: list[tuple[Finding, Finding]] = []
    figures: dict[str, Any] = {}
    for number, outcome in _outcomes(task, y):
        examined = examined_rows(task, matrix, outcome, feature_types, event_time_us, seed=seed)
        if examined is None:
            continue
        pair, powers = _examine(examined, names, threads)
        findings.append(pair)
        figures["all" if number is None else str(number)] = dict(list(powers.items())[:SHOWN])
    if not findings:
        return _too_few(y.size, "not enough evidence: fewer than 10 examined rows of a class"), {}
    worst = [max((pair[place] for pair in findings), key=lambda finding: finding.value or 0.0) for place in (0, 1)]
    return worst, {"power_alone": figures}


def _examine(examined: Examined, names: list[str], threads: int) -> tuple[tuple[Finding, Finding], dict[str, float]]:
    alone = single_powers(examined)
    order = [int(place) for place in np.argsort(-alone, kind="stable") if np.isfinite(alone[place])]
    powers = {names[place]: float(alone[place]) for place in order}
    rows = examined.outcome.size
    if not order:
        none = "every column is a function of the calendar, known in advance"
        return (Finding(metric="leakage.single_feature", value=-1.0, sample_size=rows, note=none),
                Finding(metric="leakage.strongest_feature", value=0.0, sample_size=rows, note=none)), powers
    rivals = [(float(alone[place]) - rest_power(examined, place, threads), place) for place in order[:RIVALS]]
    excess, place = max(rivals)
    name = names[place]
    detail = {"feature": name, "alone": float(alone[place]), "others": float(alone[place]) - excess, "rows": rows}
    note = f"Column '{name}': power alone {alone[place]:.3f}, all others together {alone[place] - excess:.3f}."
    top = names[order[0]]
    return (Finding(metric="leakage.single_feature", value=excess, sample_size=rows, segment=f"column={name}", note=note, detail=detail),
            Finding(metric="leakage.strongest_feature", value=float(alone[order[0]]), sample_size=rows, segment=f"column={top}",
                    note=f"Strongest column: '{top}'.", detail={"feature": top})), powers


def _outcomes(task: Task, y: Floats) -> list[tuple[int | None, Floats]]:
    if task != "multiclass":
        return [(None, y)]
    rows = np.bincount(y.astype(np.int64))
    return [(int(number), (y == number).astype(np.float64)) for number in np.argsort(-rows, kind="stable")[:CLASSES_MAX]]


def _too_few(rows: int, note: str) -> list[Finding]:
    needed = ROWS_MIN if rows < ROWS_MIN else None
    return [Finding(metric=f"leakage.{name}", sample_size=rows, needed=needed, state=State.TOO_FEW, note=note)
            for name in ("single_feature", "strongest_feature")]
