"""How far to trust an estimate made without labels: were its assumptions met, and was it right where labels have since come?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from interlock.rules.findings import Finding, State
from reports.estimate_reference import Reference
from reports.intervals import NORMAL_95, Interval
from reports.measured import measured

Matrix = NDArray[np.float32]

OUTSIDE_MAX = 0.1
WINDOWS_MIN = 5


def reference_findings(reference: Reference) -> list[Finding]:
    """`performance.estimate_calibration`: ECE of scores calibrated on one half of the reference and examined on the other, 0 = calibrated.

    The detail holds what luck alone gives. Regression has none.
    """
    if reference.calibration_error is None:
        return []
    luck = reference.calibration_luck or 0.0
    error = reference.calibration_error
    note = f"Calibrated scores were off by {error:.3g} on rows the calibration had not seen; luck alone gives {luck:.3g}."
    return [Finding(metric="performance.estimate_calibration", value=error, sample_size=reference.rows // 2, note=note,
                    detail={"expected_by_luck": luck})]


def range_finding(reference: Reference, matrix: Matrix, names: Sequence[str]) -> Finding:
    """`performance.estimate_range`: share of rows with an input that the reference never had, range [0, 1], 0 = all like before.

    A number beyond the smallest and largest seen, or missing (or a level never met) where none was missing. `matrix` (n, len(names)).
    No row: TOO_FEW. A column that the reference does not know counts as outside.
    """
    metric = "performance.estimate_range"
    if not matrix.shape[0]:
        return Finding(metric=metric, state=State.TOO_FEW, note="no row")
    outside = np.zeros(matrix.shape[0], dtype=np.bool_)
    by_column: dict[str, float] = {}
    for place, name in enumerate(names):
        low, high, missing = reference.ranges.get(name, (np.inf, -np.inf, False))
        given = matrix[:, place]
        odd = (given < low) | (given > high) | (np.isnan(given) & (not missing))
        outside |= odd
        if odd.any():
            by_column[name] = float(odd.mean())
    share = float(outside.mean())
    worst = sorted(by_column.items(), key=lambda pair: (-pair[1], pair[0]))[:5]
    note = f"{share:.1%} of the rows have an input that the held-out rows never had"
    note += f", most in {worst[0][0]}." if worst else "."
    if share > OUTSIDE_MAX:
        note += " The estimate leans on cases it knows nothing about."
    return Finding(metric=metric, value=share, sample_size=int(matrix.shape[0]), note=note, detail={"columns": dict(worst)})


def error_finding(metric: str, estimated: Finding | None, realised: Finding | None) -> Finding:
    """`performance.estimate_error`: estimate - truth for rows whose labels have come, in the metric's unit; 0 = right.

    Both over the same rows. The interval is the estimate's, moved by the truth: where it holds 0, the truth lay inside (`detail.inside`).
    Where one of them is not there: TOO_FEW with the reason.
    """
    name = "performance.estimate_error"
    if estimated is None or realised is None or estimated.value is None or realised.value is None:
        notes = [one.note for one in (realised, estimated) if one is not None and one.note and one.value is None]
        why = notes[0] if notes else "nothing to compare yet"
        return Finding(metric=name, state=State.TOO_FEW, note=why, sample_size=realised.sample_size if realised else 0)
    low, high = (estimated.value if end is None else end for end in (estimated.low, estimated.high))
    truth = realised.value
    inside = bool(low <= truth <= high)
    note = f"Estimated {estimated.value:.4g} ({low:.4g} to {high:.4g}), true {truth:.4g}: {'inside' if inside else 'outside'}."
    found = Interval(estimated.value - truth, low - truth, high - truth)
    return measured(name, found, sample_size=realised.sample_size, unit=realised.unit, note=note,
                    detail={"metric": metric, "estimated": estimated.value, "true": truth, "inside": inside})


def trust_finding(errors: Sequence[Finding]) -> Finding:
    """`performance.estimate_coverage`: share of past windows whose truth lay inside the estimate's interval; 0.95 is what was promised.

    `errors`: the `performance.estimate_error` of windows whose labels have come. Wilson's 95 % interval; the detail holds mean and largest
    absolute error. Fewer than 5 such windows: TOO_FEW.
    """
    metric = "performance.estimate_coverage"
    known = [one for one in errors if one.state is State.OK and one.value is not None]
    if len(known) < WINDOWS_MIN:
        note = f"not enough evidence: labels came for {len(known)} windows with an estimate, at least {WINDOWS_MIN} needed"
        return Finding(metric=metric, sample_size=len(known), needed=WINDOWS_MIN, state=State.TOO_FEW, note=note)
    inside = sum(bool(one.detail.get("inside")) for one in known)
    rows, share = len(known), inside / len(known)
    scale = 1 + NORMAL_95**2 / rows
    middle, half = share + NORMAL_95**2 / (2 * rows), NORMAL_95 * np.sqrt(share * (1 - share) / rows + NORMAL_95**2 / (4 * rows**2))
    errors_seen = [abs(one.value or 0.0) for one in known]
    mean = float(np.mean(errors_seen))
    found = Interval(share, max(0.0, float(middle - half) / scale), min(1.0, float(middle + half) / scale))
    note = f"In {inside} of {rows} windows the truth lay inside the estimate's interval; mean error {mean:.3g}."
    return measured(metric, found, sample_size=rows, unit="of windows", note=note,
                    detail={"mean_error": mean, "largest_error": float(max(errors_seen)), "promised": 0.95})
