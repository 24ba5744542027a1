"""For each gate a fault planted in data or process: the gate stops it, and the same candidate without the fault passes."""

from __future__ import annotations

import ast
import dataclasses
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from interlock.modeling import fitting, held_out, making, split
from interlock.modeling.package import Model, folder_of
from interlock.records.compaction import compact
from interlock.records.lake import lake_from
from interlock.records.segments import SegmentWriter
from interlock.records.store import utc_now
from interlock.records.tables import Candidate
from interlock.rules.catalogue import TASKS, gates_for, known_gates
from interlock.rules.gates import Verdict
from interlock.spec.load import find_use_case
from tests.control.trial_bench import NAME, NUMBERS, Bench, Fault, answer, census, verdicts

FAIL, PASS, UNKNOWN = Verdict.FAIL, Verdict.PASS, Verdict.UNKNOWN
CLOCK = '[time]\nrow_start = "2024-01-01T00:00:00Z"\nrow_step_minutes = 30'
OTHERS = ("marital-status", "relationship", "education-num", "occupation", "age", "capital-gain", "hours-per-week", "workclass")


@pytest.fixture(scope="module")
def rows(data_dir: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    return census(data_dir)


@pytest.fixture
def bench(tmp_path: Path, rows: tuple[pl.DataFrame, pl.DataFrame]) -> Iterator[Bench]:
    made = Bench(tmp_path / "bench", *rows)
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory, rows: tuple[pl.DataFrame, pl.DataFrame]) -> Iterator[tuple[Bench, Candidate]]:
    """The candidate without any fault; tests may validate it, not change it."""
    made = Bench(tmp_path_factory.mktemp("sound"), *rows)
    yield made, made.make()
    made.store.close()


def drawn(rows: pl.DataFrame, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).random(rows.height)


def rich(rows: pl.DataFrame) -> np.ndarray:
    return (rows["income"] == ">50K").to_numpy()


def shuffled(rows: pl.DataFrame, *names: str) -> pl.DataFrame:
    return rows.with_columns(pl.col(name).shuffle(seed=place) for place, name in enumerate(names))


# --- faults in the data ---------------------------------------------------------------------------------------------------------


