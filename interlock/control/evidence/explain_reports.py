"""Why a candidate answers as it does: Shapley values of held-out rows, and everything that is drawn from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.control.evidence.case import Case, Report
from interlock.errors import InterlockError
from interlock.modeling.boosting import load_xgboost
from interlock.modeling.features import FeatureSpace, Matrix
from interlock.modeling.package import Package
from interlock.rules.findings import Finding, failed
from reports.shapley import Shapley, leaf_rows

Floats = NDArray[np.float64]
LEAF_ROWS_MAX = 200_000_000    # rows * leaves explained: about one second
ROWS_MIN, ROWS_MAX = 2_000, 50_000
SLICE_ROWS_MIN, SLICED_FEATURES = 60, 8
COHORT_COLUMNS, COHORT_VALUES = 2, 4
BACKGROUND_ROWS, AGAINST_ROWS, AGAINST_LEAVES_MAX = 200, 500, 5_000


@dataclass(frozen=True)
class Explained:
    """The explained rows of one case: their places among the held-out rows, encoded values (n, f) and Shapley values."""

    case: Case
    picked: NDArray[np.int64] = field(repr=False)
    values: Matrix = field(repr=False)
    made: Shapley
    importance: dict[str, float]

    @property
    def space(self) -> FeatureSpace:
        return self.case.package.manifest.features

    @property
    def order(self) -> list[str]:
        """Features that matter at all, the strongest first."""
        return [name for name, share in self.importance.items() if share > 0]

    @property
    def categories(self) -> dict[str, list[str]]:
        return {name: spec.categories for name, spec in zip(self.space.names, self.space.specs, strict=True) if spec.kind == "category"}

    @property
    def outcomes(self) -> Floats:
        return self.case.held_out.labels[self.picked]


def explanation(case: Case) -> Report:
    """Additivity, dominance and stability of reasons, and the figures of the explainability page.

    As many held-out rows as a second allows (at least 2,000, said in the figure), a seeded sample of all. A further part that fails is
    a finding of state ERROR of its own; the gates rest on the first three findings alone.
    """
    from reports.explain import beeswarm, explain_findings, global_importance, sample_rows

    total = case.held_out.rows.height
    rows_max = int(np.clip(LEAF_ROWS_MAX // max(leaf_rows(case.held_out.model.booster), 1), ROWS_MIN, ROWS_MAX))
    picked = sample_rows(total, seed=case.seed, rows_max=rows_max)
    values = case.held_out.matrix[picked]
    made = _shapley(case, case.package, values)
    champion, broken = _champion_importance(case, picked)
    names = case.package.manifest.features.names
    found, figures = explain_findings(made.contributions, made.margins, names, rows_total=total, champion_importance=champion)
    if broken is not None:
        found = [finding for finding in found if finding.metric != broken.metric] + [broken]
    if made.contributions.ndim == 2 and picked.size:
        figures["beeswarm"] = beeswarm(made.contributions, values.astype(np.float64), names, seed=case.seed)
    explained = Explained(case, picked, values, made, global_importance(made.contributions, names) if picked.size else {})
    case.shared["explained"] = explained
    more, parts = _parts(explained)
    return found + more, {**figures, "champion_importance": champion or {}, "shapley": made.as_figure(), **parts}


def _champion_importance(case: Case, picked: NDArray[np.int64]) -> tuple[dict[str, float] | None, Finding | None]:
    """The champion's importance on the same rows, or why it could not be had; (None, None) where there is no champion."""
    from reports.explain import global_importance

    if case.champion is None:
        return None, None
    try:
        package = case.champion.checked().package
        if package is None:
            return None, None
        space = package.manifest.features
        found = _shapley(case, package, space.encode_frame(case.held_out.rows[picked]))
        return global_importance(found.contributions, space.names), None
    except InterlockError as error:
        return None, failed("explain.stability", error)


def _parts(explained: Explained) -> Report:
    """Every further part on its own: one that raises leaves a finding of state ERROR and the others standing."""
    findings: list[Finding] = []
    figures: dict[str, Any] = {}
    if explained.picked.size == 0:
        return findings, figures
    steps: dict[str, Callable[[Explained, dict[str, Any]], Report]] = {
        "interactions": _interactions, "dependence": _dependence, "dependence_shades": _shades, "partial_dependence": _curves,
        "cohorts": _cohorts, "interventional": _interventional, "loss": _loss}
    for name, step in steps.items():
        try:
            found, figure = step(explained, figures)
        except Exception as error:  # noqa: BLE001 - recorded as a finding of state ERROR; no gate rests on these parts
            found, figure = [failed(f"explain.{name}", error)], {}
        findings += found
        figures |= {name: figure} if figure else {}
    return findings, figures


def _interactions(explained: Explained, figures: dict[str, Any]) -> Report:
    from reports.explain import sample_rows
    from reports.interactions import interaction_findings, interaction_rows, interaction_values

    space, booster = explained.space, explained.case.held_out.model.booster
    most = interaction_rows(leaf_rows(booster), len(space.names))
    some = sample_rows(explained.picked.size, seed=explained.case.seed, rows_max=most)
    found = interaction_values(booster, explained.values[some], space.feature_types, threads=explained.case.use_case.training.threads)
    return interaction_findings(found, space.names, rows_total=explained.case.held_out.rows.height)


def _dependence(explained: Explained, figures: dict[str, Any]) -> Report:
    from reports.dependence import dependence_figure

    if explained.made.contributions.ndim != 2:
        return [], {}
    return [], dependence_figure(
        explained.made.contributions, explained.values.astype(np.float64), explained.space.names, order=explained.order,
        partner=figures.get("interactions", {}).get("partner", {}), categories=explained.categories, seed=explained.case.seed)


