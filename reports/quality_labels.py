"""Outcomes: how rare the rarest class is, and whether learned and held-out rows have the same ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interlock.rules.findings import Finding, State
from interlock.spec.model import Task
from reports.intervals import NORMAL_95
from reports.quality_shares import absent, share_finding

Floats = NDArray[np.float64]


def balance_findings(task: Task, labels: Floats, classes: list[str]) -> list[Finding]:
    """`quality.rarest_class`: share of the rarest class among n labels, and `quality.class_share` per class (`class=<name>`).

    `labels` (n,): 0/1, or places in `classes` (names in order; binary: two). Range [0, 1]; 1 / classes = even. Wilson's interval.
    A class without a row counts as 0. Regression: MISSING, it has no classes. No label: TOO_FEW.
    """
    metric = "quality.rarest_class"
    if task == "regression":
        return [absent(metric, "a regression has no classes")]
    if labels.size == 0:
        return [Finding(metric=metric, state=State.TOO_FEW, needed=1, note="no label to count")]
    counts = np.bincount(labels.astype(np.int64), minlength=len(classes))
    shares = [share_finding("quality.class_share", int(count), labels.size, segment=f"class={name}")
              for name, count in zip(classes, counts, strict=True)]
    rarest = int(np.argmin(counts))
    note = f"Rarest class: {classes[rarest]}, {int(counts[rarest]):,} of {labels.size:,} rows."
    return [share_finding(metric, int(counts[rarest]), labels.size, note), *shares]


def label_shift_finding(task: Task, learned: Floats, held_out: Floats, classes: list[str]) -> Finding:
    """`leakage.label_shift`: how differently outcomes are spread in learned (m,) and held-out (n,) rows.

    Classification: half the sum of absolute differences of the class shares (total variation; binary: the difference of the rates), range
    [0, 1], 0 = equal. Regression: difference of the means / standard deviation of the learned ones, range [0, inf). The interval is
    normal; multiclass: that of the class that differs most. n = held-out rows; fewer than 2 on a side, or no spread: TOO_FEW.
    """
    metric = "leakage.label_shift"
    if min(learned.size, held_out.size) < 2 or (task == "regression" and np.ptp(learned) == 0):
        return Finding(metric=metric, sample_size=int(held_out.size), needed=2, state=State.TOO_FEW, note="too few outcomes to compare")
    if task == "regression":
        spread = float(learned.std(ddof=1))
        gap = float(held_out.mean() - learned.mean())
        value, half = abs(gap) / spread, NORMAL_95 * float(np.sqrt(learned.var(ddof=1) / learned.size
                                                                   + held_out.var(ddof=1) / held_out.size)) / spread
        note, top = f"Mean outcome {learned.mean():,.4g} in learned, {held_out.mean():,.4g} in held-out rows.", float("inf")
    else:
        first, second = (np.bincount(part.astype(np.int64), minlength=len(classes)) / part.size for part in (learned, held_out))
        place = int(np.argmax(np.abs(first - second))) if task == "multiclass" else 1
        value = float(np.abs(first - second).sum() / 2)
        half = NORMAL_95 * float(np.sqrt(first[place] * (1 - first[place]) / learned.size
                                         + second[place] * (1 - second[place]) / held_out.size))
        note, top = f"'{classes[place]}': {first[place]:.1%} of learned, {second[place]:.1%} of held-out rows.", 1.0
    return Finding(metric=metric, value=value, low=max(0.0, value - half), high=min(top, value + half), confidence=0.95,
                   sample_size=int(held_out.size), note=note)
