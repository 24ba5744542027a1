"""Candidate and champion side by side: the same metric from the evidence of each, and the paired difference where it was measured."""

from __future__ import annotations

from dataclasses import dataclass

from interlock.control.readmodel.proof import Proof
from interlock.rules.findings import Finding, State

TITLES = {"auc": "AUC", "log_loss": "Log loss", "brier": "Brier score", "accuracy": "Accuracy", "f1": "F1", "rmse": "RMSE", "mae": "MAE",
          "r2": "R²", "ece": "Calibration error (ECE)", "vs_champion": "Difference to the champion",
          "vs_naive": "Difference to the naive answer",
          "selection_rate_ratio": "Selection rate ratio", "equal_opportunity_difference": "Equal opportunity difference",
          "equalized_odds_difference": "Equalized odds difference", "p99_ms": "Slowest 1 % of answers", "stability": "SHAP rank agreement",
          "drop": "Fall since validation", "bias": "Mean score minus mean outcome"}
NAMES = {"mcc": "MCC (correlation of answer and outcome)", "median_ae": "Median absolute error", "interval_coverage": "Interval coverage",
         "pinball": "Pinball loss", "ece_debiased": "Calibration error without the part of luck", "reliability": "Reliability (how wrong)",
         "resolution": "Resolution (how well told apart)", "uncertainty": "Uncertainty (of the matter itself)", "macro_f1": "Macro F1",
         "log_loss_skill": "Log loss, better than the naive answer by", "class_ece": "Calibration error of a class",
         "classwise_ece": "Calibration error, mean of the classes", "value_per_1000": "Value of 1,000 decisions",
         "value_vs_naive": "Value beyond the naive rule", "value_vs_champion": "Value beyond the champion",
         "value_threshold_gain": "Gain by the proposed threshold", "estimated_drop": "Estimated fall since validation",
         "estimate_error": "Estimate minus truth", "estimate_range": "Answers unlike all held-out rows",
         "estimate_coverage": "Windows whose truth lay inside the estimate", "vs_champion_log_loss": "Difference to the champion, log loss",
         "vs_champion_brier": "Difference to the champion, Brier score", "vs_champion_error": "Difference to the champion, share of errors",
         "flip_rate": "Decisions that would change", "money_change": "Worth of these changes",
         "vs_champion_mae": "Difference to the champion, MAE"} | {
    f"estimated_{name}": f"Estimated {TITLES[name]}" for name in ("auc", "rmse", "mae", "f1")} | {
    "estimated_log_loss": "Estimated log loss", "estimated_brier": "Estimated Brier score", "estimated_accuracy": "Estimated accuracy"}
UNPAIRED = {"vs_champion", "vs_naive", "bias", "drop"}
LOWER_IS_BETTER = {"log_loss", "brier", "rmse", "mae", "ece", "equal_opportunity_difference", "equalized_odds_difference", "p99_ms"}


@dataclass(frozen=True)
class Pair:
    """One metric of both; None where it was not measured. `better` says which direction is good."""

    metric: str
    title: str
    candidate: Finding
    champion: Finding | None
    better: str


def pairs(candidate: Proof, champion: Proof | None, gated: str = "") -> list[Pair]:
    """Performance, calibration, latency and the `gated` fairness measure of the candidate, the champion's own value beside each."""
    others = {(finding.metric, finding.segment): finding for finding in champion.findings} if champion else {}
    found = []
    for finding in candidate.findings:
        family, _, name = finding.metric.partition(".")
        if family == "fairness" and (name != gated or not finding.segment.startswith("attribute=")):
            continue  # the other measures, and groups that are too small, are on the Fairness page
        if family in {"performance", "calibration", "fairness", "latency"} and name in TITLES and name not in UNPAIRED:
            found.append(Pair(finding.metric, titled(finding), finding, others.get((finding.metric, finding.segment)),
                              "lower" if name in LOWER_IS_BETTER else "higher"))
    return found


def measures_by_attribute(proof: Proof) -> list[tuple[str, dict[str, Finding]]]:
    """Per sensitive attribute the measures over its groups, by their title."""
    rows: dict[str, dict[str, Finding]] = {}
    for finding in proof.by_metric("fairness."):
        title = TITLES.get(finding.metric.removeprefix("fairness."))  # rules and intersections have names of their own
        if title is not None and finding.segment.startswith("attribute="):
            rows.setdefault(finding.segment.removeprefix("attribute="), {})[title] = finding
    return list(rows.items())


def differences(candidate: Proof) -> list[Finding]:
    """The paired differences (candidate minus the other, on the same rows); positive is better."""
    return [finding for finding in candidate.findings if finding.metric.startswith("performance.vs_")]


def metrics(proof: Proof) -> list[Finding]:
    """Figures of performance over all held-out rows and by class; slices, money, past and estimates have sections of their own."""
    apart = ("weakest_slice", "slice", "segment", "value_", "backtest", "estimate_", "interval_coverage")
    return [finding for finding in proof.by_metric("performance.") if not finding.metric.removeprefix("performance.").startswith(apart)]


def titled(finding: Finding) -> str:
    """Name of the finding for people, with its segment."""
    name = finding.metric.rpartition(".")[2]
    title = (TITLES | NAMES).get(name) or name.replace("_", " ").capitalize()
    return title if finding.segment == "all" else f"{title}, {finding.segment}"


def why_missing(finding: Finding | None) -> str:
    """What stands where a value is not there: never a zero."""
    if finding is None:
        return "not measured"
    if finding.state is State.TOO_FEW and not finding.note:
        needed = f", {finding.needed:,} needed" if finding.needed else ""
        return f"not enough evidence (n = {finding.sample_size:,}{needed})"
    return finding.note or finding.state.value
