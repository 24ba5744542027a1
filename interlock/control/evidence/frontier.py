"""What mitigation would cost: small models with the candidate's own parameters, each mitigated in another way, on the held-out rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sqlalchemy import func, select

from interlock.control.evidence.case import Case, open_case
from interlock.control.evidence.fairness_reports import fairness, judged_measures
from interlock.control.evidence.proxy_reports import picked
from interlock.errors import DataError, EvidenceError
from interlock.modeling.features import Matrix
from interlock.modeling.mitigation import reweighing
from interlock.modeling.mitigation_fit import Scorer, weighted_fit
from interlock.modeling.mitigation_reduction import Rows, reduce_to_one
from interlock.modeling.mitigation_thresholds import optimised
from interlock.modeling.split import target
from interlock.modeling.trials import Columns
from interlock.records.candidates import numbered
from interlock.records.store import Store
from interlock.records.tables import Candidate
from interlock.rules.fairness_gates import fairness_gates
from interlock.rules.findings import Finding
from interlock.rules.gates import Verdict, judge
from interlock.settings import Settings
from interlock.spec.load import find_use_case
from interlock.spec.usecase import UseCase
from reports.fairness_groups import MISSING, group_names
from reports.frontier import Option, frontier_findings

Report = tuple[list[Finding], dict[str, Any]]
Floats = NDArray[np.float64]
LEARN_ROWS, CHOOSE_ROWS, JUDGE_ROWS, ROUNDS = 6_000, 4_000, 20_000, 60
SEARCH_ROWS, SEARCH_ROUNDS, SEARCH_STEPS = 2_500, 25, 6
AIMS = {"selection_rate_ratio": "demographic_parity", "demographic_parity_difference": "demographic_parity",
        "equal_opportunity_difference": "equal_opportunity", "equal_opportunity_ratio": "equal_opportunity",
        "equalized_odds_difference": "equalized_odds", "equalized_odds_ratio": "equalized_odds"}


@dataclass(frozen=True)
class Part:
    """Rows as matrix, labels (n,) and groups (n,)."""

    matrix: Matrix
    labels: Floats
    groups: NDArray[np.str_]


def frontier_where_needed(case: Case) -> Report:
    """The frontier of the attribute that fails worst; nothing where every fairness gate holds, so that no other validation pays for it."""
    if case.use_case.prediction.task != "binary" or not case.use_case.sensitive_columns:
        return [], {}
    findings, _ = fairness(case)
    for gate in fairness_gates("binary", case.use_case.fairness):
        result = judge(gate, findings)
        attribute = result.segment.removeprefix("attribute=")
        measure = judged_measures(case.use_case)[gate.metric]
        if result.verdict is Verdict.FAIL and attribute in case.use_case.sensitive_columns and measure in AIMS:
            return frontier(case, attribute, measure, gate.threshold)
    return [], {}


def frontier(case: Case, attribute: str, measure: str, limit: float) -> Report:
    """`fairness.mitigation_cost` and the points of `frontier_findings`, with how they were made.

    At most 6,000 training rows, 4,000 validation rows and 20,000 held-out rows, 60 rounds, all seeded. Raises `DataError` for a measure
    that no way of mitigation aims at, or an attribute that is not sensitive.
    """
    if measure not in AIMS:
        raise DataError("no way of mitigation aims at this measure", value=measure, allowed=", ".join(AIMS))
    if attribute not in case.use_case.sensitive_columns or case.use_case.prediction.task != "binary":
        raise DataError("the frontier needs a sensitive column of a binary use case", value=attribute,
                        allowed=", ".join(case.use_case.sensitive_columns) or "none is declared")
    split = case.held_out.split
    chosen = [rows[picked(rows.height, most, case.seed)] for rows, most in (
        (split.train, LEARN_ROWS), (split.validation, CHOOSE_ROWS), (split.test, JUDGE_ROWS))]
    learn, choose, held = _parts(case, chosen, attribute)
    options = list(_options(case, learn, choose, held, AIMS[measure]))
    found, figures = frontier_findings(options, held.labels, held.groups, attribute, measure, limit, case.use_case.fairness)
    return found, figures | {"trained_on": int(learn.labels.size), "rounds": _rounds(case)}


def _options(case: Case, learn: Part, choose: Part, held: Part, aim: str) -> Iterator[Option]:
    parameters, columns = case.package.manifest.training["parameters"], Columns.of(case.package.manifest.features)
    fit, every = weighted_fit(columns, learn.matrix, parameters, _rounds(case)), np.arange(learn.labels.size)
    ordinary = case.use_case.prediction.threshold
    plain = fit(every, learn.labels, np.ones(learn.labels.size))
    yield _decided("none", 0.0, plain.of(held.matrix), ordinary)
    for strength in (0.5, 1.0):
        model = fit(every, learn.labels, reweighing(learn.groups, learn.labels, strength=strength))
        yield _decided("reweighing", strength, model.of(held.matrix), ordinary)
    yield from _reduced(case, learn, choose, held, aim, columns)
    yield from _moved(case, choose, held, aim, plain)


def _moved(case: Case, choose: Part, held: Part, aim: str, plain: Scorer) -> Iterator[Option]:
    """Thresholds by group, part of the way and all of it."""
    policy, ordinary = case.use_case.fairness, case.use_case.prediction.threshold
    enough = [name for name in np.unique(choose.groups) if name != MISSING and _both(choose.labels[choose.groups == name])]
    known = np.isin(choose.groups, enough)
    if len(enough) < 2:
        return
    found = optimised(choose.labels[known], plain.of(choose.matrix)[known], choose.groups[known], aim,  # type: ignore[arg-type]
                      favourable=policy.favourable)
    score = plain.of(held.matrix)
    for strength in (0.25, 0.5, 0.75, 1.0):
        threshold = np.array([ordinary + strength * (found.get(str(name), ordinary) - ordinary) for name in held.groups])
        yield Option("threshold", strength, (score >= threshold).astype(np.float64), score, "uses the attribute to decide")


def _reduced(case: Case, learn: Part, choose: Part, held: Part, aim: str, columns: Columns) -> Iterator[Option]:
    """Exponentiated gradient, allowing half and a tenth of a difference of 0.2; strength 1 is the stricter."""
    parameters = case.package.manifest.training["parameters"]
    search = Rows(learn.labels[:SEARCH_ROWS], learn.groups[:SEARCH_ROWS])
    quick = weighted_fit(columns, learn.matrix[:SEARCH_ROWS], parameters, min(_rounds(case), SEARCH_ROUNDS))
    full = weighted_fit(columns, learn.matrix, parameters, _rounds(case))
    for strength, epsilon in ((0.5, 0.1), (1.0, 0.02)):
        try:
            found = reduce_to_one(
                search, Rows(choose.labels, choose.groups), Rows(learn.labels, learn.groups), quick,
                lambda scorer: scorer.of(choose.matrix), constraint=aim, favourable=case.use_case.fairness.favourable, epsilon=epsilon,
                threshold=case.use_case.prediction.threshold, steps=SEARCH_STEPS)
        except DataError:  # only constant models were found: nothing that could be offered
            continue
        model = full(np.arange(learn.labels.size), found.labels, found.weights)
        yield _decided("exponentiated_gradient", strength, model.of(held.matrix), 0.5)


def _decided(name: str, strength: float, score: Floats, threshold: float) -> Option:
    return Option(name, strength, (score >= threshold).astype(np.float64), score)


def _parts(case: Case, chosen: list[pl.DataFrame], attribute: str) -> list[Part]:
    """The rows as they are learned from, chosen on and judged. Groups are named over all of them, so that a numeric attribute has the
    same bands in each: a threshold chosen for a band must meet that band again."""
    names = group_names(pl.concat([rows[attribute] for rows in chosen]))
    ends = np.cumsum([rows.height for rows in chosen])
    space = case.package.manifest.features
    return [Part(space.encode_frame(rows), target(case.use_case.prediction, rows), names[end - rows.height:end])
            for rows, end in zip(chosen, ends, strict=True)]


def _rounds(case: Case) -> int:
    return min(int(case.package.manifest.training["rounds"]), ROUNDS)


def _both(labels: Floats) -> bool:
    return bool(labels.size >= 20 and 0 < labels.sum() < labels.size)


def newest_frontier(settings: Settings, store: Store, use_case: str, *, attribute: str | None = None, version: int | None = None) -> Report:
    """The frontier of a candidate by version (default: the newest), by the first rule about the attribute (default: the first one).

    Raises `EvidenceError` where there is no such candidate, `DataError` as `frontier` does.
    """
    path, found = find_use_case(settings, use_case)
    with store.reading() as session:
        last = session.scalar(select(func.max(Candidate.number)).where(Candidate.use_case == use_case))
        candidate = numbered(session, use_case, version or last) if last is not None else None
    if candidate is None:
        raise EvidenceError(f"'{use_case}' has no such candidate", value=version, allowed="none yet" if last is None else f"1 to {last}",
                            next_step=f"interlock train {use_case}")
    chosen = attribute or next(iter(found.sensitive_columns), "")
    measure, limit = _rule(found, chosen)
    return frontier(open_case(settings, store, path, found, candidate, None, None), chosen, measure, limit)


def _rule(use_case: UseCase, attribute: str) -> tuple[str, float]:
    """Measure and limit of the first rule about the attribute that some way of mitigation aims at; else of the single form."""
    policy = use_case.fairness
    rules = [(rule.metric, rule.threshold) for rule in policy.rules
             if rule.metric in AIMS and attribute in (rule.attributes or use_case.sensitive_columns)]
    return rules[0] if rules else (policy.metric, policy.threshold)
