"""Faults planted for the gates on the rows themselves and on replayed decisions: each is stopped, and without it the candidate passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from interlock.modeling import held_out, making, split
from interlock.records.tables import Candidate
from interlock.rules.gates import Verdict
from tests.control.test_gate_faults import CLOCK, drawn, leaky, rich, same, serve, shuffled, the_poor_left_out
from tests.control.trial_bench import NAME, Bench, Fault, answer, census

SEEDED_GATES = {"schema", "volume", "missing_change", "idle_features", "came_alive", "label_balance", "missing_tells", "entity_overlap",
                "label_shift", "flips"}
FAIL, PASS = Verdict.FAIL, Verdict.PASS
GROUPED = 'grouped"\ngroup = "fnlwgt'
RULE = '[[checks]]\nname = "plausible_{0}"\nkind = "range"\ncolumn = "age"\nmax = {0}'


@pytest.fixture(scope="module")
def rows(data_dir: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    return census(data_dir)


@pytest.fixture
def bench(tmp_path: Path, rows: tuple[pl.DataFrame, pl.DataFrame]) -> Iterator[Bench]:
    made = Bench(tmp_path / "bench", *rows)
    yield made
    made.store.close()


def one_value(frame: pl.DataFrame) -> pl.DataFrame:
    """The source stopped writing a column."""
    return frame.with_columns(pl.lit(0).cast(pl.Int64).alias("capital-loss"))


def nearly_nobody(frame: pl.DataFrame) -> pl.DataFrame:
    """A sample in which the outcome hardly occurs."""
    wanted = rich(frame)
    return frame.filter(pl.Series(~wanted | ((np.cumsum(wanted) % 90 == 1) & wanted)))


def filled_in_afterwards(frame: pl.DataFrame) -> pl.DataFrame:
    """Hours are on record only for those whose outcome is known to be high, and for a few others."""
    kept = pl.Series(rich(frame) | (drawn(frame) < 0.3))
    return frame.with_columns(pl.when(kept).then(pl.col("hours-per-week")).alias("hours-per-week"))


DATA_FAULTS: list[tuple[str, Fault, Fault]] = [
    ("idle_features", one_value, one_value), ("label_balance", nearly_nobody, nearly_nobody),
    ("missing_tells", filled_in_afterwards, filled_in_afterwards), ("label_shift", the_poor_left_out, same)]


@pytest.mark.parametrize(("gate", "in_training", "in_test"), DATA_FAULTS, ids=[fault[0] for fault in DATA_FAULTS])
def test_fault_in_the_data_is_seen(bench: Bench, gate: str, in_training: Fault, in_test: Fault) -> None:
    """That the sound candidate passes each of these gates is shown beside the older faults."""
    result = answer(bench.judge(bench.make(in_training=in_training, in_test=in_test)), gate)
    assert result.verdict is FAIL, result.sentence


def test_feature_that_came_alive_is_named(bench: Bench) -> None:
    def late(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_row_index("n").with_columns(pl.when(pl.col("n") < 1_200).then(17).otherwise(pl.col("age")).alias("age")).drop("n")

    def grown(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(pl.when(pl.col("age") == 17).then(18).otherwise(pl.col("age")).alias("age"))

    assert answer(bench.judge(bench.make(split="time", time=CLOCK)), "came_alive").verdict is PASS
    result = answer(bench.judge(bench.make(split="time", time=CLOCK, in_training=lambda frame: late(grown(frame)), in_test=grown,
                                           more=RULE.format(100))), "came_alive")
    assert result.verdict is FAIL
    assert "'age' is the same value in the first 1,200 of 4,200 rows" in result.sentence
    assert "from 2024-01-26 00:00 UTC on" in result.sentence  # 1,200 half-hours are 25 days


def test_limits_tightened_after_training_are_noticed(bench: Bench) -> None:
    candidate = bench.make()
    path = bench.folder / f"{NAME}.toml"
    old = '[columns."age"]\ntype = "integer"'
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, f"{old}\nmax = 60"))
    evidence = bench.judge(candidate)
    result = answer(evidence, "schema")
    assert (result.verdict, evidence.verdict) == (FAIL, FAIL)
    assert "outside their limits: age" in result.sentence


def test_rows_and_values_lost_since_the_last_snapshot_are_noticed(bench: Bench) -> None:
    """A changed data contract takes the source in anew; meanwhile the source lost rows and values, or did not."""
    first = answer(bench.judge(bench.make()), "volume")
    assert (first.verdict, "first snapshot" in first.sentence) == (PASS, True)
    whole = bench.judge(bench.make(more=RULE.format(100)))
    assert {answer(whole, gate).verdict for gate in ("volume", "missing_change")} == {PASS}
    assert answer(whole, "volume").value == 1.0
    assert len(whole.snapshots) == 2

    def worn(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.head(frame.height // 3).with_columns(
            pl.when(pl.Series(drawn(frame)[:frame.height // 3]) < 0.8).then(pl.col("occupation")).alias("occupation"))

    lost = bench.judge(bench.make(in_training=worn, in_test=worn, more=RULE.format(99)))
    assert {gate: answer(lost, gate).verdict for gate in ("volume", "missing_change")} == {"volume": FAIL, "missing_change": FAIL}
    assert "'occupation'" in answer(lost, "missing_change").sentence


def test_entities_in_both_halves_block_where_the_split_promises_otherwise(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = answer(bench.judge(bench.make(split=GROUPED)), "entity_overlap")
    assert (sound.verdict, sound.mode, sound.value) == (PASS, "block", 0.0)
    for module in (making, held_out):
        monkeypatch.setattr(module, "split_rows", leaky(split.split_rows))
    evidence = bench.judge(bench.make(split=GROUPED))
    assert (answer(evidence, "entity_overlap").verdict, evidence.verdict) == (FAIL, FAIL)


def champion_with_traffic(bench: Bench, requests: Any = same) -> Candidate:
    champion = bench.make()
    bench.crown(bench, champion)
    serve(bench, champion, requests)
    return champion


def test_decisions_turned_over_are_counted_with_who_and_why(bench: Bench) -> None:
    champion = champion_with_traffic(bench)
    assert answer(bench.judge(champion), "flips").verdict is PASS
    evidence = bench.judge(bench.make(in_training=the_poor_left_out, more=RULE.format(99)))
    result, figures = answer(evidence, "flips"), evidence.observed_figures["replay"]
    assert (result.verdict, result.sample_size) == (FAIL, 1_200)
    assert figures["directions"]["from no to yes"] > 10 * figures["directions"].get("from yes to no", 0)
    assert figures["reasons"][0]["push"] > 0
    assert len(figures["examples"]) == 20
    assert set(figures["examples"][0]) == {"request_id", "champion", "candidate", "direction"}
    assert any(one["segment"].startswith("marital-status=") for one in figures["segments"])


def test_without_requests_or_a_champion_there_is_nothing_to_replay(bench: Bench) -> None:
    candidate = bench.make()
    assert "no champion yet" in answer(bench.judge(candidate), "flips").sentence
    bench.crown(bench, candidate)
    said = answer(bench.judge(bench.make(in_training=lambda frame: shuffled(frame, "occupation"), more=RULE.format(99))), "flips")
    assert (said.verdict, "no captured requests yet" in said.sentence) == (PASS, True)


def test_requests_that_lack_a_feature_of_the_candidate_are_unknown(bench: Bench) -> None:
    champion_with_traffic(bench)
    told = answer(bench.judge(bench.make(roles={"race": "feature"})), "flips")
    assert (told.verdict, told.waivable) == (Verdict.UNKNOWN, True)
    assert "do not carry race" in told.sentence
