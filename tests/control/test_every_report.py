"""A report that fails, is empty or stale leaves its gates UNKNOWN and promotion blocked; evidence replays bit for bit elsewhere."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.control.evidence import assessment
from interlock.control.evidence.case import Case, Report
from interlock.records.tables import Candidate
from interlock.rules.canonical import digest
from interlock.rules.catalogue import gates_for
from interlock.rules.evidence import Evidence
from interlock.rules.findings import Finding, State
from interlock.rules.gates import Gate, Verdict, judge
from interlock.spec.load import find_use_case
from tests.control.trial_bench import NAME, Bench, census

PLANS = [plan for plan in (*assessment.REPLAYABLE, *assessment.OBSERVED) if plan.owes]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Iterator[tuple[Bench, Candidate, Evidence]]:
    made = Bench(tmp_path_factory.mktemp("every"), *census(data_dir))
    candidate = made.make()
    yield made, candidate, made.judge(candidate)
    made.store.close()


@pytest.fixture(scope="module")
def gates(sound: tuple[Bench, Candidate, Evidence]) -> list[Gate]:
    return gates_for(find_use_case(sound[0].settings, NAME)[1])


def raising(case: Case) -> Report:
    raise ZeroDivisionError("planted")


def empty(case: Case) -> Report:
    return [], {}


def stale(plan: assessment.Plan) -> Any:
    found = [Finding(metric=metric, value=0.9, sample_size=1_000, state=State.STALE, note="planted") for metric in plan.owes]
    return lambda case: (found, {})


@pytest.mark.parametrize("plan", PLANS, ids=[plan.name for plan in PLANS])
@pytest.mark.parametrize("how", ["raises", "empty", "stale"])
def test_a_report_that_gives_nothing_blocks(sound: tuple[Bench, Candidate, Evidence], gates: list[Gate], plan: assessment.Plan, how: str
                                            ) -> None:
    """All other findings are those of the sound candidate, so that only this report speaks."""
    report = {"raises": raising, "empty": empty, "stale": stale(plan)}[how]
    gated = {gate.metric for gate in gates}
    own = [gate for gate in gates if gate.metric in plan.owes]
    found, _ = assessment._run(dataclasses.replace(plan, report=report), None, gated)  # type: ignore[arg-type]
    evidence = sound[2]
    others = [finding for finding in [*evidence.findings, *evidence.observed] if finding.metric not in plan.owes]
    results = [judge(gate.model_copy(update={"mode": "block"}), [*others, *found]) for gate in own]
    assert {result.verdict for result in results} <= {Verdict.UNKNOWN}
    assert not any(result.waivable for result in results)
    if results:
        assert evidence.model_copy(update={"gates": [*evidence.gates, *results]}).verdict is Verdict.UNKNOWN


def test_every_gated_metric_is_owed_by_a_report(gates: list[Gate]) -> None:
    """Else a report could fail without its gate being told."""
    owed = {metric for plan in (*assessment.REPLAYABLE, *assessment.OBSERVED) for metric in plan.owes}
    assert [gate.name for gate in gates if gate.metric not in owed] == []


REPLAY = """
import sys
from interlock.control.evidence.validation import validate_candidate
from interlock.records.store import open_store
from interlock.settings import load_settings
home, usecases, candidate = sys.argv[1:]
settings = load_settings(home=home, usecases_dir=usecases, data_dir=usecases, mlflow_port=1)
store = open_store(settings)
print(validate_candidate(settings, store, candidate, with_evidently=False).replayable_digest())
"""


def test_two_other_processes_come_to_the_same_bits(sound: tuple[Bench, Candidate, Evidence]) -> None:
    bench, candidate, evidence = sound
    command = [sys.executable, "-c", REPLAY, str(bench.settings.home), str(bench.folder), candidate.id]
    for seed in ("0", "1"):
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).resolve().parents[2],
                              env={**os.environ, "PYTHONHASHSEED": seed})
        assert done.stdout.strip() == evidence.replayable_digest(), done.stderr[-2000:]


def test_any_change_changes_the_seal(sound: tuple[Bench, Candidate, Evidence]) -> None:
    evidence = sound[2]
    moved = evidence.findings[0].model_copy(update={"value": 0.123})
    changes: list[dict[str, Any]] = [
        {"findings": [moved, *evidence.findings[1:]]}, {"policy_digest": "sha256:0"}, {"snapshots": ["sha256:0"]}, {"champion_digest": "x"},
        {"package_digest": "sha256:0"}, {"attachments": {"evidence.html": "sha256:0"}}, {"observed_figures": {"replay": {"rows": 1}}},
        {"figures": {**evidence.figures, "changes": {"level": "patch"}}}, {"gates": evidence.gates[1:]}]
    seals = {evidence.model_copy(update=change).seal() for change in changes}
    assert len(seals | {evidence.seal()}) == len(changes) + 1
    replayed = {evidence.model_copy(update=change).replayable_digest() for change in changes[:5]}
    assert len(replayed | {evidence.replayable_digest()}) == 6


def test_evidence_from_before_observed_figures_keeps_its_seal() -> None:
    body = Evidence(use_case="a", candidate_id="b", package_digest="c", policy_digest="d", champion_digest=None, snapshots=[],
                    created_at="2024-01-01T00:00:00Z", findings=[], gates=[])  # type: ignore[arg-type]
    older = {key: value for key, value in body.model_dump().items() if key != "observed_figures"}
    assert body.seal() == digest(older)
