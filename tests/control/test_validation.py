"""Evidence: reproducible, sealed, on record with its files; and what it says about real data sets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from interlock.control.evidence.validation import evidence_folder, next_candidate, validate_candidate
from interlock.control.training import train_candidate
from interlock.errors import EvidenceError
from interlock.records import ledger
from interlock.records.candidates import evidence_of
from interlock.records.ingest import ingest
from interlock.records.store import Store
from interlock.records.tables import Candidate, EvidenceRow
from interlock.rules.canonical import digest_bytes
from interlock.rules.evidence import Evidence
from interlock.rules.gates import Verdict
from interlock.settings import Settings
from interlock.spec.load import find_use_case
from tests.control.trial_bench import NAME, Bench, answer, census


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Iterator[tuple[Bench, Candidate, Evidence]]:
    bench = Bench(tmp_path_factory.mktemp("judged"), *census(data_dir))
    candidate = bench.make()
    assert next_candidate(bench.settings, bench.store, NAME) == candidate.id
    yield bench, candidate, bench.judge(candidate)
    bench.store.close()


def test_replayable_section_comes_out_bit_for_bit_again(judged: tuple[Bench, Candidate, Evidence]) -> None:
    bench, candidate, first = judged
    again = bench.judge(candidate)
    assert again.replayable_digest() == first.replayable_digest()
    assert again.seal() != first.seal()  # another moment, other latencies


def test_evidence_is_sealed_on_record_and_in_the_ledger(judged: tuple[Bench, Candidate, Evidence]) -> None:
    bench, candidate, evidence = judged
    with bench.store.reading() as session:
        row = session.get_one(EvidenceRow, evidence.seal())
        bodies = [ledger.body_of(entry) for entry in ledger.entries(session, kinds=["evidence.sealed"])]
    assert evidence_of(row) == evidence
    assert evidence.seal() in {body["evidence"] for body in bodies}
    assert next_candidate(bench.settings, bench.store, NAME) is None
    assert ledger.verify(bench.store).ok


def test_evidence_that_was_edited_is_refused(judged: tuple[Bench, Candidate, Evidence]) -> None:
    body = judged[2].model_dump(mode="json")
    body["gates"][0]["verdict"] = "fail"
    row = EvidenceRow(digest=judged[2].seal(), body=body)
    with pytest.raises(EvidenceError, match="changed after it was sealed"):
        evidence_of(row)


def test_attached_files_are_those_that_were_sealed(judged: tuple[Bench, Candidate, Evidence]) -> None:
    bench, _, evidence = judged
    folder = evidence_folder(bench.settings, evidence.seal())
    assert {"evidence.html"} <= set(evidence.attachments)
    assert {name: digest_bytes((folder / name).read_bytes()) for name in evidence.attachments} == evidence.attachments
    assert Evidence.model_validate_json((folder / "evidence.json").read_bytes()).seal() == evidence.seal()


def test_figures_are_plain_and_bounded(judged: tuple[Bench, Candidate, Evidence]) -> None:
    figures = judged[2].figures
    assert {"performance", "calibration", "fairness", "explain", "leakage"} <= set(figures)
    assert {"roc", "thresholds"} <= set(figures["performance"])
    assert len(figures["explain"]["beeswarm"]) <= 15
    assert max(len(dots) for dots in figures["explain"]["beeswarm"].values()) <= 300
    assert len(json.dumps(judged[2].model_dump(mode="json"))) < 500_000


def test_unknown_candidate_is_refused(judged: tuple[Bench, Candidate, Evidence]) -> None:
    with pytest.raises(EvidenceError, match="no such candidate"):
        validate_candidate(judged[0].settings, judged[0].store, "nobody")


def test_evidently_report_is_attached_and_says_its_sample(judged: tuple[Bench, Candidate, Evidence]) -> None:
    evidence = validate_candidate(judged[0].settings, judged[0].store, judged[1].id)
    assert {"evidently-drift.html", "evidently-drift.json"} <= set(evidence.attachments)
    said = next(finding for finding in evidence.observed if finding.metric == "report.evidently")
    assert "at most 5,000" in said.note
    assert evidence.replayable_digest() == judged[2].replayable_digest()


HOUSEHOLD = ["Husband", "Not-in-family", "Own-child", "Unmarried", "Wife", "Other-relative"]


@pytest.mark.parametrize(("prediction", "target"), [
    (f'task = "multiclass"\ntarget = "relationship"\nclasses = {json.dumps(HOUSEHOLD)}', "relationship"),
    ('task = "regression"\ntarget = "hours-per-week"', "hours-per-week")])
def test_other_tasks_are_measured_whole(tmp_path: Path, data_dir: Path, prediction: str, target: str) -> None:
    bench = Bench(tmp_path, *census(data_dir))
    evidence = bench.judge(bench.make(prediction=prediction, roles={target: "target", "income": "feature"}))
    bench.store.close()
    assert {result.gate: result.sentence for result in evidence.gates if result.verdict is Verdict.UNKNOWN} == {}
    assert answer(evidence, "vs_naive").verdict is Verdict.PASS


def on_real_data(settings: Settings, store: Store, name: str) -> Evidence:
    """The shipped or changed use case on its real rows, with a small budget."""
    ingest(settings, store, find_use_case(settings, name)[1])
    candidate = train_candidate(settings, store, name, started_by="tests")
    return validate_candidate(settings, store, candidate.id, with_evidently=False)


def shipped(settings: Settings, folder: Path, name: str, **changes: str) -> Settings:
    """Settings whose use-case folder holds a copy of the shipped file with some texts replaced."""
    text = (settings.usecases_dir / f"{name}.toml").read_text()
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    (folder / f"{name}.toml").write_text(text)
    return settings.model_copy(update={"usecases_dir": folder})


def test_frozen_model_of_elec2_is_refused_by_the_naive_gate(settings: Settings, store: Store, tmp_path: Path) -> None:
    """Repeating the last known label is right 85 % of the time on these rows; a model of the market's figures alone is not."""
    own = shipped(settings, tmp_path, "elec2", budget=("trials = 10", "trials = 2"))
    file = tmp_path / "elec2.toml"
    file.write_text(re.sub(r"\[\[features\.derived\]\]\n(.+\n)+", "", file.read_text()))
    assert not find_use_case(own, "elec2")[1].features.derived
    evidence = on_real_data(own, store, "elec2")
    result = answer(evidence, "vs_naive")
    assert result.verdict is Verdict.FAIL
    assert "repeat the last label" in result.sentence
    assert answer(evidence, "performance").verdict is Verdict.PASS  # it is a good model by its AUC alone


def test_rows_without_a_time_come_with_their_outcome(settings: Settings, store: Store, tmp_path: Path) -> None:
    """No date in the file, two months from application to decision: none of the 1,989 outcomes is still to come."""
    evidence = on_real_data(shipped(settings, tmp_path, "loan_approvals", budget=("trials = 20", "trials = 2")), store, "loan_approvals")
    found = next(finding for finding in evidence.findings if finding.metric == "quality.label_share")
    assert (found.value, found.sample_size) == (1.0, 1_989)
    assert answer(evidence, "label_share").verdict is Verdict.PASS


def test_duration_is_named_where_it_is_a_feature(settings: Settings, store: Store, tmp_path: Path) -> None:
    later = '[columns.duration]\ntype = "integer"\nrole = "later"'
    own = shipped(settings, tmp_path, "bank_marketing", leak=(later, later.replace("later", "feature")),
                  budget=('split = "time"', 'split = "time"\ntrials = 2'))
    evidence = on_real_data(own, store, "bank_marketing")
    result = answer(evidence, "single_feature")
    assert result.verdict is Verdict.FAIL
    assert "duration" in result.sentence
