"""A window's share of answers that were left to a fallback: measured from what was captured, judged by the use case's limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from interlock.control.windows.window_abstentions import abstentions_of
from interlock.records.store import Store
from interlock.rules.findings import State
from interlock.rules.monitoring import WindowState, judge_window, signals_for
from interlock.settings import Settings
from tests.control.traffic import Traffic, copy_package, spec

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
ABSTENTION = {"abstention": {"confidence_min": 0.7}}


def rows(*flags: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"_flags": list(flags)}, schema={"_flags": pl.List(pl.String)})


def test_the_share_counts_what_the_version_itself_left_to_others() -> None:
    """2 of 8: one for confidence, one for an unseen category; what a champion answered for a candidate is its own answer.

    Wilson's interval for 2 of 8 at 95 %: 0.0715 to 0.5907 (Brown, Cai, DasGupta 2001, formula 4)."""
    found = abstentions_of(rows(["abstained:confidence", "answered_by:person"], ["abstained:unseen", "answered_by:rule", "rule_answer:0"],
                                ["abstained:out_of_range", "answered_by:champion"], [], [], [], ["unseen:region"], []), 8)
    assert found.value == 0.25
    assert found.low == pytest.approx(0.0715, abs=5e-5)
    assert found.high == pytest.approx(0.5907, abs=5e-5)
    assert found.detail == {"confidence": 1, "unseen": 1}
    assert "2 of 8" in found.note


def test_too_few_answers_are_no_share_and_none_is_zero() -> None:
    assert abstentions_of(rows([]), 2).state is State.TOO_FEW
    assert abstentions_of(rows([], []), 2).value == 0.0


def test_a_use_case_that_abstains_is_judged_by_it_and_others_are_not() -> None:
    assert "serving.abstained_share" not in [signal.metric for signal in signals_for(spec())]
    use_case = spec(serving=ABSTENTION, monitoring={"abstained_share_max": 0.5})
    [signal] = [signal for signal in signals_for(use_case) if signal.metric == "serving.abstained_share"]
    assert signal.limit == 0.5
    often = abstentions_of(rows(*[["abstained:confidence"]] * 6, *[[]] * 4), 5)
    seldom = abstentions_of(rows(*[["abstained:confidence"]] * 5, *[[]] * 5), 5)
    assert judge_window([often], [signal]).state is WindowState.BREACH
    assert judge_window([seldom], [signal]).state is WindowState.OK


@pytest.fixture
def traffic(settings: Settings, store: Store, package: tuple[Path, str]) -> Iterator[Traffic]:
    copy_package(*package, settings)
    made = Traffic(settings, store, package[1], spec(serving=ABSTENTION))
    yield made
    made.segment.close()


def test_a_window_has_the_finding(traffic: Traffic) -> None:
    traffic.serve(0)
    traffic.monitor(2)
    [found] = [one for one in traffic.windows()[0].findings if one["metric"] == "serving.abstained_share"]
    assert (found["value"], found["sample_size"]) == (0.0, 400)
