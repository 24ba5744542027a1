"""Evidence: one seal over everything; any change breaks it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.errors import EvidenceError
from interlock.rules.evidence import Evidence, check_seal
from interlock.rules.findings import Finding, State
from interlock.rules.gates import Gate, Verdict, judge

FOUND = Finding(metric="m", value=0.7, low=0.6, high=0.8, confidence=0.95, sample_size=100, detail={"bins": [1, 2]})
GATE = Gate(name="g", title="G", metric="m", direction="at_least", threshold=0.5, question="?", source="test")
WHOLE = Evidence(use_case="adult_income", candidate_id="c1", package_digest="sha256:" + "a" * 64, policy_digest="sha256:" + "b" * 64,
                 champion_digest=None, snapshots=["sha256:" + "c" * 64], created_at=datetime(2024, 5, 4, tzinfo=UTC), findings=[FOUND],
                 observed=[FOUND.model_copy(update={"metric": "latency.p99_ms"})], gates=[judge(GATE, [FOUND])],
                 attachments={"report.html": "sha256:" + "d" * 64}, figures={"importance": {"age": 0.5}})

CHANGES = [
    {"use_case": "other"}, {"candidate_id": "c2"}, {"package_digest": "sha256:" + "e" * 64}, {"policy_digest": "sha256:" + "e" * 64},
    {"champion_digest": "sha256:" + "e" * 64}, {"snapshots": []}, {"created_at": datetime(2024, 5, 4, 0, 0, 0, 1, tzinfo=UTC)},
    {"findings": []}, {"findings": [FOUND.model_copy(update={"value": 0.7000000000000001})]},
    {"findings": [FOUND.model_copy(update={"state": State.TOO_FEW})]},
    {"findings": [FOUND.model_copy(update={"detail": {"bins": [2, 1]}})]},
    {"observed": []}, {"gates": []}, {"gates": [judge(GATE.model_copy(update={"threshold": 0.6}), [FOUND])]},
    {"attachments": {}}, {"figures": {"importance": {"age": 0.51}}}]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_any_change_breaks_the_seal(change: dict) -> None:
    seal = WHOLE.seal()
    check_seal(WHOLE, seal)
    with pytest.raises(EvidenceError, match="changed after it was sealed"):
        check_seal(WHOLE.model_copy(update=change), seal)


@given(st.sampled_from(["value", "low", "high"]), st.floats(-1e3, 1e3).filter(lambda value: value not in {0.7, 0.6, 0.8}))
def test_any_other_number_breaks_the_seal(field: str, value: float) -> None:
    assert WHOLE.model_copy(update={"findings": [FOUND.model_copy(update={field: value})]}).seal() != WHOLE.seal()


def test_the_seal_survives_a_way_through_json() -> None:
    assert Evidence.model_validate_json(WHOLE.model_dump_json()).seal() == WHOLE.seal()


def test_what_must_be_replayable_does_not_depend_on_machine_or_time() -> None:
    later = WHOLE.model_copy(update={"observed": [], "created_at": datetime(2025, 1, 1, tzinfo=UTC), "attachments": {}})
    assert later.replayable_digest() == WHOLE.replayable_digest()
    assert WHOLE.model_copy(update={"figures": {}}).replayable_digest() != WHOLE.replayable_digest()


def judged(*values: float | None, mode: str = "block") -> Evidence:
    rule = GATE.model_copy(update={"mode": mode})
    return WHOLE.model_copy(update={"gates": [judge(rule, [FOUND.model_copy(update={"value": value})]) for value in values]})


def test_the_verdict_is_the_worst_of_the_blocking_gates() -> None:
    assert judged(0.7).verdict is Verdict.PASS
    assert judged(0.7, 0.1, None).verdict is Verdict.FAIL
    assert judged(0.7, None).verdict is Verdict.UNKNOWN
    assert judged(0.1, mode="observe").verdict is Verdict.PASS
    assert WHOLE.model_copy(update={"gates": []}).verdict is Verdict.UNKNOWN
