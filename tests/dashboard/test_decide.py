"""The decision on one screen: telling numbers, what waiting costs, what it is bound to, the receipt. Literal values derived beside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import streamlit as st
from control_room_world import FLIGHTS, NOW, endpoint, evidence_of, observed, sha
from sqlalchemy import select, update
from test_pages import decide, opened, text

from dashboard.components.approvals.bound import left
from dashboard.components.approvals.stakes import sentence
from interlock.control.access.people import Person
from interlock.control.decisions import actions
from interlock.control.readmodel import bound
from interlock.control.readmodel.bound import bound_of, voided
from interlock.control.readmodel.ledgered import ledgered
from interlock.control.readmodel.proof import Proof
from interlock.control.readmodel.series import WindowRow
from interlock.control.readmodel.stakes import NO_TRAFFIC, Stake, stakes_of, traffic
from interlock.control.readmodel.telling import first_screen, told
from interlock.control.readmodel.waiting import taken
from interlock.errors import EvidenceError
from interlock.records.ids import new_id
from interlock.records.store import Store
from interlock.records.tables import Candidate, EvidenceRow, RouteRow
from interlock.rules.canonical import canonical
from interlock.rules.evidence import Evidence
from interlock.rules.findings import Finding
from interlock.rules.routes import Route
from interlock.settings import Settings

AT = datetime(2026, 3, 1, tzinfo=UTC)
GRACE = Person("Grace Approver", ("approver",))


@pytest.fixture
def served(world: Settings) -> Iterator[Settings]:
    with endpoint(world.control_port, [observed()]):
        yield world


def proof_of(*findings: Finding, version: int = 2) -> Proof:
    evidence = Evidence(use_case=FLIGHTS, candidate_id="c", package_digest=sha("p"), policy_digest=sha("u"), champion_digest=None,
                        snapshots=[], created_at=AT, findings=list(findings), gates=[])
    return Proof(evidence.seal(), FLIGHTS, "c", version, sha("p"), "ada", "schedule", AT, AT, evidence, True)


def found(metric: str, value: float, low: float | None = None, high: float | None = None, **more: Any) -> Finding:
    return Finding(metric=metric, value=value, low=low, high=high, sample_size=1_000, **more)


def test_the_champions_number_is_from_the_same_rows() -> None:
    """AUC 0.70, 0.05 above the champion's: its own was 0.65. Mistakes 0.33 and 0.36 are in the detail. RMSE 9.0 is 10 % less than 10."""
    candidate = proof_of(found("performance.auc", 0.70), found("performance.vs_champion", 0.05, 0.04, 0.06, unit="AUC"),
                         found("performance.vs_champion_error", 0.03, -0.01, 0.07, unit="of rows",
                               detail={"own": 0.33, "champion": 0.36}))
    first, second = told(candidate, proof_of(version=1), "")
    assert (first.title, first.candidate, round(first.champion or 0, 6), first.same_rows) == ("AUC", 0.70, 0.65, True)
    assert first.which == "better"
    assert (second.title, second.candidate, second.champion, second.which) == ("Share answered wrong", 0.33, 0.36, "no clear difference")
    rmse = told(proof_of(found("performance.rmse", 9.0), found("performance.vs_champion", 0.1, 0.05, 0.15, unit="of RMSE")), None, "")[0]
    assert (round(rmse.champion or 0, 6), rmse.better) == (10.0, "lower")
    worse = found("performance.vs_champion", -0.1, -0.2, -0.05, unit="log loss")
    loss = told(proof_of(found("performance.log_loss", 0.5), worse), None, "")
    assert (round(loss[0].champion or 0, 6), loss[0].which) == (0.4, "worse")  # + is better: 0.1 nats worse than 0.4


def test_money_calibration_and_the_worst_group_stand_on_the_first_screen() -> None:
    own = [found("performance.auc", 0.7), found("performance.value_per_1000", 500.0, unit="EUR"),
           found("performance.value_vs_champion", 120.0, 80.0, 160.0, unit="EUR"), found("calibration.ece", 0.09),
           found("fairness.selection_rate_ratio", 0.9, segment="attribute=sex"),
           found("fairness.selection_rate_ratio", 0.7, segment="attribute=age"), found("latency.p99_ms", 8.0, unit="ms")]
    rows = first_screen(told(proof_of(*own), proof_of(found("calibration.ece", 0.04), version=1), "selection_rate_ratio"))
    assert [(row.title, row.champion, row.same_rows) for row in rows[1:]] == [
        ("Value of 1,000 decisions", 380.0, True), ("Calibration error (ECE)", 0.04, False), ("Selection rate ratio, age", None, False),
        ("Slowest 1 % of answers", None, False)]
    assert rows[3].why == "not measured"  # never a zero