def negative_ages(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(age=pl.when(pl.Series(drawn(rows) < 0.1)).then(-5).otherwise(pl.col("age")))


def delivered_twice(rows: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([rows, rows.head(rows.height // 6)])


def outcomes_lost(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(income=pl.when(pl.Series(drawn(rows) < 0.3)).then(None).otherwise(pl.col("income")))


def labels_shuffled(rows: pl.DataFrame) -> pl.DataFrame:
    return shuffled(rows, "income")


def outcome_written_into_a_column(rows: pl.DataFrame) -> pl.DataFrame:
    """Nearly always the column tells the outcome."""
    told = np.where(drawn(rows) < 0.97, rich(rows), drawn(rows, 6) < 0.24)
    return rows.with_columns(pl.Series("capital-loss", told.astype(np.int64)))


def only_the_outcome_speaks(rows: pl.DataFrame) -> pl.DataFrame:
    """The same where no other column knows anything."""
    return shuffled(outcome_written_into_a_column(rows), *OTHERS)


def outcome_written_among_noise(rows: pl.DataFrame) -> pl.DataFrame:
    """A leak beside columns that know little: it outranks all of them together without knowing everything."""
    told = np.where(drawn(rows) < 0.75, rich(rows), drawn(rows, 6) < 0.24)
    return shuffled(rows.with_columns(pl.Series("capital-loss", told.astype(np.int64))), *OTHERS)


def women_marked_down(rows: pl.DataFrame) -> pl.DataFrame:
    """Whoever earns little is far more often a woman: the outcome is skewed against the group."""
    woman = np.where(rich(rows), drawn(rows) < 0.15, drawn(rows) < 0.6)
    return rows.with_columns(pl.Series("sex", np.where(woman, "Female", "Male")))


def the_poor_left_out(rows: pl.DataFrame) -> pl.DataFrame:
    """A sample in which four of five low earners are missing: probabilities come out far too high."""
    return rows.filter(pl.Series(rich(rows) | (drawn(rows) < 0.2)))


def other_people(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns((pl.col("age") + 25).alias("age"), (pl.col("hours-per-week") // 2).alias("hours-per-week"),
                             (pl.col("education-num") - 4).clip(1).alias("education-num"), pl.lit("Private").alias("workclass"))


def same(rows: pl.DataFrame) -> pl.DataFrame:
    return rows


DATA_FAULTS: list[tuple[tuple[str, ...], Fault, Fault]] = [
    (("quarantine",), negative_ages, same),
    (("duplicates",), delivered_twice, same),
    (("label_share",), outcomes_lost, outcomes_lost),
    (("holdout_rows",), same, lambda rows: rows.head(150)),
    (("performance", "vs_naive", "probabilities"), labels_shuffled, same),
    (("strongest_feature", "explain_dominance"), only_the_outcome_speaks, only_the_outcome_speaks),
    (("single_feature",), outcome_written_among_noise, outcome_written_among_noise),
    (("calibration",), the_poor_left_out, same),
    (("fairness",), women_marked_down, women_marked_down),
    (("drift_holdout",), same, other_people),
]
ELSEWHERE = {"freshness", "later_columns", "same_rows", "time_travel", "vs_champion", "explain_stability", "explain_additivity", "latency",
             "package_size", "drift_serving"}  # each has a test of its own below


def seeded_beside() -> set[str]:
    """`SEEDED_GATES = {...}` of every test_gate_faults_<area>.py beside this file: the gates whose faults are planted there."""
    found: set[str] = set()
    for path in Path(__file__).parent.glob("test_gate_faults_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and any(getattr(name, "id", "") == "SEEDED_GATES" for name in node.targets):
                found |= ast.literal_eval(node.value)
    return found


def test_every_gate_has_a_planted_fault(sound: tuple[Bench, Candidate]) -> None:
    """Of every task; a fault in data or process, never a finding made by hand."""
    use_case = find_use_case(sound[0].settings, NAME)[1]
    planted = ELSEWHERE | {gate for gates, _, _ in DATA_FAULTS for gate in gates} | seeded_beside()
    assert {gate.name for gate in gates_for(use_case)} | {name for task in TASKS for name in known_gates(task)} == planted


def test_without_a_fault_every_gate_passes(sound: tuple[Bench, Candidate]) -> None:
    evidence = sound[0].judge(sound[1])
    assert set(verdicts(evidence).values()) == {PASS}
    assert evidence.verdict is PASS


@pytest.mark.parametrize(("gates", "in_training", "in_test"), DATA_FAULTS, ids=[fault[0][0] for fault in DATA_FAULTS])
def test_fault_in_the_data_is_stopped(bench: Bench, gates: tuple[str, ...], in_training: Fault, in_test: Fault) -> None:
    evidence = bench.judge(bench.make(in_training=in_training, in_test=in_test))
    for gate in gates:
        assert answer(evidence, gate).verdict is FAIL, answer(evidence, gate).sentence
    assert all(answer(evidence, gate).mode == "observe" for gate in gates) or evidence.verdict is FAIL


def test_leaked_column_is_named(bench: Bench) -> None:
    evidence = bench.judge(bench.make(in_training=outcome_written_into_a_column, in_test=outcome_written_into_a_column))
    assert "capital-loss" in answer(evidence, "strongest_feature").sentence


def test_old_data_is_stopped_where_age_matters(bench: Bench) -> None:
    candidate = bench.make(more='[gates.freshness]\nmode = "block"\nreason = "prices change"')
    assert answer(bench.judge(candidate), "freshness").verdict is PASS
    later = utc_now() + timedelta(days=120)
    assert answer(bench.judge(candidate, as_of=later), "freshness").verdict is FAIL


def test_column_found_to_be_known_only_later_is_stopped(bench: Bench) -> None:
    """The model was trained with it; then somebody corrected the use case."""
    candidate = bench.make()
    path = bench.folder / f"{NAME}.toml"
    old = '[columns."capital-gain"]\ntype = "integer"\nrole = "feature"'
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, old.replace("feature", "later")))
    result = answer(bench.judge(candidate), "later_columns")
    assert result.verdict is FAIL
    assert "capital-gain" in result.sentence


# --- faults in the process ------------------------------------------------------------------------------------------------------


def leaky(real: Callable[..., split.Split]) -> Callable[..., split.Split]:
    """A splitter that hands some of the held-out rows to training as well."""

    def broken(*given: Any) -> split.Split:
        good = real(*given)
        return dataclasses.replace(good, train=pl.concat([good.train, good.test.head(300)]))

    return broken


@pytest.mark.parametrize(("gate", "text"), [("same_rows", {}), ("time_travel", {"split": "time", "time": CLOCK})])
def test_splitter_that_leaks_is_stopped(bench: Bench, monkeypatch: pytest.MonkeyPatch, gate: str, text: dict[str, str]) -> None:
    assert answer(bench.judge(bench.make(**text)), gate).verdict is PASS
    for module in (making, held_out):
        monkeypatch.setattr(module, "split_rows", leaky(split.split_rows))
    assert answer(bench.judge(bench.make(**text)), gate).verdict is FAIL


def test_worse_than_the_champion_is_stopped(bench: Bench, sound: tuple[Bench, Candidate]) -> None:
    bench.crown(*sound)
    strong = ("marital-status", "relationship", "education-num", "capital-gain")
    evidence = bench.judge(bench.make(in_training=lambda rows: shuffled(rows, *strong)))
    assert answer(evidence, "vs_champion").verdict is FAIL
    assert answer(evidence, "performance").verdict is PASS
    assert answer(evidence, "explain_stability").verdict is FAIL


def test_as_good_as_the_champion_passes(sound: tuple[Bench, Candidate], bench: Bench) -> None:
    bench.crown(*sound)
    evidence = bench.judge(bench.make())
    assert answer(evidence, "vs_champion").verdict is PASS
    assert answer(evidence, "explain_stability").verdict is PASS
    assert evidence.champion_digest == sound[1].package_digest


def test_champion_that_cannot_be_read_is_not_taken_for_none(sound: tuple[Bench, Candidate], bench: Bench) -> None:
    bench.crown(*sound)
    candidate = bench.make(more="[rollout]\nprobation_s = 60")
    (folder_of(bench.settings.folder("packages"), sound[1].package_digest) / "model.ubj").write_bytes(b"damaged")
    evidence = bench.judge(candidate)
    assert {gate: answer(evidence, gate).verdict for gate in ("vs_champion", "explain_stability")} == {
        "vs_champion": UNKNOWN, "explain_stability": UNKNOWN}
    assert answer(evidence, "performance").verdict is PASS


def test_explainer_that_rounds_is_stopped(sound: tuple[Bench, Candidate], monkeypatch: pytest.MonkeyPatch) -> None:
    from reports import shapley

    exact = shapley.explain_rows

    def rounding(*given: Any, **how: Any) -> shapley.Shapley:
        made = exact(*given, **how)
        return dataclasses.replace(made, contributions=made.contributions.round(2))

    monkeypatch.setattr(shapley, "explain_rows", rounding)
    assert answer(sound[0].judge(sound[1]), "explain_additivity").verdict is FAIL


def test_model_that_stalls_now_and_then_is_stopped(sound: tuple[Bench, Candidate], monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(1_000_000))
    quick = Model.score

    def stalling(self: Model, matrix: Any) -> Any:
        if next(calls) % 40 == 39:
            time.sleep(0.15)
        return quick(self, matrix)

    monkeypatch.setattr(Model, "score", stalling)
    assert answer(sound[0].judge(sound[1]), "latency").verdict is FAIL


def test_trainer_that_does_not_stop_is_stopped_by_size(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = '[gates.package_size]\nthreshold = 0.5\nreason = "runs on small devices"'
    assert answer(bench.judge(bench.make(more=limit)), "package_size").verdict is PASS
    exact = fitting.fit_booster
    monkeypatch.setattr(fitting, "fit_booster", lambda space, data, parameters, rounds: exact(space, data, parameters, rounds * 8))
    assert answer(bench.judge(bench.make(more=limit)), "package_size").verdict is FAIL


def serve(bench: Bench, candidate: Candidate, fault: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Requests as the prediction server captures them, compacted into the lake."""
    moment = datetime.now(UTC)
    names = [name for name in bench.test.columns if name not in ("income", "fnlwgt", "education", "race", "native-country")]
    body = [{**{name: row[name] for name in names}, "_request_id": f"r{place}", "_version": 1, "_digest": candidate.package_digest,
             "_generation": 1, "_arm": "champion", "_event_time": moment, "_seen_time": moment, "_score": 0.2, "_scores": None,
             "_prediction": "0", "_latency_ms": 2.0, "_flags": []} for place, row in enumerate(fault(bench.test).to_dicts())]
    kinds = {name: "context" if name == "sex" else "numeric" if name in NUMBERS else "category" for name in names}
    writer = SegmentWriter(bench.settings.folder("capture") / NAME / "w0-1.seg")
    writer.append([msgspec.msgpack.encode({"kind": "predictions", "columns": {candidate.package_digest: kinds}, "rows": body})])
    compact(bench.settings, lake_from(bench.settings))


@pytest.mark.parametrize(("fault", "expected"), [(same, PASS), (other_people, FAIL)])
def test_customers_unlike_the_training_rows_are_noticed(bench: Bench, fault: Any, expected: Verdict) -> None:
    candidate = bench.make()
    serve(bench, candidate, fault)
    evidence = bench.judge(candidate)
    assert answer(evidence, "drift_serving").verdict is expected
    assert answer(evidence, "drift_serving").sample_size == 1_200


# --- what cannot be measured is never passed ------------------------------------------------------------------------------------


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def lake_file(bench: Bench) -> Path:
    return max(bench.settings.folder("lake").rglob("*.parquet"), key=lambda path: path.stat().st_size)


def model_file(bench: Bench) -> Path:
    return next(bench.settings.folder("packages").glob("*/model.ubj"))


@pytest.mark.parametrize("damaged", [lake_file, model_file])
def test_damaged_snapshot_or_package_leaves_every_gate_unknown(bench: Bench, damaged: Callable[[Bench], Path]) -> None:
    candidate = bench.make()
    flip(damaged(bench))
    evidence = bench.judge(candidate)
    assert set(verdicts(evidence).values()) == {UNKNOWN}
    assert not any(result.waivable for result in evidence.gates)


REPORTS = {"quality.quality_findings": "quarantine", "leakage.split_findings": "same_rows", "performance.performance_findings": "vs_naive",
           "calibration.calibration_findings": "calibration", "fairness.fairness_findings": "fairness",
           "explain.explain_findings": "explain_additivity", "drift.drift_findings": "drift_holdout", "size.size_finding": "package_size",
           "latency.latency_findings": "latency"}


def test_reports_that_fail_leave_their_gates_unknown(sound: tuple[Bench, Candidate], monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once, each by its own error: no gate passes on what was not measured, and none can be waived."""

    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("planted")

    for name in REPORTS:
        monkeypatch.setattr(f"reports.{name}", broken)
    evidence = sound[0].judge(sound[1])
    found = {gate: answer(evidence, gate) for gate in REPORTS.values()}
    assert {result.verdict for result in found.values()} == {UNKNOWN}
    assert not any(result.waivable for result in found.values())
    assert evidence.verdict is UNKNOWN


@pytest.mark.parametrize("name", ["performance.performance_findings", "fairness.fairness_findings"])
def test_one_failing_report_leaves_the_others_standing(sound: tuple[Bench, Candidate], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(f"reports.{name}", broken)
    evidence = sound[0].judge(sound[1])
    assert answer(evidence, REPORTS[name]).verdict is UNKNOWN
    assert answer(evidence, "calibration").verdict is PASS
    assert evidence.verdict is UNKNOWN
