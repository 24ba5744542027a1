"""Batches: the server's own answers, bit for bit; every row answered or refused with a reason; the same call changes nothing twice."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from interlock.control.scoring import job as scoring
from interlock.control.scoring.job import Summary
from interlock.control.scoring.parquet_out import ParquetFolder
from interlock.control.scoring.rows import Chunk, chunks
from interlock.control.scoring.sql_out import SqlTable
from interlock.control.scoring.targets import target_of
from interlock.errors import DecisionRefused, InterlockError, SettingsError, SourceError, StaleState, StoreError
from interlock.records import ledger
from interlock.records.compaction import compact, load_predictions
from interlock.records.ingest import ingest
from interlock.records.lake import lake_from
from interlock.records.pointer import Override, write_override
from interlock.records.store import Store, utc_now
from interlock.settings import Settings
from tests.control.scoring_world import DAY0, NAME, TOML, Lender, applicants, package, requests, write_csv
from tests.control.test_backup import Server, with_ports

MakeLender = Callable[..., Lender]


@pytest.fixture(scope="session")
def two_models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    from interlock.spec.load import load_use_case

    folder = tmp_path_factory.mktemp("lender")
    (folder / f"{NAME}.toml").write_text(TOML)
    return folder, [package(folder / "packages", load_use_case(folder / f"{NAME}.toml"), seed) for seed in (1, 2)]


@pytest.fixture
def lender(settings: Settings, store: Store, two_models: tuple[Path, list[str]]) -> Lender:
    shutil.copytree(two_models[0] / "packages", settings.folder("packages"), dirs_exist_ok=True)
    made = Lender(settings.model_copy(update={"usecases_dir": two_models[0], "data_dir": settings.home}), store, two_models[1])
    made.route_to(1)
    return made


def run(lender: Lender, source: Path | str, to: Path, **options: Any) -> Summary:
    return scoring.score(lender.settings, lender.store, lender.use_case, str(source), target_of(str(to), None),
                         **({"actor": "ana", "chunk_rows": 100} | options))


def answers(to: Path) -> pl.DataFrame:
    """All answers of a folder, as a reader of the data set gets them."""
    return pl.read_parquet(str(to / "answers/**/*.parquet"), hive_partitioning=False).sort("row_number")


def files(to: Path) -> dict[str, bytes]:
    return {path.relative_to(to).as_posix(): path.read_bytes() for path in to.rglob("*") if path.is_file() and path.name != "_job.json"}


def test_a_batch_has_the_answers_of_the_server_bit_for_bit(lender: Lender, tmp_path: Path) -> None:
    frame = applicants(350, 9)
    done = run(lender, write_csv(tmp_path / "new.csv", frame), tmp_path / "out")
    frame.drop("late").write_parquet(tmp_path / "new.parquet")
    run(lender, tmp_path / "new.parquet", tmp_path / "out2")
    settings = with_ports(lender.settings)
    with Server(settings) as client:
        client.converge(lender.route_to(1))
        served = client.predict(NAME, requests(frame))["predictions"]
    assert (done.rows, done.answered, done.refused, done.chunks) == (350, 350, 0, 4)
    for folder in ("out", "out2"):
        found = answers(tmp_path / folder)
        assert [(row["id"], row["score"], row["prediction"], row["version"], row["digest"], row["flags"]) for row in found.to_dicts()] == [
            (one["id"], one["score"], one["prediction"], one["version"], one["digest"], one["flags"]) for one in served]
    assert found["event_time"].to_list() == frame["at"].to_list()
    assert found["row_number"].to_list() == list(range(1, 351))


def test_bad_rows_are_kept_with_their_reasons_and_without_persons(lender: Lender, tmp_path: Path) -> None:
    broken = {"row3": {"income": "much"}, "row5": {"at": "soon"}, "row8": {"at": "1969-07-20T20:17:00Z"}, "row9": {"region": "moon"},
              "row11": {"income": "much", "debt": "none at all"}}
    path = write_csv(tmp_path / "new.csv", applicants(120, 9), **broken)
    with path.open("a") as file:
        file.write("k-x,2024-03-01T00:00:00Z,too@example.org,few\n")
    done = run(lender, path, tmp_path / "out")
    refused = pl.read_parquet(str(tmp_path / "out/refused/*.parquet")).sort("row_number")
    assert [(row["row_number"], row["reasons"]) for row in refused.to_dicts()] == [
        (3, ["type:income"]), (5, ["type:at", "event_time"]), (8, ["event_time: is too far in the past or the future"]),
        (11, ["type:income", "type:debt"]), (121, [refused["reason"][4]])]
    assert "example.org" not in " ".join(refused["raw"])
    assert (done.rows, done.answered, done.refused) == (121, 116, 5)
    assert answers(tmp_path / "out").filter(pl.col("row_number") == 9)["flags"].to_list() == [["unseen:region"]]
    assert done.reasons["type:income"] == 2
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_text())
    assert manifest["reasons"] == done.reasons
    assert set(manifest["files"]) == {name for name in files(tmp_path / "out") if name.endswith(".parquet")}


def test_the_same_call_again_changes_nothing_and_is_told_once(lender: Lender, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", applicants(250, 9), row7={"income": "much"})
    first = run(lender, path, tmp_path / "out", capture=True)
    before = files(tmp_path / "out")
    second = run(lender, path, tmp_path / "out", capture=True)
    assert (first.repeated, second.repeated, second.resumed) == (False, True, 3)
    assert files(tmp_path / "out") == before
    with lender.store.reading() as session:
        told = [ledger.body_of(entry) for entry in ledger.entries(session, kinds=[scoring.KIND])]
    assert [(one["actor"], one["source"], one["package"], one["rows"], one["answered"]) for one in told] == [
        ("ana", first.source_digest, lender.digests[0], 250, 249)]
    compact(lender.settings, lake_from(lender.settings))
    seen = load_predictions(lender.settings, NAME, DAY0, DAY0.replace(year=2025))
    assert seen.height == 249
    assert set(seen["_arm"]) == {"champion"}
    assert seen.sort("_request_id")["_score"].to_list() == answers(tmp_path / "out").sort("id")["score"].to_list()
    assert ledger.verify(lender.store).ok


def test_a_snapshot_is_answered_with_its_row_ids(lender: Lender, tmp_path: Path) -> None:
    frame = applicants(230, 4)
    path = write_csv(tmp_path / "home" / "loans.csv", frame)
    text = path.read_text().splitlines()
    path.write_text("\n".join([text[0] + ",late", *(f"{line},{late}" for line, late in zip(text[1:], frame["late"], strict=True))]) + "\n")
    made = ingest(lender.settings, lender.store, lender.use_case)
    done = run(lender, made.snapshot_digest, tmp_path / "out")
    assert (done.rows, done.answered, done.source_digest) == (230, 230, made.snapshot_digest)
    found = answers(tmp_path / "out")
    run(lender, write_csv(tmp_path / "same.csv", frame), tmp_path / "file")
    assert found["score"].to_list() == answers(tmp_path / "file")["score"].to_list()
    assert all(value.endswith(f"{number:09d}") for number, value in enumerate(found["id"], 1))
    with pytest.raises(InterlockError, match="no such snapshot"):
        run(lender, "sha256:" + "7" * 64, tmp_path / "other")


def test_results_in_a_table_are_one_transaction_a_chunk(lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESULTS", f"sqlite:///{tmp_path / 'results.db'}")
    path = write_csv(tmp_path / "new.csv", applicants(250, 9), row7={"income": "much"})
    to = target_of("answers", "RESULTS")
    done = scoring.score(lender.settings, lender.store, lender.use_case, str(path), to, actor="ana", chunk_rows=100)
    again = scoring.score(lender.settings, lender.store, lender.use_case, str(path), to, actor="ana", chunk_rows=100)
    assert (done.answered, done.refused, again.repeated) == (249, 1, True)
    run(lender, path, tmp_path / "out")
    with closing(sqlite3.connect(tmp_path / "results.db")) as database:
        rows = database.execute("SELECT id, score, prediction, version, digest, chunk FROM answers ORDER BY row_number").fetchall()
        assert database.execute("SELECT row_number, reason FROM answers_refused").fetchall() == [(7, "type:income")]
        assert database.execute("SELECT count(*) FROM answers_chunks").fetchone() == (4,)  # 3 chunks and the summary
    wanted = answers(tmp_path / "out")
    assert [row[:5] for row in rows] == wanted.select("id", "score", "prediction", "version", "digest").rows()
    assert [row[5] for row in rows] == [number // 100 for number in range(250) if number != 6]
    with pytest.raises(SettingsError, match="is not set"):
        target_of("answers", "NOWHERE")("binary")
    with pytest.raises(SettingsError, match="no name for a table"):
        target_of("answers; drop", "RESULTS")("binary")


def test_two_writers_of_one_chunk_give_one_chunk(lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second transaction fails as a whole, and that is no error: the chunk is there."""
    monkeypatch.setenv("RESULTS", f"sqlite:///{tmp_path / 'results.db'}")
    head = scoring.Head("sha256:" + "1" * 64, NAME, 1, lender.digests[0], "s", "d", 100, "2024-01-01T00:00:00.000000Z")
    with closing(SqlTable("t", "RESULTS", "binary")) as one, closing(SqlTable("t", "RESULTS", "binary")) as two:
        one.open(head)
        chunk, empty = Chunk(0), pl.DataFrame()
        for target in (one, two):
            target.write(head, scoring.counted(chunk, [], 0), empty, empty)
        assert list(two.open(head)) == [0]


