"""`backup`, `restore` and `score` under a real Prefect server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from interlock.errors import SettingsError
from interlock.records.store import Store
from interlock.records.tables import Usage
from interlock.settings import Settings
from tests.control.scoring_world import NAME, Lender, applicants, write_csv
from tests.control.test_scoring import two_models  # noqa: F401 - a fixture
from tests.flows.test_runs import artifact


def test_a_batch_then_a_backup_and_its_rehearsal(installation: Settings, store: Store, two_models: tuple[Path, list[str]],  # noqa: F811
                                                 tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.backup import backup
    from flows.restore import restore
    from flows.score import score

    monkeypatch.setenv("INTERLOCK_USECASES_DIR", str(two_models[0]))
    shutil.copytree(two_models[0] / "packages", installation.folder("packages"), dirs_exist_ok=True)
    lender = Lender(installation.model_copy(update={"usecases_dir": two_models[0]}), store, two_models[1])
    lender.route_to(1)
    path = write_csv(tmp_path / "new.csv", applicants(50, 9))
    done = score(NAME, str(path), str(tmp_path / "out"))
    assert score(NAME, str(path), str(tmp_path / "out")) == done
    assert (done["answered"], done["refused"], done["version"]) == (50, 0, 1)
    assert "50" in artifact("score-lender")
    with store.reading() as session:
        assert {row.stage for row in session.query(Usage)} == {"score"}
    with pytest.raises(SettingsError, match="no folder to back up to"):
        backup()
    monkeypatch.setenv("INTERLOCK_BACKUP_TO", str(tmp_path / "vault"))
    manifest = Path(backup())
    assert manifest.parent.parent == tmp_path / "vault"
    assert str(manifest) .replace("_", "") in artifact("backup-all").replace("\\", "").replace("_", "")
    assert restore(str(tmp_path / "vault"), str(tmp_path / "new")) == str(tmp_path / "new")
    assert lender.digests[0] in artifact("restore-all").replace("\\", "")
    assert json.loads((tmp_path / "new" / "run" / "restored.json").read_text())["backup"] == str(manifest)
