"""How a candidate was made, as figures: window, calibration, intervals, constraints; and features that it could do without."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from interlock.control.evidence.case import Case, Report
from interlock.modeling.selection import row_losses
from interlock.records.tables import Candidate
from interlock.rules.findings import Finding, State

Floats = NDArray[np.float64]


def training(case: Case) -> Report:
    """Replayable: everything from the manifest and the held-out rows.

    Figures, each only where it applies: {"window": {"kind", "since", "note", "backtest"?: {"cut_offs", "losses": {window: [loss or
    null]}, "change": {window: relative loss beyond all history's}}}, "trial", "trials", "split_note", "calibration": {"kind", "source",
    "rows", "log_loss_before", "log_loss_after"}, "intervals": {"levels", "correction", "conformal", "rows", "crossed_share"},
    "constraints": {"monotone", "interactions"}, "class_weight"}. SHAP values explain the margin, before any calibration.
    """
    manifest, spec = case.package.manifest, case.use_case.training
    made = manifest.training
    figures: dict[str, Any] = {name: made[name] for name in ("window", "trial", "trials", "split_note") if name in made}
    if spec.monotone or spec.interactions:
        figures["constraints"] = {"monotone": dict(spec.monotone), "interactions": spec.interactions}
    figures |= {"class_weight": spec.class_weight} if spec.class_weight != "none" else {}
    found: list[Finding] = []
    if manifest.intervals is not None:
        figures["intervals"] = manifest.intervals.model_dump()
    if manifest.calibration is not None:
        gain, drawn = _calibration_gain(case)
        found, figures["calibration"] = [gain], drawn
    return found, figures


def proposals(case: Case) -> Report:
    """Observed, because `interlock propose` may measure them anew: features that could be dropped. Figures: see `propose_drops`."""
    with case.store.reading() as session:
        metrics = session.scalars(select(Candidate.metrics).where(Candidate.use_case == case.use_case.name,
                                                                  Candidate.package_digest == case.package.digest)).first() or {}
    known = metrics.get("proposals")
    if not known:
        return [Finding(metric="training.proposals", state=State.MISSING, unit="features",
                        note=f"No feature was tried without; `interlock propose {case.use_case.name}` does.")], {}
    return [Finding(metric="training.proposals", value=float(len(known["drop"])), sample_size=known["rows"], unit="features",
                    note=known["note"])], known


def _calibration_gain(case: Case) -> tuple[Finding, dict[str, Any]]:
    """Fall of the log loss on the held-out rows through the calibration, with a paired 95 % interval (normal)."""
    manifest, labels = case.package.manifest, case.held_out.labels
    after = row_losses(case.scores, labels, manifest.task)
    before = row_losses(_link(case.held_out.model.margin(case.held_out.matrix).astype(np.float64)), labels, manifest.task)
    gain, rows = before - after, int(labels.size)
    doubt = 1.959963984540054 * float(gain.std(ddof=1)) / np.sqrt(rows) if rows > 1 else None
    value = float(gain.mean())
    calibration = manifest.calibration
    drawn = {"kind": calibration.kind if calibration else "", "source": calibration.source if calibration else "",
             "rows": calibration.rows if calibration else 0, "log_loss_before": float(before.mean()), "log_loss_after": float(after.mean())}
    return Finding(
        metric="training.calibration_gain", value=value, low=None if doubt is None else value - doubt,
        high=None if doubt is None else value + doubt, confidence=0.95, sample_size=rows, unit="nats",
        state=State.OK if rows > 1 else State.TOO_FEW, detail=drawn,
        note=f"The {drawn['kind']} calibration, learned from {drawn['rows']:,} rows, changed the log loss of {rows:,} held-out rows from "
             f"{drawn['log_loss_before']:.4f} to {drawn['log_loss_after']:.4f}."), drawn


def _link(margins: Floats) -> Floats:
    """Probabilities of margins without a calibration: (n,), or (n, classes)."""
    if margins.ndim == 1:
        share: Floats = np.exp(-np.logaddexp(0.0, -margins))
        return share
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares
