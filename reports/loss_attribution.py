"""What drives the mistakes: the loss of each row shared out among the features, and the slices of rows where it is highest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from interlock.errors import DataError
from interlock.rules.findings import Finding, State

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Task = Literal["binary", "multiclass", "regression"]
METRIC = "explain.loss_excess"
SLICES_MAX, DRIVERS_MAX = 5, 5
NODES = 16  # of the quadrature over the way between two margins


def margin_losses(task: Task, margins: Floats, outcomes: Floats) -> Floats:
    """Loss of each row from its margin: log loss in nats (binary, multiclass) or squared error in the target's unit squared, (n,)."""
    if task == "regression":
        return np.asarray((margins - outcomes) ** 2, dtype=np.float64)
    if task == "binary":
        return np.asarray(np.logaddexp(0.0, margins) - outcomes * margins, dtype=np.float64)
    top = margins.max(axis=-1, keepdims=True)
    total = top[..., 0] + np.log(np.exp(margins - top).sum(axis=-1))
    return np.asarray(total - np.take_along_axis(margins, outcomes.astype(np.int64)[:, None], axis=-1)[:, 0], dtype=np.float64)


def loss_contributions(task: Task, contributions: Floats, outcomes: Floats) -> Floats:
    """(n, f + 1): what each feature adds to the row's loss; the last column is the loss of the bias alone. Rows sum to the loss.

    Each Shapley value of the margin is multiplied by the mean slope of the loss between the bias and the row's margin. For one output that
    is the rescale rule by which Lundberg et al. 2020 ('From local explanations to global understanding', methods: explaining a model's
    loss) pass Shapley values through a loss, here with one reference, the mean margin, instead of every background row; for several
    outputs it is the Aumann-Shapley value of the loss in the margins (16-point Gauss-Legendre). Positive: adds to the mistake.
    """
    if contributions.shape[0] != outcomes.shape[0] or (contributions.ndim == 3) != (task == "multiclass"):
        raise DataError("contributions and outcomes do not fit together", value=f"{contributions.shape}, {outcomes.shape}, {task}",
                        allowed="(n, f + 1), or (n, classes, f + 1) for multiclass; (n,)")
    bias, parts = contributions[..., -1], contributions[..., :-1]
    margins = contributions.sum(axis=-1)
    first = margin_losses(task, bias, outcomes)
    if task == "multiclass":
        slopes = _mean_gradient(bias, margins, outcomes)
        found = np.einsum("nkf,nk->nf", parts, slopes)
    else:
        change = margins - bias
        flat = np.abs(change) < 1e-6  # then the slope at the margin itself
        start, end = np.where(flat, bias - 1e-3, bias), np.where(flat, bias + 1e-3, margins)
        steep = (margin_losses(task, end, outcomes) - margin_losses(task, start, outcomes)) / (end - start)
        found = parts * steep[:, None]
    return np.concatenate([found, first[:, None]], axis=1)


def loss_findings(task: Task, losses: Floats, shares: Floats, names: list[str], slices: Mapping[str, Flags], *, rows_min: int
                  ) -> tuple[list[Finding], dict[str, Any]]:
    """`explain.loss_excess` for the weakest of the given slices, and what drives their mistakes.

    losses (n,), shares (n, f + 1) as from `loss_contributions`; `slices` masks (n,). Excess = mean loss inside - mean loss outside, in nats
    or squared units; 0 = as good as elsewhere. Interval: Welch, normal, at 1 - 0.05 / slices looked at (Bonferroni), because the
    weakest of many always look weak. Given are at most 5 slices, by the interval's lower end. Slices of fewer than `rows_min` rows, or
    that leave fewer outside, are not looked at; none left: one TOO_FEW. Figure: {"loss", "mean", "drivers": {feature: mean share of
    loss over all rows}, "slices": [{"slice", "rows", "loss", "excess", "low", "high", "base": part of the excess
    that the average answer alone makes (another base rate), "drivers": the features that add most to the rest [{"feature", "inside",
    "outside"}]}]}.
    """
    kept = {name: mask for name, mask in slices.items() if rows_min <= int(mask.sum()) <= mask.size - rows_min}
    figure: dict[str, Any] = {"loss": "squared error" if task == "regression" else "log loss", "slices": []}
    if losses.size:
        figure |= {"mean": float(losses.mean()), "drivers": _by_size(shares[:, :-1].mean(axis=0), names)}
    if not kept:
        note = f"no slice has {rows_min:,} rows inside and outside"
        return [Finding(metric=METRIC, sample_size=losses.size, needed=2 * rows_min, state=State.TOO_FEW, note=note)], figure
    found = sorted((_slice(name, mask, losses, shares, names, len(kept)) for name, mask in kept.items()), key=lambda one: -one["low"])
    figure["slices"] = found[:SLICES_MAX]
    return [_finding(one, len(kept)) for one in found[:SLICES_MAX]], figure


def _finding(one: dict[str, Any], looked_at: int) -> Finding:
    drivers = ", ".join(f"{driver['feature']} ({driver['inside'] - driver['outside']:+.3g})" for driver in one["drivers"][:3])
    said = f"driven by {drivers}" if drivers else "no feature drives it"
    note = (f"Mean loss {one['loss']:.3g} against {one['loss'] - one['excess']:.3g} elsewhere: the average answer alone accounts for "
            f"{one['base']:+.3g} of it, {said}. One of {looked_at} slices looked at.")
    return Finding(metric=METRIC, value=one["excess"], low=one["low"], high=one["high"], confidence=1 - 0.05 / looked_at,
                   sample_size=one["rows"], segment=one["slice"], note=note, detail={"base": one["base"], "drivers": one["drivers"]})


def _slice(name: str, mask: Flags, losses: Floats, shares: Floats, names: list[str], looked_at: int) -> dict[str, Any]:
    from statistics import NormalDist

    inside, outside = losses[mask], losses[~mask]
    excess = float(inside.mean() - outside.mean())
    spread = float(np.sqrt(inside.var(ddof=1) / inside.size + outside.var(ddof=1) / outside.size))
    reach = NormalDist().inv_cdf(1 - 0.025 / looked_at) * spread
    own, other = shares[mask, :-1].mean(axis=0), shares[~mask, :-1].mean(axis=0)
    order = np.argsort(-(own - other), kind="stable")[:DRIVERS_MAX]
    drivers = [{"feature": names[place], "inside": float(own[place]), "outside": float(other[place])} for place in order
               if own[place] > other[place]]
    base = float(shares[mask, -1].mean() - shares[~mask, -1].mean())
    return {"slice": name, "rows": int(inside.size), "loss": float(inside.mean()), "excess": excess, "low": excess - reach,
            "high": excess + reach, "base": base, "drivers": drivers}


def _by_size(means: Floats, names: list[str]) -> dict[str, float]:
    return {names[place]: float(means[place]) for place in np.argsort(-np.abs(means), kind="stable")}


def _mean_gradient(start: Floats, end: Floats, outcomes: Floats) -> Floats:
    """Mean over the straight way of the gradient of log loss: probability minus 1 for the true class, (n, k)."""
    points, weights = np.polynomial.legendre.leggauss(NODES)
    total = np.zeros_like(start)
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        margins = start + point * (end - start)
        odds = np.exp(margins - margins.max(axis=-1, keepdims=True))
        total += weight * odds / odds.sum(axis=-1, keepdims=True)
    total[np.arange(outcomes.size), outcomes.astype(np.int64)] -= 1.0
    return total