def test_only_the_champion_or_an_approved_version_answers(lender: Lender, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", applicants(50, 9))
    with pytest.raises(DecisionRefused, match="nobody approved it"):
        run(lender, path, tmp_path / "out", version=2)
    lender.decide(2, kind="reject", state="failed")
    with pytest.raises(DecisionRefused, match="nobody approved it"):
        run(lender, path, tmp_path / "out", version=2)
    lender.decide(2)
    assert run(lender, path, tmp_path / "out", version=2).digest == lender.digests[1]
    with pytest.raises(StaleState, match="another batch"):
        run(lender, path, tmp_path / "out")
    with pytest.raises(SettingsError, match="only the champion"):
        run(lender, path, tmp_path / "out2", version=2, capture=True)
    with pytest.raises(StoreError, match="no version 3"):
        run(lender, path, tmp_path / "out", version=3)
    lender.decide(2, state="retired")
    with pytest.raises(DecisionRefused, match="it was retired"):
        run(lender, path, tmp_path / "out3", version=2)


def test_a_rollback_on_the_server_counts_before_the_store_knows_it(lender: Lender, tmp_path: Path) -> None:
    write_override(lender.settings.folder("run"), Override(use_case=NAME, id="night-1", generation=1, actor="cas", reason="r", at=utc_now(),
                                                           champion=lender.slot(2), previous=lender.slot(1)))
    assert run(lender, write_csv(tmp_path / "new.csv", applicants(20, 9)), tmp_path / "out").version == 2


@pytest.mark.parametrize(("change", "says"), [
    (lambda text: text.replace("income", "incme", 1), "lacks fields that the model needs"),
    (lambda text: text.replace("key,", "key,extra,", 1), "neither in .columns. nor a field"),
    (lambda text: "", "lacks fields|empty")])
def test_a_file_that_does_not_fit_is_refused_before_anything_is_written(lender: Lender, tmp_path: Path, change: Callable[[str], str],
                                                                         says: str) -> None:
    path = write_csv(tmp_path / "new.csv", applicants(20, 9))
    path.write_text(change(path.read_text()))
    with pytest.raises(SourceError, match=says):
        run(lender, path, tmp_path / "out")
    with pytest.raises(SourceError, match="no such file"):
        run(lender, tmp_path / "nowhere.csv", tmp_path / "out")
    with pytest.raises(SourceError, match="names persons"):
        run(lender, write_csv(tmp_path / "good.csv", applicants(20, 9)), tmp_path / "out", id_column="person")
    assert not (tmp_path / "out").exists()


def test_rows_without_id_or_time_get_the_same_ones_at_every_attempt(lender: Lender, tmp_path: Path) -> None:
    frame = applicants(150, 9).drop("key", "at")
    frame.drop("late").write_csv(tmp_path / "new.csv")
    first = run(lender, tmp_path / "new.csv", tmp_path / "out")
    found = answers(tmp_path / "out")
    assert found["id"].to_list() == [f"{first.source_digest[7:19]}-{number:09d}" for number in range(1, 151)]
    assert found["event_time"].n_unique() == 1
    before = files(tmp_path / "out")
    for path in [*(tmp_path / "out" / "_progress").iterdir(), *(tmp_path / "out").rglob("*.parquet"), tmp_path / "out" / "_manifest.json"]:
        path.unlink()
    run(lender, tmp_path / "new.csv", tmp_path / "out")
    assert files(tmp_path / "out") == before


def test_chunks_depend_on_the_rows_alone(lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from interlock.control.scoring import file_rows
    from interlock.control.scoring.file_rows import FileRows
    from interlock.modeling.package import read_package
    from interlock.records import byte_blocks

    manifest = read_package(lender.settings.folder("packages"), lender.digests[0]).manifest
    path = write_csv(tmp_path / "new.csv", applicants(698, 9), row650={"income": "much"})
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "few,cells", *lines[1:], "few"]) + "\n")
    whole = list(chunks(FileRows(lender.use_case, path, manifest, DAY0), 60))
    monkeypatch.setattr(file_rows, "PART_ROWS", 7)
    assert list(chunks(FileRows(lender.use_case, path, manifest, DAY0), 60)) == whole
    monkeypatch.setattr(byte_blocks.RecordBlocks.__init__, "__defaults__", (4_096,))
    assert list(chunks(FileRows(lender.use_case, path, manifest, DAY0), 60)) == whole
    assert [chunk.rows for chunk in whole] == [60] * 11 + [40]
    assert [row.number for chunk in whole for row in chunk.refused] == [1, 651, 700]


