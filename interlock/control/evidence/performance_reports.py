"""What a candidate is worth on rows it never saw: figures, calibration, weak slices, money, backtest, estimates. All replayable."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.control.evidence.case import Case, Report
from interlock.errors import InterlockError
from interlock.rules.canonical import iso
from interlock.rules.findings import Finding, State, failed
from reports.losses import log_loss_rows

Floats = NDArray[np.float64]
SLICE_COLUMNS_MAX = 40
BACKTEST_ROWS, BACKTEST_ROUNDS, BACKTEST_RATE_MAX = 8_000, 60, 0.3
ESTIMATE_PARTS, ESTIMATE_PART_ROWS, ESTIMATE_PART_ROWS_MAX = 12, 200, 1_000


def performance(case: Case) -> Report:
    """The candidate on rows it never saw, beside naive rules and the champion on the same rows; its intervals where it gives some."""
    from reports.performance import performance_findings

    task = case.use_case.prediction.task
    given: dict[str, Any] = {"threshold": case.package.manifest.threshold, "prior": case.held_out.naive.prior,
                             "last_label": case.held_out.naive.last_label, "classes": case.package.manifest.classes or None,
                             "seed": case.seed}
    found, figures, broken = _with_champion(
        case, lambda champion: performance_findings(task, case.held_out.labels, case.scores, champion_score=champion, **given))
    found = [finding for finding in found if broken is None or finding.metric != "performance.vs_champion"]
    return found + ([failed("performance.vs_champion", broken)] if broken else []) + _quantiles(case), figures


def calibration(case: Case) -> Report:
    """Whether probabilities come true: P(1); or the probability of the likeliest class, and of every class."""
    from reports.calibration import calibration_findings, class_calibration_findings

    if case.use_case.prediction.task == "multiclass":
        return class_calibration_findings(case.held_out.labels, case.scores, case.package.manifest.classes, seed=case.seed)
    return calibration_findings(case.held_out.labels, case.scores, seed=case.seed)


def slices(case: Case) -> Report:
    """Where it is weakest: slices of features and sensitive attributes, found and tested on different rows; and the declared segments."""
    from reports.segments import declared_findings, slice_findings

    task, labels, rows = case.use_case.prediction.task, case.held_out.labels, case.held_out.rows
    loss = np.abs(case.scores - labels) if task == "regression" else log_loss_rows(labels, case.scores)
    unit = "units of the target" if task == "regression" else "nats"
    wanted, least = case.use_case.segments, case.use_case.segments.rows_min
    names = [name for name in dict.fromkeys([*case.package.manifest.features.input_names, *case.use_case.sensitive_columns])
             if name in rows.columns][:SLICE_COLUMNS_MAX]
    found, figures = slice_findings(loss, rows.select(names), unit=unit, rows_min=least, seed=case.seed)
    declared, tables = declared_findings(loss, rows.select(wanted.columns), unit=unit, rows_min=least) if wanted.columns else ([], {})
    return found + declared, figures | tables


def value(case: Case) -> Report:
    """What its decisions are worth, where the use case says what each is worth."""
    from reports.money import value_findings

    worth = case.use_case.value
    if worth is None:
        return [Finding(metric="performance.value_per_1000", state=State.MISSING, note="the use case has no [value] section")], {}
    scale = None
    if worth.scale_column is not None:
        scale = case.held_out.rows[worth.scale_column].cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    given: dict[str, Any] = {"currency": worth.currency, "threshold": case.package.manifest.threshold, "scale": scale, "seed": case.seed,
                             "prior": case.held_out.naive.prior}
    found, figures, broken = _with_champion(case, lambda champion: value_findings(
        case.use_case.prediction.task, case.held_out.labels, case.scores, worth.matrix, champion_score=champion, **given))
    found = [finding for finding in found if broken is None or finding.metric != "performance.value_vs_champion"]
    said = [finding.model_copy(update={"note": f"{finding.note} Amounts: {worth.basis}".strip()})
            if finding.metric == "performance.value_per_1000" and finding.state is State.OK else finding for finding in found]
    return said + ([failed("performance.value_vs_champion", broken)] if broken else []), figures


def backtest(case: Case) -> Report:
    """Had it been made at earlier moments: its own parameters, fewer rows and rounds (said in the note), so that it takes seconds."""
    from interlock.modeling.boosting import load_xgboost
    from interlock.modeling.fitting import fit_on
    from interlock.modeling.split import target
    from reports.backtest import backtest_findings, folds

    if not case.use_case.timed:
        note = "the rows have no time of their own, so there is no past to go back to"
        return [Finding(metric=name, state=State.MISSING, note=note) for name in ("performance.backtest", "performance.backtest_worst")], {}
    known, made = case.held_out.split.known, case.package.manifest.training
    rounds, parameters = min(int(made["rounds"]), BACKTEST_ROUNDS), dict(made["parameters"])
    parameters["learning_rate"] = min(float(parameters["learning_rate"]) * int(made["rounds"]) / rounds, BACKTEST_RATE_MAX)

    def fit_score(train: NDArray[np.int64], test: NDArray[np.int64]) -> Floats:
        fitted = fit_on(case.use_case, known[train], parameters, rounds)
        booster = load_xgboost().Booster({"nthread": case.use_case.training.threads})
        booster.load_model(bytearray(fitted.booster))
        answers = booster.inplace_predict(fitted.space.encode_frame(known[test]), missing=np.nan, validate_features=False)
        wide = np.asarray(answers, dtype=np.float64)
        return wide / wide.sum(axis=1, keepdims=True) if wide.ndim == 2 else wide

    event, seen = (known[name].dt.epoch("us").to_numpy() for name in ("_event_time", "_label_seen_time"))
    past = folds(event, seen, train_max=BACKTEST_ROWS, test_max=BACKTEST_ROWS // 2)
    said = f"Its own parameters on at most {BACKTEST_ROWS:,} rows, {rounds} rounds at rate {parameters['learning_rate']:.3g}."
    found, figures = backtest_findings(case.use_case.prediction.task, target(case.use_case.prediction, known), past, fit_score,
                                       seed=case.seed, note=said)
    if figures:
        figures["backtest"]["at"] = [iso(datetime.fromtimestamp(at / 1e6, UTC)) for at in figures["backtest"]["at"]]
    return found, figures


def estimate(case: Case) -> Report:
    """How far an estimate without labels could be trusted: made from the older half of the held-out rows, examined on the newer half.

    In up to 12 parts, of each at most the first 1,000 rows. Rows without a time of their own are halved by a seeded draw: their order in
    the file may mean something, but it is not time.
    """
    from interlock.control.evidence.estimates import estimated, make_reference
    from interlock.control.windows.window_performance import primary_of
    from interlock.modeling.measures import PRIMARY
    from reports.estimate_trust import error_finding, reference_findings, trust_finding
    from reports.measured import measured

    task, rows = case.use_case.prediction.task, case.held_out.labels.size
    metric = PRIMARY[task]
    half, count = rows // 2, min(ESTIMATE_PARTS, (rows - rows // 2) // ESTIMATE_PART_ROWS)
    order = np.arange(rows) if case.use_case.timed else np.random.default_rng(case.seed).permutation(rows)
    try:
        reference = make_reference(case.held_out, order[:half])
    except InterlockError as error:
        note = f"nothing to estimate from: {error}"
        return [Finding(metric="performance.estimate_coverage", sample_size=rows, state=State.TOO_FEW, note=note)], {}
    errors: list[Finding] = []
    for whole in np.array_split(order[half:], count) if count else []:
        part = whole[:ESTIMATE_PART_ROWS_MAX]
        told = estimated(reference, case.scores[part], case.held_out.matrix[part], rows_min=ESTIMATE_PART_ROWS, seed=case.seed)
        true = measured(f"performance.{metric}", primary_of(task, case.held_out.labels[part], case.scores[part], seed=case.seed),
                        sample_size=part.size, why_missing="one class only")
        errors.append(error_finding(metric, next(one for one in told if one.metric == f"performance.estimated_{metric}"), true))
    figures = {"estimates": {"metric": metric, "rows": [one.sample_size for one in errors],
                             **{key: [one.detail.get(key) for one in errors] for key in ("estimated", "true", "inside")}}}
    return [*reference_findings(reference), trust_finding(errors)], figures if errors else {}


def _with_champion(case: Case, report: Any) -> tuple[list[Finding], dict[str, Any], InterlockError | None]:
    """The report with the champion's scores; where the champion cannot be asked, without them and with the reason."""
    try:
        champion = case.champion_scores
    except InterlockError as error:
        return *report(None), error
    return *report(champion), None


def _quantiles(case: Case) -> list[Finding]:
    """Pinball loss and coverage of the intervals that a regression gives with its answers."""
    from reports.performance_values import quantile_findings

    intervals = case.package.manifest.intervals
    ends = case.held_out.model.interval(case.held_out.matrix, case.held_out.scores) if intervals is not None else None
    if intervals is None or ends is None:
        return []
    given = {intervals.levels[0]: ends[:, 0].astype(np.float64), intervals.levels[-1]: ends[:, 1].astype(np.float64)}
    return quantile_findings(case.held_out.labels, given, seed=case.seed)
