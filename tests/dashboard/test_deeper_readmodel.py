"""Read models of what newer evidence holds: on figures made by the reports themselves, and on evidence that lacks them."""

from __future__ import annotations

from typing import Any

import pytest
from control_room_world import FLIGHTS, LOANS, NOW, build, sha

from interlock.control.readmodel.ahead import trust
from interlock.control.readmodel.compare import metrics
from interlock.control.readmodel.figures import curves
from interlock.control.readmodel.groups import group_tables, intersections
from interlock.control.readmodel.proof import Proof, proof, proof_of_package, proofs
from interlock.control.readmodel.replays import drops_of, replay_findings, replay_of
from interlock.control.readmodel.trade import frontier_of, proxies_of
from interlock.control.readmodel.weakness import drivers_of, past_of, segments_of, slices_of, trial_of
from interlock.control.readmodel.worth import money_findings, net_benefit_of, worth_of
from interlock.records.store import Store
from interlock.rules.evidence import Evidence
from interlock.rules.findings import Finding, State


@pytest.fixture
def newest(store: Store) -> Proof:
    """Version 3 of the flights, with everything."""
    build(store)
    found = proof(store, proofs(store, FLIGHTS)[0][0])
    assert found is not None
    return found


@pytest.fixture
def loans(store: Store) -> Proof:
    """Version 1 of the loans: 31 people form a group that is too small."""
    build(store)
    found = proof(store, proofs(store, LOANS)[0][0])
    assert found is not None
    return found


def bare(**changes: Any) -> Proof:
    """Evidence with nothing in it but what is given."""
    body: dict[str, Any] = {"use_case": "x", "candidate_id": "x-1", "package_digest": sha("p"), "policy_digest": sha("u"),
                            "champion_digest": None, "snapshots": [], "created_at": NOW, "findings": [], "gates": []}
    return Proof(digest=sha("e"), use_case="x", candidate_id="x-1", version=1, package_digest=sha("p"), author="a", started_by="s",
                 trained_at=NOW, created_at=NOW, evidence=Evidence.model_validate(body | changes), sealed=True)


def test_evidence_without_figures_has_nothing_and_no_zero(store: Store) -> None:
    build(store)
    old = proof_of_package(store, FLIGHTS, sha(f"{FLIGHTS} 1"))  # from before there were these figures
    assert old is not None
    for found in (old, bare()):
        assert [worth_of(found), net_benefit_of(found), past_of(found), trial_of(found), drivers_of(found), frontier_of(found),
                replay_of(found), drops_of(found)] == [None] * 8
        assert [slices_of(found), segments_of(found), proxies_of(found), group_tables(found), intersections(found),
                money_findings(found), replay_findings(found)] == [[]] * 7


def test_money_names_the_threshold_now_and_the_proposed_one(newest: Proof) -> None:
    found = worth_of(newest)
    assert found is not None
    assert (found.currency, found.present, len(found.threshold), found.champion) == ("EUR", 0.5, 101, None)
    value = {round(at, 2): worth for at, worth in zip(found.threshold, found.value, strict=True)}
    assert value[0.0] == pytest.approx(found.always_yes)  # every score is at least 0
    assert found.proposed is not None
    assert value[found.proposed] > value[0.5]
    assert {one.metric for one in money_findings(newest)} >= {"performance.value_per_1000", "performance.value_threshold_gain"}
    absent = Finding(metric="performance.value_per_1000", state=State.MISSING, note="the use case has no [value] section")
    assert money_findings(bare(findings=[absent])) == []


def test_slices_come_worst_first_with_what_was_confirmed(newest: Proof) -> None:
    found = slices_of(newest)
    assert found[0].name.startswith("carrier=the newest month")
    assert (found[0].confirmed, found[0].unit) == (True, "nats")
    assert found[0].difference == pytest.approx(found[0].loss - found[0].rest)
    drivers = drivers_of(newest)
    assert drivers is not None
    assert list(drivers.features.values()) == [0.02, -0.04]


def test_what_adds_to_mistakes_is_shown_before_what_takes_them_away() -> None:
    shares = {f"good{n}": -1.0 - n for n in range(20)} | {"bad": 0.5}
    found = drivers_of(bare(figures={"explain": {"loss": {"loss": "log loss", "drivers": shares, "slices": []}}}))
    assert found is not None
    assert (next(iter(found.features)), len(found.features), found.features.get("good19")) == ("bad", 12, -20.0)


def test_the_past_and_the_trial_keep_what_is_missing_missing(newest: Proof) -> None:
    past, trial = past_of(newest), trial_of(newest)
    assert past is not None
    assert trial is not None
    assert (past.metric, len(past.at), past.at[0].month, past.naive) == ("AUC", 4, 2, (0.5,) * 4)
    assert (trial.true[-1], len(trial.rows)) == (None, 5)


