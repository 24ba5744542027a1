"""The Performance page: production on one axis, each part of the evidence, what older evidence lacks, decisions at any threshold."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from control_room_world import FLIGHTS, NOW, build
from streamlit.testing.v1 import AppTest

from interlock.control.readmodel.abstentions import abstentions, spoken
from interlock.control.readmodel.course import course, metrics_of
from interlock.control.readmodel.cuts import At, class_findings, cuts_of
from interlock.control.readmodel.proof import Proof, proof, proofs
from interlock.control.readmodel.series import Point, WindowRow, window_rows
from interlock.records.store import Store
from interlock.rules.evidence import Evidence
from interlock.rules.findings import Finding
from interlock.settings import Settings
from interlock.spec.load import load_use_case

ROOT = Path(__file__).resolve().parents[2]
VIEW = ROOT / "dashboard" / "views" / "performance.py"
CASE = load_use_case(ROOT / "usecases" / "flight_delays.toml")
DAY = timedelta(days=1)


def opened(**address: str) -> AppTest:
    app = AppTest.from_file(str(VIEW), default_timeout=60)
    for name, value in {"use_case": FLIGHTS, **address}.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, [one.message for one in app.exception]
    return app


def said(app: AppTest) -> str:
    parts = [*app.header, *app.subheader, *app.markdown, *app.caption, *app.info, *app.warning, *app.error, *app.code]
    cells = [str(cell) for one in app.table for cell in one.value.to_numpy().ravel()]
    return "\n".join([*(str(one.value) for one in parts), *cells]).replace("\\", "").replace("\u2060", "").replace("**", "")


PARTS = {
    "Figures": ["AUC, real and estimated", "How far to trust the estimate: Do not lean on the estimate", "Log loss", "ROC curve",
                "the real value is known for 11 of 14 windows"],
    "At a threshold": ["Now: 0.5", "of the yes, right (precision)", "value of 1,000 cases, EUR", "Value by threshold"],
    "Calibration": ["Reliability (how wrong)"],
    "Money": ["What 1,000 decisions are worth", "Is using it worth it?"],
    "Where it is weak": ["carrier=the newest month flies better", "What drives the mistakes"],
    "Past and estimates": ["At earlier moments", "Do the predicted intervals hold?", "90% is right", "Estimates without labels, on trial"],
}
LACKING = {
    "At a threshold": "This evidence holds no counts by threshold.",
    "Money": "No value of decisions is known",
    "Where it is weak": "This evidence does not say where the version is weak",
    "Past and estimates": "No backtest. not measured",
}


def test_each_part_draws_what_newer_evidence_holds(world: Settings) -> None:
    for part, phrases in PARTS.items():
        shown = said(opened(part=part))
        assert [phrase for phrase in phrases if phrase not in shown] == [], part


def test_older_evidence_is_shown_without_what_it_lacks_and_without_a_zero(world: Settings, store: Store) -> None:
    """Version 1 of the flights is from before there were these figures; its counts are taken away too."""
    digest = next(digest for digest, version, _, _ in proofs(store, FLIGHTS) if version == 1)
    older = proof(store, digest)
    assert older is not None
    figures = older.evidence.figures
    figures["performance"].pop("counts")
    assert cuts_of(Proof(**{**older.__dict__, "evidence": older.evidence.model_copy(update={"figures": figures})})) is None
    for part, phrase in LACKING.items():
        if part != "At a threshold":
            shown = said(opened(part=part, evidence=digest.removeprefix("sha256:")[:12]))
            assert phrase in shown, part
            assert "What 1,000 decisions are worth" not in shown
            assert "0 EUR" not in shown


def test_counts_that_were_never_kept_name_the_command(world: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.components.performance.at_threshold.cuts_of", lambda chosen: None)
    shown = said(opened(part="At a threshold"))
    assert LACKING["At a threshold"] in shown
    assert "prefect deployment run validate/validate -p use_case=flight_delays -p candidate_id=flight_delays-3" in shown


def test_another_threshold_shows_its_counts_and_becomes_a_proposed_change(world: Settings, store: Store) -> None:
    found = cuts_of(newest(store))
    assert found is not None
    at = found.nearest(0.4)
    app = opened(part="At a threshold", threshold="0.4")
    slider = app.table[1].value
    assert list(slider["answered yes"]) == [at.true_positive, at.false_positive]
    assert list(slider["answered no"]) == [at.false_negative, at.true_negative]
    assert "+threshold = 0.4 " in app.code[0].value
    assert "It counts for versions that are trained after it." in said(app)
    assert list(opened(part="At a threshold").code) == []


def newest(store: Store) -> Proof:
    found = proof(store, proofs(store, FLIGHTS)[0][0])
    assert found is not None
    return found


def test_shares_at_a_threshold_by_hand() -> None:
    """3 caught, 1 alarm, 2 missed, 4 right: precision 3/4, recall 3/5, alarmed 1/5, yes 4/10. Wilson of 3/4: 0.301 to 0.954."""
    one = At(0.5, 3, 1, 2, 4)
    assert [ends[0] for ends in (one.precision, one.recall, one.false_alarms, one.selected)] == [0.75, 0.6, 0.2, 0.4]
    assert one.precision[1:] == (pytest.approx(0.301, abs=0.001), pytest.approx(0.954, abs=0.001))
    assert At(0.9, 0, 0, 5, 5).precision == (None, None, None)
    assert At(0.9, 0, 1, 0, 5).recall == (None, None, None)


def test_prepared_thresholds_hold_the_same_value_as_the_finding(store: Store) -> None:
    build(store)
    found = cuts_of(newest(store))
    assert found is not None
    assert (len(found.at), found.present.threshold, found.currency, found.present.rows) == (101, 0.5, "EUR", 4000)
    same = found.nearest(0.5)
    assert (same.true_positive, same.false_negative) == (found.present.true_positive, found.present.false_negative)
    assert same.value == pytest.approx(found.present.value)
    assert same.low is not None
    assert same.low < (same.value or 0.0) < (same.high or 0.0)


def row(n: int, value: float | None, *, labelled: int = 100, made: float | None = 0.7) -> WindowRow:
    point = Point(value, None, None, labelled, "ok" if value is not None else "too_few")
    detail = {"when_made": made} if made is not None else {}
    drop = Point(None, None, None, 100, "ok", "", "", detail)
    start = NOW + n * DAY
    return WindowRow(start, start + DAY, 1, "a", 100, labelled, "ok", {}, {
        "performance.auc": point, "performance.drop": drop, "performance.estimated_auc": Point(0.69, 0.6, 0.8, 100),
        "performance.estimated_brier": Point(0.2, None, None, 100), "performance.bias": Point(0.1, None, None, 100)})


def test_real_and_estimated_share_their_places_and_a_missing_window_is_a_gap() -> None:
    """Windows 0, 1 and 3: one gap from day 2 to 3. The limit of 0.05 below the 0.70 of the evidence is 0.65."""
    found = course([row(0, 0.7), row(1, None, labelled=0), row(3, 0.68, made=None)], "auc", CASE)
    assert [None if one.real is None else one.real.value for one in found.places] == [0.7, None, None, 0.68]
    assert [one.known for one in found.places] == [1.0, 0.0, None, 1.0]
    assert (found.places[2].start, found.places[2].end) == (NOW + 2 * DAY, NOW + 3 * DAY)
    assert found.limits == (pytest.approx(0.65), pytest.approx(0.65), None, None)
    assert (found.answers, found.outcomes, found.measured) == (300, 200, 2)
    assert course([row(0, 0.7)], "brier", CASE).limits == (None,)


def test_the_metric_that_is_judged_comes_first() -> None:
    assert metrics_of([row(0, 0.7)], "binary") == ["auc", "bias", "brier"]
    assert metrics_of([], "binary") == []


def test_windows_of_the_world(store: Store) -> None:
    """Outcomes known: 700, 640, 580 ... of 900; at least 100 in windows 0 to 10."""
    build(store)
    found = course(window_rows(store, FLIGHTS), "auc", CASE)
    assert found.measured == 11
    last = found.places[-1]
    assert last.real is not None
    assert last.real.value is None
    assert last.estimated is not None
    assert last.estimated.value == 0.69
    assert found.places[0].known == 700 / 900


def test_abstentions_are_counted_by_reason() -> None:
    """90 + 110 answers; 9 of unseen categories, then 1 and 10 of low confidence: 20 of 200 = 10 %."""
    def one(n: int, answers: int, why: dict[str, int]) -> WindowRow:
        share = Point(sum(why.values()) / answers, 0.0, 1.0, answers, "ok", "", "", why)
        return WindowRow(NOW + n * DAY, NOW + (n + 1) * DAY, 1, "a", answers, 0, "ok", {}, {"serving.abstained_share": share})

    few = WindowRow(NOW - DAY, NOW, 1, "a", 5, 0, "ok", {}, {"serving.abstained_share": Point(None, None, None, 5, "too_few", "n = 5")})
    found = abstentions([few, one(0, 90, {"unseen": 9}), one(1, 110, {"unseen": 1, "confidence": 10})])
    assert found is not None
    assert [(reason.name, reason.count, reason.share) for reason in found.reasons] == [("unseen", 10, 0.05), ("confidence", 10, 0.05)]
    assert (found.answers, found.share, len(found.points)) == (200, 0.1, 3)
    assert spoken("unseen") == "a category it never met"
    assert abstentions([]) is None
    nothing = abstentions([few])
    assert nothing is not None
    assert (nothing.share, nothing.reasons) == (None, ())


def other(findings: list[Finding], figures: dict[str, Any]) -> Proof:
    body = {"use_case": FLIGHTS, "candidate_id": "x-1", "package_digest": "sha256:" + "1" * 64, "policy_digest": "sha256:" + "2" * 64,
            "champion_digest": None, "snapshots": [], "created_at": NOW, "findings": findings, "gates": [], "figures": figures}
    return Proof(digest="sha256:" + "e" * 64, use_case=FLIGHTS, candidate_id="x-1", version=1, package_digest="sha256:" + "1" * 64,
                 author="a", started_by="s", trained_at=NOW, created_at=NOW, evidence=Evidence.model_validate(body), sealed=True)


CLASSES = [Finding(metric=f"performance.class_{name}", segment="class=<b>late</b>", value=0.5, low=0.4, high=0.6, sample_size=90,
                   detail={"rows": 30}) for name in ("precision", "recall", "f1", "auc")]
KINDS: dict[str, tuple[list[Finding], dict[str, Any], str, list[str]]] = {
    "several classes": (CLASSES, {"confusion": [[5, 1], [2, 8]], "classes": ["<b>late</b>", "calm"]}, "Classes",
                        ["Answers by true class", "<b>late</b>", "0.5 (0.4 to 0.6)"]),
    "numbers": ([Finding(metric="performance.rmse", value=2.0, sample_size=9)],
                {"errors": {"edges": [-1.0, 0.0, 1.0], "rows": [4, 5]},
                 "error_quantiles": {"level": [0.05, 0.25, 0.5, 0.75, 0.95], "error": [-1.8, -1, 0, 1, 1.8]}}, "Errors",
                ["Half of the errors lie between -1 and 1, 90 % between -1.8 and 1.8; the middle one is 0"]),
    "numbers of before": ([Finding(metric="performance.rmse", value=2.0, sample_size=9)],
                          {"errors": {"edges": [-1.0, 0.0, 1.0], "rows": [4, 5]}}, "Errors", ["validate the version again to see them"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_tasks_have_classes_or_errors_in_place_of_a_threshold(kind: str, world: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    findings, figures, part, phrases = KINDS[kind]
    monkeypatch.setattr("dashboard.components.evidence.proof", lambda store, digest: other(findings, {"performance": figures}))
    shown = said(opened(part=part))
    assert [phrase for phrase in phrases if phrase not in shown] == []


def test_figures_of_a_class_are_found_by_its_name() -> None:
    assert set(class_findings(other(CLASSES, {}))["<b>late</b>"]) == {"precision", "recall", "f1", "auc"}
