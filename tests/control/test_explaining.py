"""One captured answer explained by the package that gave it; attribution drift of a window; parts that fail leave the gates standing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from interlock.cli.main import app
from interlock.control.answers.explaining import explain_request, find_prediction
from interlock.control.answers.levers import _options, levers_of
from interlock.control.evidence import explain_reports
from interlock.control.windows.window_attribution import attribution_of, encoded
from interlock.errors import DataError
from interlock.modeling.package import read_package
from interlock.records.store import Store
from interlock.rules.findings import State
from interlock.rules.monitoring import WindowState, judge_window, signals_for
from interlock.settings import Settings
from interlock.spec.load import find_use_case
from interlock.spec.usecase import UseCase
from reports.counterfactuals import Lever, counterfactuals
from reports.explain import global_importance
from reports.profiles import Profile
from reports.shapley import explain_rows
from tests.control.traffic import DAY0, SPEC, Traffic, copy_package, people, spec
from tests.control.trial_bench import NAME, Bench, answer, census

# Optuna marks multi-threaded samplers as experimental.
pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
COLUMNS = {"income": SPEC["columns"]["income"] | {"reason_low": "Income too low", "actionable": "increase", "step": 0.25},
           "region": SPEC["columns"]["region"] | {"title": "Region", "actionable": "any"}}


def lending(**sections: Any) -> UseCase:
    return spec(columns=COLUMNS, fairness={"favourable": "negative"}, **sections)


@pytest.fixture
def traffic(settings: Settings, store: Store, package: tuple[Path, str]) -> Iterator[Traffic]:
    copy_package(*package, settings)
    made = Traffic(settings, store, package[1], lending())
    yield made
    made.segment.close()


def poorest(frame: pl.DataFrame) -> str:
    return str(frame.sort("income")["_request_id"][0])


def test_refused_applicant_gets_reason_waterfall_and_a_way_out(traffic: Traffic) -> None:
    """`late` is likelier the lower the income; the favourable answer is: not late."""
    served = traffic.serve(0)
    found = explain_request(traffic.settings, traffic.use_case, poorest(served))
    assert found.prediction == "1"
    assert [reason.text for reason in found.reasons.codes][0] == "Income too low"
    assert found.reasons.complete
    assert found.steps[-1]["after"] == pytest.approx(found.reasons.margin)
    assert 1 / (1 + np.exp(-found.reasons.margin)) == pytest.approx(found.score, abs=1e-5)
    assert found.changes
    before, after = found.changes[0]["income"]
    assert after > before
    changed = served.filter(pl.col("_request_id") == found.request_id).with_columns(income=pl.lit(after))
    model = traffic.package.open_model()
    assert model.score(traffic.package.manifest.features.encode_frame(changed))[0] < 0.5
    json.dumps(found.as_json(), allow_nan=False, default=str)


def test_granted_applicant_needs_no_way_out_and_the_other_direction_can_be_asked(traffic: Traffic) -> None:
    served = traffic.serve(0)
    richest = str(served.sort("income")["_request_id"][-1])
    found = explain_request(traffic.settings, traffic.use_case, richest, direction="down")
    assert found.search.note == "the answer is the wanted one already"
    assert found.reasons.codes[0].features == ("income",)


def test_without_actionable_columns_nothing_is_searched(traffic: Traffic) -> None:
    served = traffic.serve(0)
    found = explain_request(traffic.settings, spec(fairness={"favourable": "negative"}), poorest(served))
    assert "declared actionable" in found.search.note
    assert found.changes == []


def test_levers_stay_within_bounds_and_direction(traffic: Traffic) -> None:
    profile = Profile.from_json(traffic.package.profile_json)
    row = np.array([0.5, np.nan], dtype=np.float32)
    income, region = levers_of(traffic.use_case, traffic.package, profile, row)
    assert income.options.min() == pytest.approx(0.75)
    assert income.options.max() <= profile.columns["income"].maximum
    assert region.options.tolist() == [0, 1, 2]
    sensitive = COLUMNS["income"] | {"role": "sensitive"}
    assert levers_of(spec(columns={"income": sensitive}, features={"include_sensitive": True}), traffic.package, profile, row) == []


def test_a_value_outside_its_bounds_is_only_led_into_them() -> None:
    """Present value 3 where 10 to 20.4 is allowed: nothing below 10 and nothing above 20.4 is proposed, not even on the way back."""
    assert _options(3.0, 10.0, 20.4, 1.0, "True").tolist() == [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]
    assert _options(30.0, 10.0, 20.4, 1.0, "True").tolist() == [20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10]
    assert _options(30.0, 10.0, 20.4, 1.0, "increase").tolist() == []
    assert _options(float("nan"), 0.0, 9.6, 1.0, "True").max() == 9

    def judge(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return matrix[:, 0] >= 5, 5.0 - matrix[:, 0]  # 5 would do, but 10 is the least that may be proposed

    lever = Lever("hours", 0, _options(3.0, 10.0, 20.4, 1.0, "True"), 1.0, 1.0, 10.0, 20.4)
    [found] = counterfactuals(judge, np.array([3.0], dtype=np.float32), [lever]).found
    assert found.changes == {"hours": (3.0, 10.0)}


def test_unknown_request_says_so(traffic: Traffic) -> None:
    traffic.serve(0)
    with pytest.raises(DataError, match="no prediction with this id"):
        find_prediction(traffic.settings, traffic.use_case.name, "nobody")


def test_command_prints_reasons(traffic: Traffic, monkeypatch: pytest.MonkeyPatch) -> None:
    served = traffic.serve(0)
    monkeypatch.setattr("interlock.settings.load_settings", lambda: traffic.settings)
    monkeypatch.setattr("interlock.spec.load.find_use_case", lambda *_: (Path("x.toml"), traffic.use_case))
    text = CliRunner().invoke(app, ["explain", "small_loans", "--request", poorest(served)])
    assert text.exit_code == 0, text.output
    assert "1. Income too low" in text.output
    assert "what would turn the answer" in text.output
    plain = CliRunner().invoke(app, ["explain", "small_loans", "--request", poorest(served), "--json"])
    assert json.loads(plain.output)["kind"] == "path-dependent"


# --- attribution drift ------------------------------------------------------------------------------------------------------------


def test_captured_rows_are_encoded_as_they_were_scored(traffic: Traffic) -> None:
    served = traffic.serve(0)
    rows = pl.concat([find_prediction(traffic.settings, traffic.use_case.name, name) for name in served["_request_id"].head(20)])
    scores = traffic.package.open_model().score(encoded(traffic.package, rows))
    assert scores.astype(float) == pytest.approx(rows["_score"].to_numpy())


def test_nothing_to_compare_with_or_too_few_rows_say_so(traffic: Traffic) -> None:
    use_case, rows = traffic.use_case, people(400, 7).with_columns(pl.col("_row_id").alias("_request_id"))
    space = traffic.package.manifest.features
    made = explain_rows(traffic.package.open_model().booster, space.encode_frame(rows), space.feature_types)
    shares = global_importance(made.contributions, space.names)
    few = attribution_of(use_case, traffic.package, rows, shares, seed=1)[0]
    assert few.state is State.TOO_FEW, "two features have no order"
    assert attribution_of(use_case, traffic.package, rows, {}, seed=1)[0].state is State.MISSING
    assert attribution_of(use_case, traffic.package, rows.head(50), shares, seed=1)[0].needed == 100


def test_every_window_has_the_finding(traffic: Traffic) -> None:
    traffic.serve(0)
    traffic.monitor(1.1)
    found = [one for one in traffic.windows()[0].findings if one["metric"] == "explain.attribution_drift"]
    assert [one["state"] for one in found] == ["missing"]
    assert "no importance to compare with" in found[0]["note"]


def test_customers_who_are_all_alike_where_the_model_looked_turn_its_reasons(tmp_path: Path, data_dir: Path) -> None:
    """Census rows: the same kind of people give the same reasons; where marriage no longer tells them apart, other columns must."""
    bench = Bench(tmp_path, *census(data_dir))
    candidate = bench.make()
    evidence, use_case = bench.judge(candidate), find_use_case(bench.settings, NAME)[1]
    bench.store.close()
    package = read_package(bench.settings.folder("packages"), candidate.package_digest)
    shares = evidence.figures["explain"]["importance"]
    rows = bench.test.with_columns(_event_time=pl.lit(DAY0))
    alike = rows.with_columns(pl.lit(None, pl.String).alias("marital-status"), pl.lit("Other-relative").alias("relationship"),
                              pl.lit(20_000).alias("capital-gain"))
    [same], [turned] = (attribution_of(use_case, package, found, shares, seed=1) for found in (rows, alike))
    assert same.value < 0.1
    assert same.sample_size == 300
    assert turned.value > same.value
    assert turned.low > 0.1, turned.note
    limit = next(signal for signal in signals_for(use_case) if signal.metric == "explain.attribution_drift")
    states = [judge_window([finding], [limit]).state for finding in (same, turned)]
    assert states == [WindowState.OK, WindowState.WARN]


# --- validation -------------------------------------------------------------------------------------------------------------------


def test_a_part_that_fails_leaves_the_gates_standing(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path, *census(data_dir))
    candidate = bench.make()

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(explain_reports, "_curves", broken)
    evidence = bench.judge(candidate)
    bench.store.close()
    assert answer(evidence, "explain_additivity").verdict.value == "pass"
    [error] = [finding for finding in evidence.findings if finding.state is State.ERROR]
    assert (error.metric, error.note) == ("explain.partial_dependence", "ZeroDivisionError: planted")
    figure = evidence.figures["explain"]
    assert {"importance", "beeswarm", "shapley", "interactions", "dependence", "cohorts", "interventional", "loss"} <= set(figure)
    assert "partial_dependence" not in figure
    assert figure["rows"] == figure["rows_total"] == 1_200
    assert figure["shapley"]["kind"] == "path-dependent"
    assert figure["interventional"]["kind"] == "interventional"
    assert len(json.dumps(figure, allow_nan=False)) < 200_000
