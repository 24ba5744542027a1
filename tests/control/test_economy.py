"""Forecast, worth and proposals from records, with every figure worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from interlock.control.readmodel.economy import Economy, economies
from interlock.control.readmodel.spending import Spending
from interlock.control.spending.economy import prepare_economy
from interlock.control.spending.savings import Saving, Trained, savings
from interlock.records.ids import new_id
from interlock.records.store import Store
from interlock.records.tables import Candidate, Cost, EvidenceRow, Window
from interlock.rules.findings import Finding
from interlock.settings import Settings
from interlock.spec.load import find_use_case
from interlock.spec.usecase import UseCase
from interlock.spec.value import Value

NOW = datetime(2024, 3, 11, 12, tzinfo=UTC)
TODAY = NOW.date()
NAME = "loan_approvals"


@pytest.fixture
def use_case(settings: Settings) -> UseCase:
    case = find_use_case(settings, NAME)[1]
    worth = Value(currency="USD", basis="for the test", true_positive=1, false_positive=-5, true_negative=0, false_negative=-1)
    return case.model_copy(update={"value": worth, "costs": case.costs.model_copy(update={"monthly_budget_usd": 100.0})})


def cost(store: Store, day: date, usd: float, stage: str = "train", requests: int = 0) -> None:
    with store.writing() as session:
        session.add(Cost(use_case=NAME, stage=stage, day=day.isoformat(), usd=usd, requests=requests, updated_at=NOW))


def version(store: Store, number: int, *, predictions: int = 0, worth: Finding | None = None) -> None:
    with store.writing() as session:
        row, at = new_id(), NOW + timedelta(seconds=number)
        session.add(Candidate(id=row, use_case=NAME, number=number, package_digest=f"sha256:{number}", snapshot_digest="", author="Ada",
                              spec_digest="", started_by="Mira", metrics={}, created_at=at))
        session.flush()
        body: dict[str, Any] = {"findings": [worth.model_dump(mode="json")] if worth else []}
        session.add(EvidenceRow(digest=f"sha256:e{number}", use_case=NAME, candidate_id=row, verdict="PASS", body=body, created_at=at))
        if predictions:
            session.add(Window(use_case=NAME, start=at, end=at + timedelta(days=1), package_digest=f"sha256:{number}", version=number,
                               rows=predictions, labelled=0, state="ok", findings=[], reports={}, created_at=at))


def prepared(store: Store, use_case: UseCase) -> Economy:
    prepare_economy(store, use_case, now=NOW)
    return economies(store)[NAME]


def test_where_the_month_ends(store: Store, use_case: UseCase) -> None:
    """Ten complete days of March at 4 USD and 2 USD so far today: 42 spent; 20 days are left: 42 + 80 = 122, without doubt;
    58 USD of the budget of 100 are left: 15 days (14.5)."""
    for day in range(1, 11):
        cost(store, date(2024, 3, day), 4.0)
    cost(store, TODAY, 2.0)
    month = prepared(store, use_case).month
    assert (month.spent, month.total, month.low, month.high, month.days, month.days_left) == (42, 122, 122, 122, 10, 20)
    assert month.days_to_budget == 15


def test_days_without_cost_count_as_nothing(store: Store, use_case: UseCase) -> None:
    """1 USD on 1 March and nothing since: ten complete days with mean 0.1."""
    cost(store, date(2024, 3, 1), 1.0)
    month = prepared(store, use_case).month
    assert (month.days, month.per_day, month.total) == (10, pytest.approx(0.1), pytest.approx(3.0))


def test_a_second_day_is_no_forecast(store: Store, use_case: UseCase) -> None:
    cost(store, TODAY - timedelta(days=1), 1.0)
    month = prepared(store, use_case).month
    assert (month.spent, month.total, month.days) == (1.0, None, 1)


def test_what_a_versions_decisions_brought(store: Store, use_case: UseCase) -> None:
    """300 USD (200 to 400) per 1,000 decisions x 2,000 predictions = 600 (400 to 800); 2,000 of 3,000 predictions bear 6 of 9 USD."""
    cost(store, TODAY, 9.0)
    worth = Finding(metric="performance.value_per_1000", value=300, low=200, high=400, sample_size=500, unit="USD per 1,000")
    version(store, 1, predictions=1_000)
    version(store, 2, predictions=2_000, worth=worth)
    second, first = prepared(store, use_case).versions
    assert (second.value, second.cost_usd, second.net, second.sample_size) == (600, 6, (594, 394, 794), 500)
    assert (first.version, first.cost_usd, first.net) == (1, 3, None)


def test_money_of_another_kind_is_not_set_off(store: Store, use_case: UseCase) -> None:
    cost(store, TODAY, 9.0)
    version(store, 1, predictions=1_000, worth=Finding(metric="performance.value_per_1000", value=300, sample_size=500))
    minutes = use_case.model_copy(update={"value": use_case.value.model_copy(update={"currency": "minutes"}) if use_case.value else None})
    assert prepared(store, minutes).versions[0].net is None


def found(rows: list[Spending], trained: list[Trained], live: int | None = None) -> list[Saving]:
    return savings(NAME, rows, trained, live=live, today=TODAY)


def spent(stage: str, days_ago: int, usd: float, requests: int = 0) -> Spending:
    return Spending(NAME, stage, TODAY - timedelta(days=days_ago), usd, 0.0, 0, requests)


def trained(*gains: tuple[float, float] | None) -> list[Trained]:
    return [Trained(number, TODAY, gain, "AUC") for number, gain in enumerate(gains, 1)]


def test_trainings_without_gain() -> None:
    """Two of three intervals reach zero. Four trainings cost 8 USD in ten days: 2 each, so 4 in ten days for the two: 12.175 a month."""
    rows = [spent("train", 10, 4.0), spent("validate", 1, 4.0), spent("serving", 1, 50.0)]
    (one,) = found(rows, trained(None, (-0.01, 0.01), (0.01, 0.02), (0.0, 0.01)))
    assert (one.kind, one.usd) == ("retrained without gain", pytest.approx(4.0 / 10 * 30.4375))
    assert "2 of 3 trainings" in one.sentence
    assert "versions 2, 4" in one.sentence


@pytest.mark.parametrize("gains", [((-1.0, 1.0), (-1.0, 1.0)), ((0.1, 0.2), (0.1, 0.2), (-0.1, 0.2)), (None, None, None, None)])
def test_too_few_or_mostly_better_trainings_are_no_habit(gains: tuple[tuple[float, float] | None, ...]) -> None:
    assert found([spent("train", 10, 4.0), spent("train", 1, 4.0)], trained(*gains)) == []


def test_a_model_that_nobody_asks() -> None:
    """7 USD in the last seven complete days: 1 a day, 30.4375 a month. Today does not count: it is not over."""
    rows = [spent("monitor", 8, 1.0, requests=5), *(spent("monitor", n, 1.0) for n in range(1, 8)), spent("serving", 0, 1.0, requests=9)]
    (one,) = found(rows, [], live=3)
    assert (one.kind, one.usd) == ("idle", pytest.approx(30.4375))
    assert found(rows, [], live=None) == []
    assert found([*rows, spent("serving", 3, 0.0, requests=1)], [], live=3) == []
    assert found(rows[1:], [], live=3) == []  # known for a week only: it may just have begun


def test_more_features_than_needed() -> None:
    one = Trained(3, TODAY, None, "", ("minute", "origin"))
    assert [saving.kind for saving in found([], [one], live=3)] == ["oversized"]
    assert found([], [one], live=2) == []


def test_mostly_storage() -> None:
    """Seven days, 0.6 of 1 USD each for stored predictions."""
    rows = [spent(stage, n, usd) for n in range(7) for stage, usd in (("storage.predictions", 0.6), ("train", 0.4))]
    (one,) = found(rows, [])
    assert one.kind == "much stored"
    assert "60% of the last 7 days' cost is storage, most of it predictions" in one.sentence