def test_groups_have_the_sealed_intervals_and_too_small_ones_have_none(loans: Proof) -> None:
    """Wilson 95 % of 383 in 1,369: centre (0.279766 + 0.001403) / 1.002806 = 0.280382, half width 0.023763: 0.2566 to 0.3041."""
    sex = next(table for table in group_tables(loans) if table.attribute == "sex")
    women = sex.groups[1].values["selection_rate"]
    assert (round(women.low or 0, 4), round(women.high or 0, 4)) == (0.2566, 0.3041)
    assert [value.value for value in sex.groups[2].values.values()] == [None] * 4
    assert {one.group: one.below_four_fifths for one in sex.impact}["Female"] is False  # 0.2798 / 0.31 = 0.9025
    crossed = intersections(loans)[0]
    assert crossed.attribute == "sex × married"
    small = [group for group in crossed.groups if group.sample_size < 31]
    assert small
    assert {value.value for group in small for value in group.values.values()} == {None}
    assert small[0].values["selection_rate"].note.startswith(f"not enough evidence: n = {small[0].sample_size}")


def test_groups_of_predicted_values_have_a_table_too() -> None:
    row = {"group": "a", "rows": 90, "mean_prediction": 5.0, "mean_outcome": 4.0, "bias": 1.0, "mae": 2.0,
           "intervals": {"mean_prediction": [4.5, 5.5]}}
    table = group_tables(bare(figures={"fairness": {"town": {"value_groups": [row], "missing": 3}}}))[0]
    value = table.groups[0].values["mean_prediction"]
    assert (table.unit, table.missing, value.value, value.low, value.high) == ("unit of the target", 3, 5.0, 4.5, 5.5)
    assert table.groups[0].values["mae"].low is None


def test_proxies_are_ranked_by_risk(newest: Proof) -> None:
    found = next(one for one in proxies_of(newest) if one.attribute == "sex")
    assert [feature.feature for feature in found.features] == ["distance", "hour"]  # distance is the sex itself, hour is noise
    assert found.features[0].risk == pytest.approx(found.features[0].association * 0.3)


def test_the_frontier_starts_with_the_model_as_it_is(newest: Proof) -> None:
    found = frontier_of(newest)
    assert found is not None
    assert [way.title for way in found.ways] == ["as it is", "thresholds by group, strength 1"]
    assert (found.limit, [way.clears for way in found.ways]) == (0.95, [False, True])
    assert found.sentence.startswith("threshold at strength 1 brings the selection rate ratio")


def test_the_replay_says_who_flips_and_why(newest: Proof) -> None:
    found, drops = replay_of(newest), drops_of(newest)
    assert found is not None
    assert drops is not None
    assert (found.sample_size, found.flips, found.directions) == (400, 60, {"from no to yes": 60})
    assert {one.segment: one.flips for one in found.segments} == {"origin=JFK": 30, "origin=EWR": 30}
    assert sum(found.reasons.values()) == pytest.approx(1.0)
    assert (drops.drop, drops.tested[0].features, drops.tested[0].droppable) == (("hour",), ("hour",), True)
    assert [one.metric for one in replay_findings(newest)] == ["replay.flip_rate", "replay.money_change"]


def test_the_first_table_holds_what_has_no_place_of_its_own(newest: Proof) -> None:
    names = [one.metric for one in metrics(newest)]
    assert names == ["performance.auc", "performance.log_loss", "performance.vs_naive", "performance.vs_champion"]
    scored = next(one for one in curves(newest) if one.about_scores)
    assert all(low <= y <= high for low, y, high in zip(scored.low, scored.y, scored.high, strict=True))


COVERAGE: dict[str, Any] = {"metric": "performance.estimate_coverage", "sample_size": 20, "detail": {"promised": 0.95}}


@pytest.mark.parametrize(("held", "unseen", "words"), [
    ({"value": 0.2, "low": 0.08, "high": 0.42}, 0.0, "Do not lean on the estimate"),
    ({"value": 0.95, "low": 0.76, "high": 0.99}, 0.0, "has held about as often as it promises (95%)"),
    ({"value": 0.95, "low": 0.76, "high": 0.99}, 0.3, "leans now on cases it knows nothing about"),
    ({"state": State.TOO_FEW, "note": "labels came for 2 windows"}, 0.0, "Not known yet how far to trust the estimate. labels came"),
])
def test_how_far_to_trust_an_estimate_is_said_in_words(held: dict[str, Any], unseen: float, words: str) -> None:
    ranged = Finding(metric="performance.estimate_range", value=unseen, sample_size=90)
    assert words in trust([Finding(**COVERAGE, **held), ranged])
    assert trust([ranged]) == ""
