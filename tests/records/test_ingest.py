"""Ingestion: every reason named, nothing lost, nothing taken twice, whatever crashes or is replayed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import func, select

from interlock.errors import DataError, SourceError, StaleState
from interlock.records import ingest as ingestion
from interlock.records.ingest import ingest
from interlock.records.lake import lake_from, read_frames
from interlock.records.snapshots import latest_snapshot, load_snapshot, quarantined_rows
from interlock.records.store import Store
from interlock.records.tables import Batch, Snapshot
from interlock.settings import Settings

HEADER = "id,at,age,city,pay,y\n"


def rows(first: int, last: int, month: int = 1) -> str:
    return "".join(f"{n},2024-{month:02d}-{1 + n % 28:02d}T10:00:00Z,{20 + n % 50},Graz,{n}.5,{'yes' if n % 3 else 'no'}\n"
                   for n in range(first, last))


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.csv"
    file.write_text(HEADER + rows(0, 30))
    return file


def stored(store: Store) -> tuple[int, int]:
    with store.reading() as session:
        return tuple(session.scalar(select(func.count()).select_from(table)) for table in (Batch, Snapshot))  # type: ignore[return-value]


def test_each_broken_rule_is_named_and_the_raw_values_are_kept(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    broken = "5,2024-01-01T00:00:00Z,-4,Graz,1e999,maybe\n3,yesterday,old,Graz,1,yes\n6,2024-01-02,,,,\n"
    csv.write_text(HEADER + rows(0, 5) + broken)
    result = ingest(settings, store, make_use_case(csv))
    assert (result.rows_total, result.quarantined) == (5, 3)
    refused = quarantined_rows(settings, store, "tiny", 10).sort("_row_number")
    assert refused["_reasons"].to_list() == [["type:pay", "min:age", "values:y"],  # -4 years; not finite; not a value of y
                                             ["type:at", "type:age", "unique:id", "event_time"], ["missing:age"]]
    assert refused.select("_row_number", "id", "age", "pay", "y").rows() == [
        (6, "5", "-4", "1e999", "maybe"), (7, "3", "old", "1", "yes"), (8, "6", "", "", "")]
    assert refused["_source"].unique().to_list() == ["tiny.csv"]
    assert result.reasons["min:age"] == 1


def test_running_again_changes_nothing(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    first = ingest(settings, store, make_use_case(csv))
    before, files = stored(store), sorted(settings.folder("lake").rglob("*"))
    second = ingest(settings, store, make_use_case(csv))
    assert (second.snapshot_digest, second.changed, second.new_rows, second.rows_total) == (first.snapshot_digest, False, 0, 30)
    assert (stored(store), sorted(settings.folder("lake").rglob("*"))) == (before, files)


def test_the_same_rows_make_the_same_snapshot_in_another_installation(settings: Settings, store: Store, csv: Path, make_use_case: Any,
                                                                     tmp_path: Path) -> None:
    from interlock.records.migrate import migrate
    from interlock.records.store import open_store

    other = settings.model_copy(update={"home": tmp_path / "other"})
    migrate(other)
    there = open_store(other)
    assert ingest(settings, store, make_use_case(csv)).snapshot_digest == ingest(other, there, make_use_case(csv)).snapshot_digest
    there.close()


def test_as_of_takes_the_rows_before_it_and_the_rest_later(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    use_case = make_use_case(csv)
    csv.write_text(HEADER + rows(0, 30) + rows(30, 50, month=2) + rows(50, 60, month=3) + "99,never,1,a,1,yes\n")
    january = ingest(settings, store, use_case, as_of=datetime(2024, 2, 1, tzinfo=UTC))
    assert (january.rows_total, january.quarantined) == (30, 1)  # a row without a time belongs to the first window
    again = ingest(settings, store, use_case, as_of=datetime(2024, 2, 1, tzinfo=UTC))
    earlier = ingest(settings, store, use_case, as_of=datetime(2024, 1, 5, tzinfo=UTC))
    assert (again.changed, earlier.changed, earlier.snapshot_digest) == (False, False, january.snapshot_digest)
    february = ingest(settings, store, use_case, as_of=datetime(2024, 3, 1, tzinfo=UTC))
    assert (february.rows_total, february.new_rows, february.quarantined) == (50, 20, 1)
    everything = ingest(settings, store, use_case)
    assert (everything.rows_total, everything.new_rows) == (60, 10)
    assert load_snapshot(settings, store, everything.snapshot_digest)["_row_id"].n_unique() == 60
    assert load_snapshot(settings, store, january.snapshot_digest).height == 30  # snapshots do not change


def test_a_crash_between_files_and_transaction_changes_nothing(settings: Settings, store: Store, csv: Path, make_use_case: Any,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    def power_cut(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(ingestion, "unchanged", power_cut)
        with pytest.raises(KeyboardInterrupt):
            ingest(settings, store, make_use_case(csv))
    lake = lake_from(settings)
    written = lake.keys("tiny", "rows")
    assert (len(written), stored(store), latest_snapshot(store, "tiny")) == (1, (0, 0), None)
    assert ingest(settings, store, make_use_case(csv)).rows_total == 30
    assert lake.keys("tiny", "rows") == written  # the same bytes found their place again


def test_a_crash_between_the_rows_and_their_snapshot_is_made_good(settings: Settings, store: Store, csv: Path, make_use_case: Any,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    def power_cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(ingestion, "_record", power_cut)
        with pytest.raises(KeyboardInterrupt):
            ingest(settings, store, make_use_case(csv))
    assert stored(store) == (1, 0)
    result = ingest(settings, store, make_use_case(csv))
    assert (result.rows_total, result.new_rows, stored(store)) == (30, 0, (1, 1))


def test_of_two_ingestions_at_once_only_one_takes_the_rows(settings: Settings, store: Store, csv: Path, make_use_case: Any,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    judge = ingestion.judge_block

    def overtaken(*arguments: Any, **details: Any) -> Any:
        judged = judge(*arguments, **details)
        with monkeypatch.context() as plain:
            plain.setattr(ingestion, "judge_block", judge)
            ingest(settings, store, make_use_case(csv))
        return judged

    monkeypatch.setattr(ingestion, "judge_block", overtaken)
    with pytest.raises(StaleState, match="another ingestion"):
        ingest(settings, store, make_use_case(csv))
    snapshot = latest_snapshot(store, "tiny")
    assert snapshot is not None
    assert (snapshot.rows, stored(store)) == (30, (1, 1))


def test_a_file_that_grew_gives_only_its_new_rows(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    ingest(settings, store, make_use_case(csv))
    with csv.open("a") as file:
        file.write(rows(30, 40, month=2))
    grown = ingest(settings, store, make_use_case(csv))
    assert (grown.rows_total, grown.new_rows, grown.quarantined) == (40, 10, 0)
    with csv.open("a") as file:
        file.write(rows(40, 45, month=3))
    assert ingest(settings, store, make_use_case(csv)).new_rows == 5
    assert not ingest(settings, store, make_use_case(csv)).changed


def test_a_file_that_was_rewritten_is_refused(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    before = ingest(settings, store, make_use_case(csv))
    csv.write_text(HEADER + rows(1, 31))
    with pytest.raises(SourceError, match="changed after it was taken in"):
        ingest(settings, store, make_use_case(csv))
    snapshot = latest_snapshot(store, "tiny")
    assert snapshot is not None
    assert snapshot.digest == before.snapshot_digest


def test_a_glob_takes_new_files_and_one_content_only_once(settings: Settings, store: Store, tmp_path: Path, make_use_case: Any) -> None:
    (tmp_path / "part-1.csv").write_text(HEADER + rows(0, 10))
    (tmp_path / "part-1-copy.csv").write_text(HEADER + rows(0, 10))
    use_case = make_use_case(tmp_path / "part-*.csv")
    assert ingest(settings, store, use_case).rows_total == 10
    (tmp_path / "part-2.csv").write_text(HEADER + rows(5, 20, month=2))
    result = ingest(settings, store, use_case)
    assert (result.rows_total, result.reasons) == (20, {"unique:id": 5})  # ids 5 to 9 were there already


def test_an_edit_that_does_not_touch_rows_keeps_the_snapshot_and_a_stricter_rule_judges_anew(
        settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    first = ingest(settings, store, make_use_case(csv))
    assert ingest(settings, store, make_use_case(csv, owner="others")).snapshot_digest == first.snapshot_digest
    strict = make_use_case(csv, checks=[{"name": "adult", "kind": "range", "column": "age", "min": 30}])
    second = ingest(settings, store, strict)
    assert (second.rows_total, second.reasons) == (20, {"adult": 10})  # ages are 20 to 49, ten of them below 30
    assert load_snapshot(settings, store, first.snapshot_digest).height == 30
    back = ingest(settings, store, make_use_case(csv))
    newest = latest_snapshot(store, "tiny")
    assert newest is not None
    assert (back.snapshot_digest, newest.digest) == (first.snapshot_digest, first.snapshot_digest)


@pytest.mark.parametrize(("check", "ages"), [
    ({"name": "own", "kind": "range", "column": "age", "max": 22}, [20, 21, 22]),
    ({"name": "own", "kind": "set", "column": "age", "values": [20, 25]}, [20, 25]),
    ({"name": "own", "kind": "regex", "column": "age", "pattern": "2[3-5]"}, [23, 24, 25]),
    ({"name": "own", "kind": "compare", "column": "age", "operator": "<", "other": "pay"}, [25]),
])
def test_own_checks_refuse_under_their_name(settings: Settings, store: Store, csv: Path, make_use_case: Any, check: dict[str, Any],
                                            ages: list[int]) -> None:
    csv.write_text(HEADER + "".join(f"{age},2024-01-01,{age},Graz,{99 if age == 25 else 1},yes\n" for age in range(20, 30)))
    result = ingest(settings, store, make_use_case(csv, checks=[check]))
    assert load_snapshot(settings, store, result.snapshot_digest)["age"].to_list() == ages
    assert result.reasons == {"own": 10 - len(ages)}


def test_a_damaged_file_of_the_lake_is_an_error_never_an_answer(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    result = ingest(settings, store, make_use_case(csv))
    path = settings.folder("lake") / lake_from(settings).keys("tiny", "rows")[0]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match="altered"):
        load_snapshot(settings, store, result.snapshot_digest)
    path.unlink()
    with pytest.raises(DataError, match="missing"):
        load_snapshot(settings, store, result.snapshot_digest)


def test_the_profile_is_stored_with_the_snapshot(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    from reports.profiles import Profile

    ingest(settings, store, make_use_case(csv))
    snapshot = latest_snapshot(store, "tiny")
    assert snapshot is not None
    profile = Profile.from_json(lake_from(settings).get(snapshot.manifest["profile_key"]))
    assert (profile.rows, sorted(profile.columns)) == (30, ["age", "city", "pay", "y"])
    assert (snapshot.rows, snapshot.time_from, snapshot.time_to) == (
        30, datetime(2024, 1, 1, 10, tzinfo=UTC), datetime(2024, 1, 28, 10, tzinfo=UTC))


def test_a_subject_is_a_token_everywhere(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    use_case = make_use_case(csv)
    columns = {name: column.model_dump() for name, column in use_case.columns.items()}
    columns["city"] |= {"role": "subject", "unique": True}
    csv.write_text(HEADER + "1,2024-01-01,30,Anna,1,yes\n2,2024-01-01,30,Berta,1,no\n"
                   "3,2024-01-01,30,Anna,1,no\n4,2024-01-01,-1,Carla,1,no\n5,2024-01-01,30,Dora,1,no,surplus\n")
    private = make_use_case(csv, columns=columns)
    result = ingest(settings, store, private)
    assert result.reasons == {"fields:7_instead_of_6": 1, "min:age": 1, "unique:city": 1}
    for path in settings.home.rglob("*"):
        if path.is_file():
            content = path.read_bytes() if path.suffix != ".parquet" else read_frames(
                lake_from(settings), [path.relative_to(settings.folder("lake")).as_posix()]).write_ndjson().encode()
            assert not [name for name in (b"Anna", b"Berta", b"Carla", b"Dora") if name in content], path
    kept = load_snapshot(settings, store, result.snapshot_digest)["city"]
    assert kept.str.contains(r"^tok_[0-9a-f]{32}$").all()
    key = settings.home / "keys" / "tiny.key"
    assert (key.stat().st_mode & 0o777, len(key.read_bytes())) == (0o600, 32)


def test_rows_without_a_clock_have_the_time_of_their_ingestion(settings: Settings, store: Store, csv: Path, make_use_case: Any) -> None:
    moment = datetime(2025, 5, 4, tzinfo=UTC)
    use_case = make_use_case(csv, time={}, training={"split": "seeded"}, labels={"delay_hours": 12})
    result = ingest(settings, store, use_case, as_of=moment)
    frame = load_snapshot(settings, store, result.snapshot_digest)
    assert frame.select(pl.col("_event_time", "_seen_time", "_label_seen_time").unique()).row(0) == (moment, moment, moment)
    assert frame["id"].to_list() == list(range(30))
    assert not ingest(settings, store, use_case).changed


def test_row_order_as_the_clock_runs_on_from_file_to_file_and_counts_refused_rows(
        settings: Settings, store: Store, tmp_path: Path, make_use_case: Any) -> None:
    (tmp_path / "part-1.csv").write_text(HEADER + "1,x,30,a,1,yes\n2,x,-5,a,1,yes\n3,x,30,a,1,yes\n")
    clock = {"row_start": "2024-01-01T00:00:00Z", "row_step_minutes": 60}
    columns = {name: column.model_dump() for name, column in make_use_case(tmp_path).columns.items()}
    columns["at"] = {"type": "text", "role": "ignore"}
    use_case = make_use_case(tmp_path / "part-*.csv", time=clock, columns=columns)
    assert ingest(settings, store, use_case, as_of=datetime(2024, 1, 1, 2, tzinfo=UTC)).rows_total == 1  # the second row was refused
    (tmp_path / "part-2.csv").write_text(HEADER + "4,x,30,a,1,yes\n")
    result = ingest(settings, store, use_case)
    frame = load_snapshot(settings, store, result.snapshot_digest)
    assert [(row["id"], row["_event_time"].hour) for row in frame.iter_rows(named=True)] == [(1, 0), (3, 2), (4, 3)]


def test_a_snapshot_that_does_not_exist_is_told(settings: Settings, store: Store) -> None:
    assert latest_snapshot(store, "tiny") is None
    assert quarantined_rows(settings, store, "tiny", 10).is_empty()
    with pytest.raises(DataError, match="no such snapshot"):
        load_snapshot(settings, store, "sha256:" + "0" * 64)