def window(day: int, rows: int, version: int = 1) -> WindowRow:
    start = AT + timedelta(days=day)
    return WindowRow(start, start + timedelta(days=1), version, sha("p"), rows, 0, "ok")


def test_traffic_is_the_mean_of_the_newest_week() -> None:
    """Days 1 to 9 at 900 answers, day 10 at 1,600: seven days hold 6 × 900 + 1,600 = 7,000 answers, 1,000 a day."""
    assert traffic([window(day, 900) for day in range(9)] + [window(9, 1_600)]) == (1_000.0, 7.0)
    assert traffic([]) == (None, 0.0)
    assert traffic([window(0, 600), window(0, 400, version=2)]) == (1_000.0, 1.0)  # two versions in one window add up


def test_a_day_of_waiting_in_money_mistakes_and_decisions() -> None:
    """120 EUR per 1,000 at 2,000 answers a day: 240 EUR; 0.03 of 2,000: 60 wrong answers; 15 % of 2,000: 300 decisions."""
    candidate = proof_of(found("performance.value_vs_champion", 120.0, 80.0, 160.0, unit="EUR per 1,000"),
                         found("performance.vs_champion_error", 0.03, 0.02, 0.04), found("replay.flip_rate", 0.15, 0.14, 0.16))
    waits = stakes_of(candidate, 2_000.0, 7.0)
    assert waits.stakes[0] == Stake("Value", 240.0, 160.0, 320.0, "EUR")
    assert [round(one.a_day or 0, 6) for one in waits.stakes] == [240.0, 60.0, 300.0]
    assert sentence(waits) == ("each day gives away 240 EUR (95 %: 160 to 320); lets 60 more answers be wrong (95 %: 40 to 80); about 300 "
                               "decisions would be others (95 %: 280 to 320) (2,000 answers a day, mean of the last 7 days).")


def test_what_is_not_known_about_waiting_says_why() -> None:
    known = proof_of(found("performance.value_vs_champion", 120.0, 80.0, 160.0, unit="EUR per 1,000"))
    assert stakes_of(known, None, 0.0).stakes[0].why == NO_TRAFFIC
    assert sentence(stakes_of(known, None, 0.0)) == f"not known: {NO_TRAFFIC}."
    unsure = stakes_of(proof_of(found("performance.value_vs_champion", 1.0, -5.0, 7.0, unit="EUR")), 1_000.0, 1.0)
    assert sentence(unsure).startswith("each day no clear difference in value (95 %: -5 to 7)")


@pytest.mark.parametrize(("seconds", "words"), [(-1, "no time"), (59, "0 min 59 s"), (3_599, "59 min 59 s"), (3_600, "1 h 0 min"),
                                                (90_000, "1 day 1 h"), (259_200, "3 days 0 h")])
def test_the_clock_counts(seconds: int, words: str) -> None:
    assert left(AT + timedelta(seconds=seconds), AT) == words


def newest(store: Store) -> str:
    with store.reading() as session:
        return session.scalars(select(EvidenceRow.digest).where(EvidenceRow.candidate_id == f"{FLIGHTS}-3")).one()


def test_a_decision_is_bound_to_champion_policy_package_and_the_newest_evidence(world: Settings, store: Store) -> None:
    digest = newest(store)
    whole = bound_of(world, store, digest, GRACE)
    assert (whole.open, whole.void, whole.refused) == (True, (), ())
    (world.folder("packages") / sha(f"{FLIGHTS} 3").removeprefix("sha256:")).rmdir()
    assert bound_of(world, store, digest, GRACE).void == ("its package is not on disk any more: train again",)
    (world.folder("packages") / sha(f"{FLIGHTS} 3").removeprefix("sha256:")).mkdir()
    with store.writing() as session:
        row = session.get_one(Candidate, f"{FLIGHTS}-3")
        again = evidence_of(row, 3, unknown=False, payload="again").model_copy(update={"created_at": datetime.now(UTC)})
        session.add(EvidenceRow(digest=again.seal(), use_case=FLIGHTS, candidate_id=row.id, verdict=again.verdict.value,
                                body=again.model_dump(mode="json"), created_at=again.created_at))
    assert bound_of(world, store, digest, GRACE).void == ("newer evidence about this version exists: look at that one",)
    assert bound_of(world, store, again.seal(), GRACE).void == ()
    with store.writing() as session:
        moved = Route(use_case=FLIGHTS, generation=6, champion=None)
        session.execute(update(RouteRow).where(RouteRow.use_case == FLIGHTS).values(generation=6, body=moved.model_dump(mode="json")))
    assert bound_of(world, store, again.seal(), GRACE).void == ("the champion changed since the evidence was made: run validate again",)
    assert [(one.version, one.why) for one in voided(world, store, FLIGHTS)][0] == (
        3, ("the champion changed since the evidence was made: run validate again",))


