"""How a candidate was made, as evidence: the effect of its calibration, its window, its proposals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.control.trial_bench import Bench, census


@pytest.fixture
def bench(tmp_path: Path, data_dir: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "bench", *census(data_dir, 2_500, 800))
    yield made
    made.store.close()


def test_calibration_of_a_weighted_model_is_measured_on_held_out_rows(bench: Bench) -> None:
    """Balanced weights push probabilities up; the calibration takes the log loss back down, and the evidence says by how much."""
    keys = 'split = "official"\nclass_weight = "balanced"\ncalibration = "sigmoid"\ncalibration_rows = "out_of_fold'
    evidence = bench.judge(bench.make(split=keys.removeprefix('split = "')))
    gain = next(finding for finding in evidence.findings if finding.metric == "training.calibration_gain")
    assert gain.low is not None
    assert gain.low > 0
    figures = evidence.figures["training"]
    assert figures["calibration"]["rows"] == 2_500
    assert figures["calibration"]["log_loss_before"] - figures["calibration"]["log_loss_after"] == pytest.approx(gain.value)
    assert figures["class_weight"] == "balanced"
    assert figures["window"]["kind"] == "all"


def test_proposals_of_the_training_are_observed(bench: Bench) -> None:
    evidence = bench.judge(bench.make())
    found = next(finding for finding in evidence.observed if finding.metric == "training.proposals")
    assert found.value is not None
    assert 0 <= found.value <= 2
    assert evidence.observed_figures["proposals"]["rows"] == found.sample_size


def test_without_a_try_there_is_no_number(bench: Bench) -> None:
    evidence = bench.judge(bench.make(split='official"\nproposals = 0\n#"'))
    assert next(finding for finding in evidence.observed if finding.metric == "training.proposals").value is None
