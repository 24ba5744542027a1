"""The profile and warnings of a snapshot are the same whether its rows are still in memory or are read from the lake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from interlock.records import byte_blocks, summaries
from interlock.records.ingest import ingest
from interlock.records.lake import lake_from
from interlock.records.snapshots import batches_of, latest_snapshot, row_files, source_entry
from interlock.records.store import Store
from interlock.records.tables import Batch
from interlock.settings import Settings
from interlock.spec.usecase import UseCase
from reports.profiles import Profile


@pytest.fixture
def use_case(tmp_path: Path, make_use_case: Any, monkeypatch: pytest.MonkeyPatch) -> UseCase:
    """600 rows in many blocks, of which every 50th is refused; one column is empty, all labels are the same."""
    monkeypatch.setattr(byte_blocks.RecordBlocks.__init__, "__defaults__", (2_000,))
    lines = [f"{n},2024-01-{n % 28 + 1:02d}T00:00:00Z,{'x' if n % 50 == 0 else n % 90},,{n / 7:.3f},yes" for n in range(600)]
    path = tmp_path / "rows.csv"
    path.write_text("id,at,age,city,pay,y\n" + "\n".join(lines) + "\n")
    found: UseCase = make_use_case(path)
    return found


def files_of(store: Store) -> list[dict[str, Any]]:
    with store.reading() as session:
        [batch] = session.query(Batch).all()
        return row_files(batches_of(session, "tiny", source_entry(batch)["contract"]))


@pytest.mark.parametrize("cells", [0, 1_000, 20_000_000])
def test_memory_or_lake_is_one_summary(settings: Settings, store: Store, use_case: UseCase, cells: int,
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "CELLS_AT_ONCE", cells)
    result = ingest(settings, store, use_case)
    assert (result.rows_total, result.quarantined) == (588, 12)
    snapshot, lake = latest_snapshot(store, "tiny"), lake_from(settings)
    assert snapshot is not None
    assert len(snapshot.manifest["files"]) > 5
    summary, profile = summaries.summarise(lake, use_case, files_of(store), summaries.Fresh(use_case))
    stored = lake.get(snapshot.manifest["profile_key"])
    assert profile.published(use_case.privacy.suppress_below).to_json() == stored
    assert summary.warnings(use_case) == result.warnings
    assert [warning.split(":")[0] for warning in result.warnings][:2] == ["column 'city' is empty in all 588 rows",
                                                                          "all labels are the same (1.0)"]
    assert (summary.span[0], summary.span[1]) == (snapshot.time_from, snapshot.time_to)
    assert Profile.from_json(stored).rows == 588


def test_refused_rows_of_many_blocks_lie_in_one_file(settings: Settings, store: Store, use_case: UseCase) -> None:
    ingest(settings, store, use_case)
    with store.reading() as session:
        [batch] = session.query(Batch).all()
    assert [entry["rows"] for entry in batch.files if entry["kind"] == "quarantine"] == [12]