def test_an_older_evidence_is_stale_and_an_unknown_one_stops(world: Settings, store: Store) -> None:
    with store.writing() as session:
        session.execute(update(EvidenceRow).where(EvidenceRow.digest == newest(store)).values(body={}))
    assert not bound_of(world, store, newest(store), GRACE).open  # an error while asking is never a yes
    assert bound_of(world, store, sha("none"), GRACE).void == ("there is no such evidence",)


def test_the_page_says_that_and_why_the_decision_is_void(served: Settings, store: Store) -> None:
    assert "Evidence counts for another" in text(opened("approvals"))
    (served.folder("packages") / sha(f"{FLIGHTS} 3").removeprefix("sha256:")).rmdir()
    st.cache_data.clear()  # two seconds later
    shown = opened("approvals")
    assert "The decision on version 3 is void: its package is not on disk any more: train again." in text(shown)
    assert "Approve version 3" not in [one.label for one in shown.button]


def test_both_versions_stand_beside_each_other_with_the_plan_and_the_cost_of_waiting(served: Settings) -> None:
    shown = text(opened("approvals")).replace("**", "")
    for phrase in ("Both versions answered the same 4,000 rows", "better +0.011 (+0.002 to +0.02)", "Cost of waiting: each day",
                   "about 135 decisions would be others", "(900 answers a day, mean of the last 7 days)", "What a yes starts",
                   "Staging, where no customer sees it; then 10 %", "See what passes: ", "Reasons (SHAP)"):
        assert phrase in shown or phrase in [one.label[: len(phrase)] for one in (*opened("approvals").expander, *opened("approvals").tabs)]


def test_a_viewer_is_told_which_role_a_decision_needs(served: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_PEOPLE", json.dumps({"Vic": ["viewer"]}))
    monkeypatch.setenv("INTERLOCK_ACTOR", "Vic")
    app = opened("approvals")
    assert "To approve needs the role admin or approver. You have: viewer." in text(app)
    assert not [one for one in app.button if one.label.startswith(("Approve", "Reject"))]


def test_the_receipt_names_the_ledger_entry_and_can_be_kept(served: Settings, store: Store) -> None:
    shown = text(decide(opened("approvals"), "reject", 3, "drifts in May", FLIGHTS))
    decision = taken(store, FLIGHTS)[0]
    kept = ledgered(store, decision.id)
    assert kept is not None
    assert f"Ledger entry {kept.seq} · `{kept.hash[7:19]}`" in shown
    file = json.loads(kept.as_json())
    assert (file["ledger"]["seq"], file["ledger"]["hash"], file["actor"], file["kind"]) == (kept.seq, kept.hash, "Grace Approver", "reject")
    assert canonical(file["ledger"]["body"]) == canonical(kept.body)  # so that the hash can be recomputed from the file
    assert kept.genuine
    assert ledgered(store, "none") is None
    assert NOW.tzinfo is UTC


def alter(store: Store, digest: str) -> None:
    """Another number in the stored text, as somebody with the database file would write it."""
    with store.writing() as session:
        body = dict(session.get_one(EvidenceRow, digest).body)
        body["findings"] = [body["findings"][0] | {"sample_size": 1}, *body["findings"][1:]]
        session.execute(update(EvidenceRow).where(EvidenceRow.digest == digest).values(body=body))


def test_the_seal_is_computed_once_for_the_same_text_and_again_for_any_other(
        world: Settings, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    digest, real, seals = newest(store), Evidence.seal, []

    def counted(evidence: Evidence) -> str:
        seals.append(1)
        return real(evidence)

    monkeypatch.setattr(Evidence, "seal", counted)
    assert bound_of(world, store, digest, GRACE).open
    seals.clear()
    assert bound_of(world, store, digest, GRACE).open
    assert not seals
    alter(store, digest)
    assert bound_of(world, store, digest, GRACE).void == ("the evidence was changed after it was sealed",)
    assert bound_of(world, store, digest, GRACE).void == ("the evidence was changed after it was sealed",)  # and it stays so
    assert len(seals) == 2


def test_a_memory_of_digests_instead_of_texts_would_miss_the_change(world: Settings, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken variant: with it the page goes on to offer what was altered; the approval itself is refused all the same."""
    real, seen = bound._checked, {}

    def by_digest(text: str, digest: str) -> Evidence:
        if digest not in seen:
            seen[digest] = real(text, digest)
        return seen[digest]

    monkeypatch.setattr(bound, "_checked", by_digest)
    digest = newest(store)
    assert bound_of(world, store, digest, GRACE).open
    alter(store, digest)
    assert bound_of(world, store, digest, GRACE).open
    with pytest.raises(EvidenceError, match="changed after it was sealed"):
        actions.approve(world, store, actor=GRACE, evidence_digest=digest, reason="all clear", nonce=new_id(), expected_generation=5)
