"""Use becomes money by the price table; rows are per stage and day, and running it twice gives the same rows."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
import pytest

from interlock.control.spending.costing import CostLine, add_up, totals
from interlock.control.spending.prices import SHIPPED, Price, PriceTable, price_table
from interlock.control.spending.serving_usage import record_reading, requests_by_use_case
from interlock.errors import SettingsError
from interlock.records.ids import new_id
from interlock.records.lake import lake_from
from interlock.records.segments import SegmentWriter
from interlock.records.store import Store
from interlock.records.tables import Candidate, Cost, Usage
from interlock.settings import Settings
from interlock.spec.load import find_use_case
from interlock.spec.operation import Costs
from interlock.spec.usecase import UseCase

NOW = datetime(2024, 3, 2, 12, tzinfo=UTC)
PRICES = PriceTable(date=date(2024, 1, 1), note="test", cpu_hour_usd=Price(value=0.36, source="test"),
                    storage_gb_month_usd=Price(value=0.304375, source="test"), million_requests_usd=Price(value=2.0, source="test"))


@pytest.fixture
def use_case(settings: Settings) -> UseCase:
    return find_use_case(settings, "loan_approvals")[1]


def used(store: Store, stage: str, seconds: float, day: int = 1, use_case: str = "loan_approvals") -> None:
    with store.writing() as session:
        session.add(Usage(id=new_id(), use_case=use_case, stage=stage, cpu_seconds=seconds, wall_seconds=seconds,
                          finished_at=datetime(2024, 3, day, 23, tzinfo=UTC)))


def rows(store: Store) -> dict[tuple[str, str], tuple[float, int, int, float]]:
    with store.reading() as session:
        return {(row.day, row.stage): (row.cpu_seconds, row.storage_bytes, row.requests, row.usd) for row in session.query(Cost)}


def test_the_arithmetic_by_hand() -> None:
    # 100 s of 0.36 USD/h = 0.01; 1 GB for one of 30.4375 days of 0.304375 USD = 0.01; 5,000 of 2 USD/million = 0.01
    assert PRICES.day_usd(cpu_seconds=100) == pytest.approx(0.01)
    assert PRICES.day_usd(storage_bytes=1_000_000_000) == pytest.approx(0.01)
    assert PRICES.day_usd(requests=5_000) == pytest.approx(0.01)
    assert PRICES.day_usd(cpu_seconds=100, storage_bytes=1_000_000_000, requests=5_000) == pytest.approx(0.03)


def test_shipped_prices_say_that_they_are_examples_and_where_they_come_from(settings: Settings) -> None:
    table = price_table(settings)
    assert "example prices" in table.note
    assert table.date < date.today()
    assert all(getattr(table, name).source for name in ("cpu_hour_usd", "storage_gb_month_usd", "million_requests_usd"))


def test_an_installations_own_table_wins_and_a_use_case_over_both(settings: Settings) -> None:
    settings.home.mkdir(parents=True, exist_ok=True)
    (settings.home / "prices.toml").write_text(SHIPPED.read_text().replace("value = 0.20", "value = 7"))
    assert price_table(settings).million_requests_usd.value == 7
    own = price_table(settings, Costs(million_requests_usd=0.0))
    assert own.million_requests_usd.value == 0.0
    assert own.cpu_hour_usd == price_table(settings).cpu_hour_usd


def test_a_damaged_price_table_is_an_error(settings: Settings) -> None:
    settings.home.mkdir(parents=True, exist_ok=True)
    (settings.home / "prices.toml").write_text("date = 1")
    with pytest.raises(SettingsError, match="price table"):
        price_table(settings)


def test_cpu_seconds_by_stage_and_day(settings: Settings, store: Store, use_case: UseCase) -> None:
    used(store, "train", 60.0)
    used(store, "train", 30.0)
    used(store, "train", 5.0, day=2)
    used(store, "validate", 7.0)
    used(store, "train", 1e9, use_case="another")
    add_up(settings, store, use_case, now=NOW)
    found = rows(store)
    assert found["2024-03-01", "train"][0] == 90.0
    assert found["2024-03-02", "train"][0] == 5.0
    assert found["2024-03-01", "validate"][0] == 7.0


def test_running_it_twice_gives_the_same_rows(settings: Settings, store: Store, use_case: UseCase) -> None:
    used(store, "train", 60.0)
    assert add_up(settings, store, use_case, now=NOW) == add_up(settings, store, use_case, now=NOW)
    assert rows(store)["2024-03-01", "train"][0] == 60.0


def test_storage_is_todays_reading(settings: Settings, store: Store, use_case: UseCase) -> None:
    lake_from(settings).put(use_case.name, "rows", NOW.date(), b"x" * 1000)
    digest = "sha256:" + "a" * 64
    with store.writing() as session:
        session.add(Candidate(id=new_id(), use_case=use_case.name, number=1, package_digest=digest, snapshot_digest="", spec_digest="",
                              author="", started_by="", metrics={}, created_at=NOW))
    package = settings.folder("packages") / ("a" * 64)
    package.mkdir()
    (package / "model.ubj").write_bytes(b"x" * 500)
    add_up(settings, store, use_case, now=NOW)
    found = {stage: size for (day, stage), (_, size, _, _) in rows(store).items() if day == "2024-03-02"}
    assert (found["storage.rows"], found["storage.packages"], found["storage.capture"]) == (1000, 500, 0)


def test_requests_count_on_the_day_they_were_answered(settings: Settings, store: Store, use_case: UseCase) -> None:
    from interlock.records.compaction import compact

    segment = SegmentWriter(settings.folder("capture") / use_case.name / "w0-1.seg")
    body = [{"_request_id": str(number), "_version": 1, "_digest": "sha256:a", "_generation": 1, "_arm": "champion",
             "_event_time": datetime(1990, 1, 1, tzinfo=UTC), "_seen_time": datetime(2024, 3, 1 + number // 3, tzinfo=UTC), "_score": 0.5,
             "_scores": None, "_prediction": "1", "_latency_ms": 1.0, "_flags": []} for number in range(5)]
    segment.append([msgspec.msgpack.encode({"kind": "predictions", "columns": {}, "rows": body})])
    segment.close()
    compact(settings, lake_from(settings))
    add_up(settings, store, use_case, now=NOW)
    found = rows(store)
    assert (found["2024-03-01", "serving"][2], found["2024-03-02", "serving"][2]) == (3, 2)


METRICS = """# TYPE interlock_cpu_seconds_total counter
interlock_start_time_seconds {started}
interlock_cpu_seconds_total {cpu}
interlock_predictions_total{{use_case="flights",version="1",arm="champion"}} 250
interlock_predictions_total{{use_case="flights",version="2",arm="candidate"}} 50
interlock_predictions_total{{use_case="loans",version="1",arm="champion"}} 100
interlock_predictions_total{{use_case="idle",version="1",arm="champion"}} 0
"""


def reading(store: Store, cpu: float, started: int = 1_700_000_000) -> dict[str, float]:
    with store.writing() as session:
        record_reading(session, METRICS.format(cpu=cpu, started=started))
    with store.reading() as session:
        found: dict[str, float] = {}
        for row in session.query(Usage):
            found[row.use_case] = found.get(row.use_case, 0.0) + row.cpu_seconds
        return found


def test_serving_cpu_is_shared_out_by_predictions_and_counted_once(store: Store) -> None:
    assert requests_by_use_case(METRICS.format(cpu=1, started=1)) == {"flights": 300, "loans": 100}
    assert reading(store, 8.0) == pytest.approx({"flights": 6.0, "loans": 2.0})
    assert reading(store, 8.0) == pytest.approx({"flights": 6.0, "loans": 2.0})
    assert reading(store, 12.0) == pytest.approx({"flights": 9.0, "loans": 3.0})


def test_a_server_that_started_again_counts_from_nought(store: Store) -> None:
    reading(store, 8.0)
    assert reading(store, 4.0, started=1_700_009_999) == pytest.approx({"flights": 9.0, "loans": 3.0})


def test_metrics_without_cpu_or_traffic_record_nothing(store: Store) -> None:
    with store.writing() as session:
        assert not record_reading(session, "interlock_up_seconds 5\n")
        assert not record_reading(session, "interlock_start_time_seconds 1\ninterlock_cpu_seconds_total 5\n")


def test_totals_take_the_newest_days_storage() -> None:
    lines = [CostLine("storage.rows", "2024-03-02", storage_bytes=10, usd=0.1),
             CostLine("storage.rows", "2024-03-01", storage_bytes=900, usd=0.1), CostLine("train", "2024-03-01", cpu_seconds=60, usd=0.5)]
    assert totals(lines) == {"storage.rows": "0.200000 USD (10 bytes)", "train": "0.500000 USD (60.0 CPU seconds)"}