def test_a_folder_of_something_else_is_not_written_to(lender: Lender, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(SettingsError, match="not empty"):
        run(lender, write_csv(tmp_path / "new.csv", applicants(20, 9)), tmp_path / "out")


def test_a_chunk_that_counts_before_it_is_written_is_found_out(lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken on purpose: progress first, data afterwards. A crash in between then loses the chunk, which the honest order never does."""
    path = write_csv(tmp_path / "new.csv", applicants(250, 9))

    def crash_in_the_second_chunk(to: Path) -> int:
        def stop(*_: Any) -> None:
            raise KeyboardInterrupt

        honest, calls = ParquetFolder._put, [0]

        def dying(self: ParquetFolder, *given: Any) -> None:
            calls[0] += 1
            honest(self, *given) if calls[0] != 2 else stop()

        with monkeypatch.context() as patch:
            patch.setattr(ParquetFolder, "_put", dying)
            with pytest.raises(KeyboardInterrupt):
                run(lender, path, to)
        run(lender, path, to)
        return answers(to).height

    assert crash_in_the_second_chunk(tmp_path / "out") == 250
    write = ParquetFolder.write

    def progress_first(self: ParquetFolder, head: Any, done: Any, found: pl.DataFrame, refused: pl.DataFrame) -> Any:
        write(self, head, done, found.clear(), refused.clear())
        return write(self, head, done, found, refused)

    monkeypatch.setattr(ParquetFolder, "write", progress_first)
    assert crash_in_the_second_chunk(tmp_path / "broken") < 250


def test_of_two_that_begin_at_once_one_settles_what_the_job_is(lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, write, refused = write_csv(tmp_path / "new.csv", applicants(50, 9)), scoring.write_durably, []

    def meanwhile(target: Path, data: bytes) -> None:
        monkeypatch.setattr(scoring, "write_durably", write)
        with pytest.raises(StaleState, match="being scored already") as caught:  # the same call, before the first has settled its time
            run(lender, path, tmp_path / "out")
        refused.append(caught.value)
        write(target, data)

    monkeypatch.setattr(scoring, "write_durably", meanwhile)
    assert (run(lender, path, tmp_path / "out").answered, len(refused)) == (50, 1)