def _shades(explained: Explained, figures: dict[str, Any]) -> Report:
    from reports.dependence import dependence_shades

    if explained.made.contributions.ndim != 2:
        return [], {}
    return [], dependence_shades(explained.values.astype(np.float64), explained.space.names, order=explained.order,
                                 seed=explained.case.seed)


def _curves(explained: Explained, figures: dict[str, Any]) -> Report:
    """Of several classes the one that is answered most often."""
    from reports.partial_dependence import dependence_curves

    model, case = explained.case.held_out.model, explained.case
    place = int(np.bincount(case.held_out.scores.argmax(axis=1)).argmax()) if case.held_out.scores.ndim == 2 else None

    def score(matrix: Matrix) -> Floats:
        answers = model.score(matrix)
        return (answers if place is None else answers[:, place]).astype(np.float64)

    curves = dependence_curves(score, explained.values, explained.space.names, order=explained.order, categories=explained.categories,
                               seed=case.seed)
    return [], {"class": None if place is None else case.package.manifest.classes[place], "features": curves}


def _cohorts(explained: Explained, figures: dict[str, Any]) -> Report:
    """The two answers, right and wrong ones, groups of the sensitive attributes, and segments of the two strongest columns; never groups
    of a few people (`[privacy] suppress_below`)."""
    from reports.cohorts import cohort_figure

    case, masks = explained.case, dict[str, NDArray[np.bool_]]()
    if explained.made.contributions.ndim != 2:
        return [], {}
    answers, outcomes = case.held_out.predictions[explained.picked], explained.outcomes
    if case.use_case.prediction.task == "binary":
        masks = {"answer: yes": answers == 1, "answer: no": answers == 0, "right": answers == outcomes, "wrong": answers != outcomes}
    for name in case.use_case.sensitive_columns:
        column = case.held_out.rows[name][explained.picked].cast(str)
        for value in column.drop_nulls().unique().sort().to_list()[:8]:
            mask = (column == value).fill_null(value=False).to_numpy()
            if mask.sum() >= case.use_case.privacy.suppress_below:
                masks[f"{name}: {value}"] = mask
    masks |= {name: mask for name, mask in _segments(explained).items() if mask.sum() >= case.use_case.privacy.suppress_below}
    found = cohort_figure(explained.made.contributions, explained.made.margins, explained.space.names, masks,
                          rows_min=case.use_case.fairness.group_rows_min)
    return [], {"cohorts": found} if found else {}


def _segments(explained: Explained) -> dict[str, NDArray[np.bool_]]:
    """Rows of the largest groups of the two strongest columns that are no sensitive attribute."""
    from reports.segments_cut import cut_column

    rows = explained.case.held_out.rows[explained.picked]
    open_columns = [name for name in explained.order if name in rows.columns and name not in explained.case.use_case.sensitive_columns]
    cuts = [cut for name in open_columns[:COHORT_COLUMNS] if (cut := cut_column(rows[name])) is not None]
    return {label: cut.codes == place for cut in cuts for place, label in enumerate(cut.labels[:COHORT_VALUES])}


def _interventional(explained: Explained, figures: dict[str, Any]) -> Report:
    """Importance against a background of training rows beside the path-dependent one; left out, and said so, for large models."""
    from reports.explain import global_importance, sample_rows
    from reports.shapley import explain_against

    case, space = explained.case, explained.space
    leaves = leaf_rows(case.held_out.model.booster)
    if leaves > AGAINST_LEAVES_MAX or leaves == 0:
        return [], {"note": f"not computed here: the model has {leaves:,} leaves, at most {AGAINST_LEAVES_MAX:,} fit the time of a report"}
    learned = case.held_out.split.fit_rows
    background = space.encode_frame(learned[sample_rows(learned.height, seed=case.seed, rows_max=BACKGROUND_ROWS)])
    some = sample_rows(explained.picked.size, seed=case.seed, rows_max=AGAINST_ROWS)
    found = explain_against(case.held_out.model.booster, explained.values[some], background, space.feature_types,
                            threads=case.use_case.training.threads)
    return [], {"importance": global_importance(found.contributions, space.names), "rows": int(some.size), **found.as_figure()}


def _loss(explained: Explained, figures: dict[str, Any]) -> Report:
    from reports.loss_attribution import loss_contributions, loss_findings, margin_losses
    from reports.segments_cut import cut_column

    task, made = explained.case.use_case.prediction.task, explained.made
    if task == "regression" and not np.allclose(made.margins, explained.case.scores[explained.picked], rtol=1e-3, atol=1e-3):
        return [], {"note": "not computed: the answer is not the sum of the trees itself, so its squared error cannot be shared out"}
    shares = loss_contributions(task, made.contributions, explained.outcomes)
    losses = margin_losses(task, made.contributions.sum(axis=-1), explained.outcomes)
    rows = explained.case.held_out.rows[explained.picked]
    cuts = [cut_column(rows[name]) for name in explained.order[:SLICED_FEATURES] if name in rows.columns]
    slices = {label: cut.codes == place for cut in cuts if cut is not None for place, label in enumerate(cut.labels)}
    return loss_findings(task, losses, shares, explained.space.names, slices, rows_min=SLICE_ROWS_MIN)


def _shapley(case: Case, package: Package, values: Matrix) -> Shapley:
    from reports import shapley

    load_xgboost()
    threads = case.use_case.training.threads
    return shapley.explain_rows(package.open_model(threads).booster, values, package.manifest.features.feature_types, threads=threads,
                                seed=case.seed)
