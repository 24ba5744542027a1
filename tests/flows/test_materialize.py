"""`materialize` under a real Prefect server: tables by view, the same again for the same moment, nothing where there is no view."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.errors import DataError
from interlock.modeling.features import epoch_micros
from interlock.records.ingest import ingest
from interlock.records.online import read_table, table_path
from interlock.records.store import Store
from interlock.records.tables import Usage
from interlock.settings import Settings
from interlock.spec.load import load_use_case
from tests.flows.test_runs import artifact
from tests.serving.test_features_over_http import COLUMNS, END, FEATURES, HEAD, VIEW, write_rows


def test_tables_are_written_by_whoever_reads_or_feeds_the_view(installation: Settings, store: Store, tmp_path: Path,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.materialize import materialize

    folder = tmp_path / "own"
    (folder / "views").mkdir(parents=True)
    (folder / "views" / "cards.toml").write_text(VIEW)
    (folder / "payments.toml").write_text(HEAD.format(name="payments") + COLUMNS)
    (folder / "refunds.toml").write_text(HEAD.format(name="refunds") + COLUMNS + FEATURES)
    write_rows(folder / "payments.csv", 1, 300)
    monkeypatch.setenv("INTERLOCK_USECASES_DIR", str(folder))
    monkeypatch.setenv("INTERLOCK_DATA_DIR", str(folder))
    with pytest.raises(DataError, match="has no rows"):
        materialize("refunds", as_of=END.isoformat())
    snapshot = ingest(installation.model_copy(update={"data_dir": folder}), store, load_use_case(folder / "payments.toml")).snapshot_digest

    first = materialize("refunds", as_of=END.isoformat())
    table = read_table(table_path(installation.home.resolve(), "cards"))
    assert first == {"cards": table.digest} == materialize("payments", as_of=END.isoformat())
    assert (table.head.snapshot, table.head.entities, table.head.made_us) == (snapshot, 25, epoch_micros(END))
    assert "25 entities" in artifact("materialize-refunds")
    with store.reading() as session:
        assert {(row.stage, row.use_case) for row in session.query(Usage)} == {("materialize", "refunds"), ("materialize", "payments")}


def test_a_use_case_without_views_has_nothing_to_write(installation: Settings, store: Store) -> None:
    from flows.materialize import materialize

    assert materialize("loan_approvals") == {}
    assert "none" in artifact("materialize-loan-approvals")
    assert not (installation.home / "online").exists()
