"""Read models on the world, with the values worked out by hand beside them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from control_room_world import FLIGHTS, LOANS, NOW, XSS, build, endpoint, observed, sha, slot
from sqlalchemy import update

from interlock.control.readmodel.book import length, lines
from interlock.control.readmodel.compare import differences, pairs, why_missing
from interlock.control.readmodel.directory import entries
from interlock.control.readmodel.endpoint import Live, observe
from interlock.control.readmodel.figures import curves, importance, swarm
from interlock.control.readmodel.groups import group_tables
from interlock.control.readmodel.intake import Intake, intake
from interlock.control.readmodel.overview import overview
from interlock.control.readmodel.proof import proof, proof_of_package, proofs
from interlock.control.readmodel.rollouts import preview_rollback, releases
from interlock.control.readmodel.series import columns_of, row_labels, window_rows
from interlock.control.readmodel.signals import Signal, SignalState, from_gate, from_window, worst
from interlock.control.readmodel.spending import Spending, by_day, by_stage, cost_signal, in_month, per_thousand, spending
from interlock.control.readmodel.waiting import duties, plan, taken, waiting
from interlock.control.readmodel.windows import one_window, series, shape, window_signals, windows
from interlock.control.readmodel.work import asked, mlflow_link, parts, prefect_link
from interlock.records.store import Store
from interlock.records.tables import EvidenceRow, Outbox, Release, RouteRow
from interlock.rules.findings import Finding, State
from interlock.rules.gates import Gate, judge
from interlock.rules.monitoring import WindowState
from interlock.rules.routes import Route
from interlock.settings import Settings
from interlock.spec.load import find_use_case

P, W, F, U = SignalState.PASS, SignalState.WARN, SignalState.FAIL, SignalState.UNKNOWN
GATE = Gate(name="g", title="Groups", metric="m", direction="at_least", threshold=0.8, question="?", source="test")


def live(**facts: object) -> Live:
    return Live(**({"use_case": FLIGHTS, "address": "http://there", "asked_at": NOW} | facts))  # type: ignore[arg-type]


@pytest.mark.parametrize(("states", "gravest"), [([P, W], W), ([P, W, U], U), ([W, U, F], F), ([P, P], P), ([], U)])
def test_the_worst_signal_counts_and_none_at_all_is_unknown(states: list[SignalState], gravest: SignalState) -> None:
    assert worst(Signal("s", state, "") for state in states) is gravest


def test_a_failed_gate_that_only_observes_warns_and_the_sentence_does_not_repeat_the_title() -> None:
    finding = Finding(metric="m", value=0.5, sample_size=100)
    assert from_gate(judge(GATE, [finding])).state is F
    signal = from_gate(judge(GATE.model_copy(update={"mode": "observe"}), [finding]))
    assert (signal.state, signal.sentence) == (W, "0.5, at least 0.8 needed, n = 100.")


def test_an_upper_limit_is_allowed_and_a_segment_stands_in_words() -> None:
    gate = GATE.model_copy(update={"direction": "at_most", "threshold": 0.6})
    finding = Finding(metric="m", value=0.5, sample_size=100, segment="column=dep_hour")
    assert from_gate(judge(gate, [finding])).sentence == "0.5 for column dep_hour, at most 0.6 allowed, n = 100."


@pytest.mark.parametrize(("state", "signal"), [("ok", P), ("warn", W), ("breach", F), ("unknown", U)])
def test_a_window_speaks_the_same_four_states(state: str, signal: SignalState) -> None:
    assert from_window("Drift", WindowState(state), "x", 1, NOW).state is signal


def test_what_waits_is_what_can_be_decided_on(settings: Settings, store: Store) -> None:
    build(store)
    found = waiting(settings, store)
    assert sorted((one.use_case, one.version, one.verdict) for one in found) == [(FLIGHTS, 3, "pass"), (LOANS, 1, "unknown")]
    assert [(one.kind, one.version, one.actor) for one in taken(store, FLIGHTS)] == [
        ("approve", 2, "Grace Approver"),
        ("approve", 1, "Grace Approver"),
    ]


def test_evidence_about_another_champion_or_policy_does_not_wait(settings: Settings, store: Store) -> None:
    build(store)
    with store.writing() as session:  # as after a rollback: version 1 answers, version 3 was compared with version 2
        route = Route(use_case=FLIGHTS, generation=6, champion=slot(1), previous=slot(2))
        session.get_one(RouteRow, FLIGHTS).body = route.model_dump(mode="json")
        evidence = session.query(EvidenceRow).filter_by(use_case=LOANS).one()
        evidence.body = {**evidence.body, "policy_digest": sha("the file before")}
    assert waiting(settings, store) == []


def test_evidence_that_was_changed_is_seen(settings: Settings, store: Store) -> None:
    build(store)
    digest = waiting(settings, store, FLIGHTS)[0].evidence_digest
    found = proof(store, digest)
    assert found is not None
    assert found.sealed
    with store.writing() as session:
        session.execute(
            update(EvidenceRow).where(EvidenceRow.digest == digest).values(body={**found.evidence.model_dump(mode="json"), "gates": []})
        )
    changed = proof(store, digest)
    assert changed is not None
    assert not changed.sealed


def test_candidate_and_champion_stand_side_by_side(store: Store) -> None:
    build(store)
    candidate, champion = proof(store, proofs(store, FLIGHTS)[0][0]), proof_of_package(store, FLIGHTS, sha(f"{FLIGHTS} 2"))
    assert candidate is not None
    rows = {
        pair.title: (pair.candidate.value, pair.champion.value if pair.champion else None, pair.better)
        for pair in pairs(candidate, champion)
    }
    assert rows["AUC"] == (pytest.approx(0.71), pytest.approx(0.7), "higher")
    assert rows["Slowest 1 % of answers"] == (pytest.approx(2.4), pytest.approx(2.3), "lower")
    assert [one.value for one in differences(candidate)] == [0.11, 0.011]
    assert why_missing(Finding(metric="m", state=State.TOO_FEW, sample_size=31, needed=60)) == "not enough evidence (n = 31, 60 needed)"
    assert why_missing(None) == "not measured"


def test_separation_of_duties_is_said_before_the_click(world: Settings, store: Store) -> None:
    found, case = proof(store, waiting(world, store, FLIGHTS)[0].evidence_digest), find_use_case(world, FLIGHTS)[1]
    case = case.model_copy(update={"approval": case.approval.model_copy(update={"author": "Ada Author"})})
    assert found is not None
    assert duties(world, case, found, "Grace Approver") == ""
    assert duties(world, case, found, "ada author") == "ada author wrote the use case, so somebody else has to approve."
    alone = world.model_copy(update={"single_person": True})
    assert duties(alone, case, found, "Ada Author").endswith("This installation allows one person to do both, and the ledger will say so.")


def test_the_plan_is_in_words_and_a_first_release_has_no_canary(settings: Settings) -> None:
    case = find_use_case(settings, FLIGHTS)[1]
    first, later = plan(case, None), plan(case, 2)
    assert len(first.steps) == 3  # verified, staged, on probation
    assert "bears 50 requests a second for 3 s" in first.steps[1]
    assert first.rules == ()
    assert len(later.steps) == 3 + len(case.rollout.steps)
    assert later.way_back.startswith("Version 2 stays loaded.")


def test_a_rollback_is_previewed_from_what_the_endpoint_says() -> None:
    preview = preview_rollback(live(observed=observed()))
    assert (preview.possible, preview.generation, preview.then) == (True, 5, slot(1))
    assert not preview_rollback(live(observed=observed(previous=None))).possible
    away = preview_rollback(live(problem="no answer", route=Route(use_case=FLIGHTS, generation=5, champion=slot(2), previous=slot(1))))
    assert away.possible
    assert "as soon as the prediction server is back (it does not answer at http://there now)" in away.sentence


def test_the_endpoint_and_the_route_are_never_mixed_up() -> None:
    route = Route(use_case=FLIGHTS, generation=5, champion=slot(2), previous=slot(1))
    assert live(route=route, observed=observed()).agreed
    assert not live(route=route, observed=observed(1, generation=4)).agreed
    assert not live(route=route, observed=observed(workers_ready=1)).agreed
    gone = live(route=route, problem="no answer")
    assert (gone.answering, gone.reachable) == (None, False)
    assert "last known route: version 2" in gone.sentence()
    assert "rolled back by itself" in live(route=route, observed=observed(1, override=True, override_reason="03:00")).sentence()


def test_one_question_to_the_endpoint_answers_for_every_use_case(world: Settings, store: Store) -> None:
    with endpoint(world.control_port, [observed()]):
        found = observe(world, store, (FLIGHTS, LOANS))
    assert found[FLIGHTS].answering == slot(2)
    assert (found[LOANS].reachable, found[LOANS].answering) == (True, None)
    assert not observe(world, store, (FLIGHTS,))[FLIGHTS].reachable


def test_releases_know_their_way_and_what_holds_them_up(store: Store) -> None:
    build(store)
    newest = releases(store, FLIGHTS)[0]
    assert [state for _, state in newest.way()] == ["done"] * 5
    with store.writing() as session:
        session.execute(update(Release).where(Release.id == "release-2").values(state="canary", step=1))
        session.execute(update(Outbox).where(Outbox.id == "outbox-2").values(state="pending", last_error="Prefect does not answer"))
    moving = releases(store, FLIGHTS)[0]
    assert [state for _, state in moving.way()] == ["done", "done", "now", "next", "next"]
    assert moving.waits == "The deploy/deploy run has not started (attempt 1): Prefect does not answer"


def test_drift_ranks_the_column_that_moved_most_first(store: Store) -> None:
    build(store)
    views = windows(store, FLIGHTS)
    rows = window_rows(store, FLIGHTS)
    assert len(views) == len(rows) == 14
    assert columns_of(rows)[:3] == ["carrier", "sched_arr_time", "dest"]
    assert rows[-1].columns["carrier"].value == pytest.approx(0.32)
    assert row_labels(rows)[0].endswith(f"{views[0].start:%m-%d}")
    assert one_window(store, FLIGHTS, views[3].start, views[3].package_digest) == views[3]
    assert one_window(store, FLIGHTS, views[3].start, "sha256:no") is None
    assert list(series(views, "drift.share")) == ["drift.share"]


def test_distributions_are_shares_of_open_ended_groups() -> None:
    found = shape(
        Finding(metric="drift.psi", detail={"kind": "numeric", "edges": [10.0, 20.0], "baseline": [1, 2, 1], "current": [3, 1, 0]})
    )
    assert found is not None
    assert found.labels == ("below 10", "10 to 20", "20 and over")
    assert (found.baseline, found.current) == ((0.25, 0.5, 0.25), (0.75, 0.25, 0.0))
    assert (found.rows_baseline, found.rows_current) == (4, 4)
    assert shape(Finding(metric="drift.psi")) is None


def test_window_signals_use_the_rules_that_monitor_judges_with(world: Settings, store: Store) -> None:
    case = find_use_case(world, FLIGHTS)[1]
    states = {one.name: one.state for one in window_signals(windows(store, FLIGHTS)[-1], case)}
    assert states == {"Drift": W, "Performance": U, "Fairness": U, "Latency": P, "Reasons": U, "Traffic": U}
    assert {one.state for one in window_signals(None, case)} == {U}


@pytest.mark.parametrize(("changes", "drift"), [
    ({}, P),
    ({"drift.share": State.MISSING}, U),   # required: without it nobody knows
    ({"drift.psi": State.MISSING}, P),     # not required: the share was measured
    ({"drift.psi": State.ERROR}, U),       # a report that failed is no good news, whatever else was measured
    ({"latency.p99_ms": State.ERROR}, P),  # another kind
])
def test_a_failed_report_and_a_missing_required_answer_outrank_a_pass(world: Settings, store: Store, changes: dict[str, State],
                                                                      drift: SignalState) -> None:
    case, calm = find_use_case(world, FLIGHTS)[1], windows(store, FLIGHTS)[0]
    findings = tuple(finding.model_copy(update={"state": changes[finding.metric], "value": None, "note": "disk full"})
                     if finding.metric in changes else finding for finding in calm.findings)
    signals = {one.name: one for one in window_signals(replace(calm, findings=findings), case)}
    assert signals["Drift"].state is drift
    assert signals["Latency"].state is (U if "latency.p99_ms" in changes else P)
    assert ("disk full" in signals["Drift"].sentence) is (drift is U)


def test_groups_carry_wilson_intervals_and_small_ones_carry_the_reason(settings: Settings, store: Store) -> None:
    """Wilson 95 % of 806 in 2,600: centre (0.31 + 0.000739) / 1.001477 = 0.31028, half width 0.017767: 0.2925 to 0.3280."""
    from scipy.stats import binomtest

    build(store)
    found = proof(store, waiting(settings, store, LOANS)[0].evidence_digest)
    assert found is not None
    table = group_tables(found)[0]
    large, small = table.groups[0].values["selection_rate"], table.groups[2].values["selection_rate"]
    assert (large.value, round(large.low or 0, 4), round(large.high or 0, 4)) == (0.31, 0.2925, 0.328)
    exact = binomtest(806, 2600).proportion_ci(method="wilson")
    assert (large.low, large.high) == (pytest.approx(exact.low), pytest.approx(exact.high))
    assert (small.value, small.note) == (None, "not enough evidence: n = 31, at least 183 needed to see a difference of 0.1")


def test_figures_are_found_and_named(store: Store) -> None:
    build(store)
    found = proof(store, proofs(store, FLIGHTS)[0][0])
    assert found is not None
    assert [curve.title for curve in curves(found)] == ["ROC curve", "Calibration", "What another threshold would do"]
    assert importance(found)["sched_dep_time"] == pytest.approx(0.47)
    assert (len(swarm(found).points), swarm(found).sample_size) == (4, 2000)


MAY = [
    Spending("a", "train", date(2013, 5, 1), 2.0, 20.0, 10, 0),
    Spending("a", "serve", date(2013, 5, 3), 1.0, 5.0, 30, 500),
    Spending("a", "train", date(2013, 4, 30), 4.0, 40.0, 20, 0),
]


def test_costs_add_up() -> None:
    assert in_month(MAY, date(2013, 5, 9)) == 3.0
    assert per_thousand(MAY) == 14.0  # 7 USD for 500 answers
    assert per_thousand(MAY[:1]) is None
    assert [(row.stage, row.usd) for row in by_stage(MAY)] == [("train", 6.0), ("serve", 1.0)]
    assert by_day(MAY, by="stage") == (
        [date(2013, 4, 30) + timedelta(days=n) for n in range(4)],
        {"train": [4.0, 2.0, 0.0, 0.0], "serve": [0.0, 0.0, 0.0, 1.0]},
    )


@pytest.mark.parametrize(("budget", "state"), [(10.0, P), (3.5, W), (2.0, F), (None, U)])
def test_the_budget_warns_from_four_fifths(settings: Settings, budget: float | None, state: SignalState) -> None:
    case = find_use_case(settings, FLIGHTS)[1]
    case = case.model_copy(update={"costs": case.costs.model_copy(update={"monthly_budget_usd": budget})})
    assert cost_signal(MAY, case, date(2013, 5, 9)).state is state


def test_costs_of_the_world(store: Store) -> None:
    build(store)
    assert sum(row.requests for row in spending(store, FLIGHTS)) == 20 * 900
    assert spending(store, LOANS) == []


@pytest.mark.parametrize(("refused", "state"), [(0, P), (2, W), (12, F)])
def test_refused_rows_warn_beyond_one_and_fail_beyond_ten_in_a_hundred(refused: int, state: SignalState) -> None:
    assert Intake((), {}, 1, 100 - refused, refused, NOW).signal.state is state
    assert Intake((), {}, 0, 0, 0, None).signal.state is U


def test_snapshots_name_the_versions_trained_on_them(store: Store) -> None:
    build(store)
    found = intake(store, FLIGHTS)
    assert [one.versions for one in found.snapshots] == [(2, 3), (1,)]
    assert found.reasons["distance: not a number"] == 18
    assert (found.rows, found.quarantined) == (137_000, 24)


def test_the_ledger_is_read_newest_first_and_by_kind(store: Store) -> None:
    build(store)
    assert length(store) == 8
    assert [one.seq for one in lines(store)] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert [one.actor for one in lines(store, FLIGHTS, "decision.approve")] == ["Grace Approver", "Grace Approver"]


def test_work_links_into_prefect_and_mlflow(world: Settings, store: Store) -> None:
    assert [one.state for one in asked(store, FLIGHTS)] == ["done", "done"]
    assert prefect_link(world, "f1") == f"http://127.0.0.1:{world.prefect_port}/runs/flow-run/f1"
    assert mlflow_link(world, None) is None
    assert {part.name: part.answers for part in parts(world)} == {"Prediction server": False, "Prefect": False, "MLflow": False}


def test_the_overview_puts_the_most_urgent_first(world: Settings, store: Store) -> None:
    with endpoint(world.control_port, [observed()]):
        calm = overview(world, store)
    assert [(need.use_case, need.page) for need in calm.needs] == [(FLIGHTS, "approvals"), (LOANS, "approvals")]
    alarmed = overview(world, store)
    assert alarmed.needs[0].page == "releases"
    assert "does not answer" in alarmed.needs[0].sentence


def test_a_use_case_file_that_is_wrong_is_an_entry_with_its_problem(
    world: Settings, store: Store, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("usecases")
    (folder / "broken.toml").write_text("spec_version = 1\nname = 3\n")
    found = {entry.name: entry for entry in entries(world.model_copy(update={"usecases_dir": folder}), store)}
    assert set(found) == {"broken", FLIGHTS, LOANS}
    assert found["broken"].problem
    assert "there is no file for it" in found[FLIGHTS].problem


def test_every_text_of_the_world_can_be_an_attack(store: Store) -> None:
    build(store, payload=XSS)
    assert datetime.now(UTC) - NOW < timedelta(days=1)
    assert taken(store, FLIGHTS)[0].reason == XSS


def test_no_more_series_than_colours() -> None:
    """Six stages of 6, 5, 4, 3, 2, 1 USD on one day: four keep their name, 2 + 1 are told together; storage of two kinds is one."""
    day = date(2026, 5, 4)
    spent = {"serving": 6.0, "train": 5.0, "storage.rows": 3.0, "storage.labels": 1.0, "validate": 3.0, "ingest": 2.0, "monitor": 1.0}
    rows = [Spending("one", stage, day, usd, 0.0, 0, 0) for stage, usd in spent.items()]
    days, series = by_day(rows, by="stage")
    assert (days, series) == ([day], {"serving": [6.0], "train": [5.0], "storage": [4.0], "validate": [3.0], "2 others": [3.0]})
