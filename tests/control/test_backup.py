"""Backup and restore of a real installation: consistent under writers, verified by every digest and the ledger, safe to kill."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from interlock.control.backups import bucket as buckets
from interlock.control.backups import confirming, restoring, schedule
from interlock.control.backups import vault as vaults
from interlock.control.backups.bucket import Copied, copy_out, folder_of
from interlock.control.backups.contents import CAPTURED_KINDS, LAKE_KINDS, made_anew_of
from interlock.control.backups.making import Made, make_backup
from interlock.control.backups.restoring import check_backup, restore
from interlock.control.backups.store_copy import copy_store, load_copy
from interlock.control.backups.vault import Vault, read_backup
from interlock.control.decisions import actions
from interlock.control.embedded import EmbeddedEndpoint
from interlock.control.keeping.keeper import run as run_keeper
from interlock.control.keeping.reconciler import reconcile
from interlock.control.readmodel.overview import overview
from interlock.control.releases import deploying
from interlock.control.stack import lifecycle
from interlock.control.status import status
from interlock.errors import InterlockError, SettingsError, StaleState, StoreError
from interlock.modeling.package import read_package
from interlock.records import ledger
from interlock.records.compaction import TIME_COLUMN, compact, load_predictions
from interlock.records.ids import new_id
from interlock.records.lake import lake_from
from interlock.records.lake_s3 import s3_client
from interlock.records.snapshots import latest_snapshot, load_snapshot
from interlock.records.store import Store
from interlock.records.tables import Alert, Outbox
from interlock.rules.canonical import canonical, digest_bytes
from interlock.serving.client import ServingClient
from interlock.serving.keys import Key, write_keys
from interlock.settings import Settings, settings_environment
from tests.blocks.conftest import s3_url as s3_url
from tests.conftest import free_port
from tests.control.test_real_server import until
from tests.control.trial_bench import NAME, Bench, census

KILL = """
import os, signal, sys
from pathlib import Path
from interlock.control.backups.making import make_backup
from interlock.records.store import open_store
from interlock.settings import load_settings
settings = load_settings()
wanted = sys.argv[2]
make_backup(settings, open_store(settings), Path(sys.argv[1]),
            after=lambda step: os.kill(os.getpid(), signal.SIGKILL) if step == wanted else None)
"""


@dataclass
class Installed:
    """A trained, validated and deployed use case, with predictions captured by a real server."""

    bench: Bench
    digest: str
    records: list[dict[str, Any]]
    answers: list[dict[str, Any]]

    @property
    def settings(self) -> Settings:
        return self.bench.settings

    @property
    def store(self) -> Store:
        return self.bench.store


class Server:
    """A prediction server of an installation, ended with SIGTERM."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.process = subprocess.Popen([sys.executable, "-m", "interlock.serving"], env=os.environ | settings_environment(settings))

    def __enter__(self) -> ServingClient:
        self.client = ServingClient(self.settings)
        until(lambda: self.client.health()["workers_live"] == 1)
        return self.client

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(15)




def with_ports(settings: Settings, **more: Any) -> Settings:
    return settings.model_copy(update={f"{part}_port": free_port() for part in ("predictions", "control")} | more)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Iterator[Installed]:
    bench = Bench(tmp_path_factory.mktemp("installed"), *census(data_dir, 2_000, 900))
    bench.settings = with_ports(bench.settings)
    candidate = bench.make(more="[rollout]\nsteps = []\nprobation_s = 0\n[approval]\nexpires_hours = 72")
    evidence = bench.judge(candidate)
    waived = [gate.gate for gate in evidence.gates if gate.verdict.value != "pass"]
    if waived:
        actions.waive(bench.settings, bench.store, actor="ana", evidence_digest=evidence.seal(), gates=waived, reason="a test", hours=48,
                      nonce=new_id())
    receipt = actions.approve(bench.settings, bench.store, actor="ben", evidence_digest=evidence.seal(), reason="all clear", nonce=new_id(),
                              expected_generation=0)
    records = _records(bench, candidate.package_digest)
    with Server(bench.settings) as client, closing(EmbeddedEndpoint(bench.settings)) as endpoint:
        deploying.carry_out(bench.settings, bench.store, endpoint, str(receipt.release_id))
        until(lambda: deploying.carry_out(bench.settings, bench.store, endpoint, str(receipt.release_id)).state in {"probation", "live"}
              and endpoint.observed(NAME).generation > 0)
        answers = client.predict(NAME, records)["predictions"]
        compact(bench.settings, lake_from(bench.settings))
        client.predict(NAME, [record | {"id": f"late-{record['id']}"} for record in records])  # stays in a segment
    yield Installed(bench, candidate.package_digest, records, answers)
    bench.store.close()


def _records(bench: Bench, digest: str) -> list[dict[str, Any]]:
    fields = [spec.name for spec in read_package(bench.settings.folder("packages"), digest).manifest.features.specs]
    rows = bench.test.head(40).select(fields).to_dicts()
    return [row | {"id": f"r-{number}"} for number, row in enumerate(rows)]


def back_up(installed: Installed, target: Path, **options: Any) -> Made:
    return make_backup(installed.settings, installed.store, target, **options)


def test_backed_up_while_others_write_and_restored_elsewhere_it_answers_bit_for_bit(installed: Installed, tmp_path: Path) -> None:
    ended = threading.Event()

    def write() -> None:
        with closing(Store(installed.settings.store_address)) as other:
            number = 0
            while not ended.is_set():
                number += 1
                with other.writing() as session:
                    ledger.append(session, "test.noise", {"sentence": "noise", "number": number})
                ended.wait(0.005)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = back_up(installed, tmp_path / "vault")
    finally:
        ended.set()
        writer.join()
    assert ledger.verify(installed.store, made.head).ok
    done = restore(installed.settings, tmp_path / "vault", tmp_path / "new")
    assert done.head == made.head
    assert list(done.routes) == [NAME]
    assert any("keys" in note for note in done.notes)
    assert not (tmp_path / "new" / "keys").exists()
    settings = with_ports(installed.settings, home=tmp_path / "new", usecases_dir=tmp_path / "new" / "usecases")
    with closing(Store(settings.store_address)) as store:
        _nothing_works_before_a_person_says_so(settings, store)
        assert confirming.confirm(settings, store, actor="ana", reason="rehearsal") == made.head.seq + 1
        with pytest.raises(StaleState):
            confirming.confirm(settings, store, actor="ana", reason="rehearsal")
        with Server(settings) as client, closing(EmbeddedEndpoint(settings)) as endpoint:
            assert reconcile(settings, store, endpoint, NAME).found == "converged"
            answers = client.predict(NAME, installed.records)["predictions"]
        assert {answer["digest"] for answer in answers} == {installed.digest}
        assert answers == installed.answers
        assert ledger.verify(store, made.head).ok
        _same_rows(installed, settings, store)


def _nothing_works_before_a_person_says_so(settings: Settings, store: Store) -> None:
    for start in (lambda: run_keeper(settings, store), lambda: lifecycle.up(settings, print)):
        with pytest.raises(SettingsError, match="nobody confirmed"):
            start()


def _same_rows(installed: Installed, settings: Settings, store: Store) -> None:
    """Snapshot, compacted and not yet compacted predictions: 40 of each, and after compaction of the copy 80 (+ 40 of the test)."""
    digest = latest_snapshot(store, NAME).digest  # type: ignore[union-attr]
    assert load_snapshot(settings, store, digest).equals(load_snapshot(installed.settings, installed.store, digest))
    day = datetime.fromisoformat("1990-01-01T00:00:00+00:00")
    assert load_predictions(settings, NAME, day, day + timedelta(days=40_000)).height == 40
    compact(settings, lake_from(settings))
    ids = set(load_predictions(settings, NAME, day, day + timedelta(days=40_000))["_request_id"])
    assert ids == {f"{kind}r-{number}" for number in range(40) for kind in ("", "late-")}


def test_the_second_backup_copies_only_what_is_new_and_old_ones_go(installed: Installed, tmp_path: Path) -> None:
    first = back_up(installed, tmp_path / "vault")
    second = back_up(installed, tmp_path / "vault")
    store_bytes = read_backup(second.path)[0]["store"]["bytes"]
    assert first.new_bytes > second.new_bytes == store_bytes  # the ledger entry about the first backup, nothing else
    oldest = Vault(tmp_path / "vault").path(read_backup(first.path)[0]["store"]["digest"])
    assert oldest.is_file()
    third = back_up(installed, tmp_path / "vault", keep=2)
    assert Vault(tmp_path / "vault").backups() == [second.path, third.path]
    assert not oldest.exists()
    for path in (second.path, third.path):
        check_backup(path)
    with installed.store.reading() as session:
        told = ledger.body_of(ledger.entries(session, kinds=["backup.made"])[0])
    assert (told["digest"], told["head"]["hash"]) == (third.digest, third.head.hash)


@pytest.fixture(scope="module")
def kept(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good backup; tests copy it before they damage it."""
    vault = tmp_path_factory.mktemp("kept") / "vault"
    back_up(installed, vault)
    return vault


@pytest.fixture
def damaged(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "vault"))


def refused(installed: Installed, vault: Path, tmp_path: Path, **options: Any) -> str:
    """The restore is refused, and there is no new home."""
    with pytest.raises(InterlockError) as caught:
        restore(installed.settings, vault, tmp_path / "new", **options)
    assert sorted(path.name for path in tmp_path.iterdir() if "new" in path.name) == []
    return str(caught.value)


def object_of(vault: Path, suffix: str) -> Path:
    body, _ = read_backup(Vault(vault).backups()[-1])
    entry = next(entry for entry in [*body["files"], *body["lake"]["files"]] if (entry.get("path") or entry["key"]).endswith(suffix))
    return Vault(vault).path(entry["digest"])


@pytest.mark.parametrize("suffix", ["model.ubj", ".seg", ".toml", ".parquet", "compaction.json"])
def test_a_flipped_byte_or_a_missing_file_is_named_and_refused(installed: Installed, damaged: Path, tmp_path: Path, suffix: str) -> None:
    path = object_of(damaged, suffix)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    assert "was altered" in (said := refused(installed, damaged, tmp_path))
    assert suffix in said
    path.unlink()
    assert "is missing" in refused(installed, damaged, tmp_path)


def test_a_cut_or_edited_manifest_is_refused(installed: Installed, damaged: Path, tmp_path: Path) -> None:
    path = Vault(damaged).backups()[-1]
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    assert "not whole" in refused(installed, damaged, tmp_path)
    path.write_bytes(whole.replace(b'"team":"default"', b'"team":"another"'))
    assert "altered" in refused(installed, damaged, tmp_path)


def edit_store(vault: Path, statement: str) -> None:
    """Change the store inside a backup and make every digest of the backup right again: only the ledger can show it."""
    path = Vault(vault).backups()[-1]
    body, _ = read_backup(path)
    store = Vault(vault).path(body["store"]["digest"])
    with closing(sqlite3.connect(store)) as database:
        database.execute(statement)
        database.commit()
        database.execute("PRAGMA journal_mode=DELETE")
    data = store.read_bytes()
    kept = Vault(vault).put_bytes(data)
    body["store"] |= {"digest": kept.digest, "bytes": kept.size}
    path.write_bytes(canonical({"body": body, "digest": digest_bytes(canonical(body))}))


@pytest.mark.parametrize(("statement", "says"), [
    ("UPDATE ledger SET body = replace(body, 'ben', 'eve')", "was changed after it was written"),
    ("DELETE FROM ledger WHERE seq = (SELECT max(seq) FROM ledger)", "the tail is cut"),
    ("DELETE FROM ledger WHERE seq = 2", "entries are missing")])
def test_an_edited_ledger_is_refused_although_every_digest_is_right(installed: Installed, damaged: Path, tmp_path: Path, statement: str,
                                                                    says: str) -> None:
    edit_store(damaged, statement)
    check_backup(damaged)
    assert says in refused(installed, damaged, tmp_path)


@pytest.mark.parametrize("statement", [
    "UPDATE routes SET body = json_set(body, '$.champion.version', 9)", "UPDATE routes SET body = json_set(body, '$.candidate_percent', 7)",
    "DELETE FROM routes"])
def test_a_route_that_the_ledger_does_not_tell_of_is_refused(installed: Installed, damaged: Path, tmp_path: Path, statement: str) -> None:
    edit_store(damaged, statement)
    check_backup(damaged)
    assert "is not the one that the ledger tells of" in refused(installed, damaged, tmp_path)


@pytest.mark.parametrize("planted", ["run/overrides/small.json", "keys/clients.json", "../outside.json", "/outside.json"])
def test_files_that_no_backup_holds_are_refused(installed: Installed, damaged: Path, tmp_path: Path, planted: str) -> None:
    """Somebody adds a rollback, keys, or a file elsewhere to the manifest, and makes its digest right again."""
    path = Vault(damaged).backups()[-1]
    body, _ = read_backup(path)
    body["files"].append(body["files"][0] | {"path": planted})
    path.write_bytes(canonical({"body": body, "digest": digest_bytes(canonical(body))}))
    said = refused(installed, damaged, tmp_path)
    assert "names what no backup holds" in said or "leads out of the home" in said


def test_what_was_mirrored_is_in_a_backup_wherever_the_lake_is() -> None:
    """A lake in the cloud cannot list its kinds: every kind that compaction writes is named."""
    assert set(CAPTURED_KINDS) == set(TIME_COLUMN)
    assert set(CAPTURED_KINDS) <= set(LAKE_KINDS)


def test_a_ledger_written_anew_shows_against_a_head_kept_elsewhere(installed: Installed, damaged: Path, tmp_path: Path) -> None:
    head = tmp_path / "head.json"
    head.write_text(json.dumps({"seq": 3, "hash": "sha256:" + "0" * 64, "at": "2024-01-01T00:00:00Z"}))
    assert "written anew" in refused(installed, damaged, tmp_path, head=head)


def test_only_an_empty_home_is_restored_into(installed: Installed, kept: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(SettingsError, match="not empty"):
        restore(installed.settings, kept, tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]
    with pytest.raises(StoreError, match="no backup in this folder"):
        restore(installed.settings, tmp_path / "full", tmp_path / "new")
    with pytest.raises(SettingsError, match="outside the home"):
        back_up(installed, installed.settings.home / "backups")


def test_two_restores_into_one_home_at_once_are_refused(installed: Installed, kept: Path, tmp_path: Path) -> None:
    staging = tmp_path / ".again.restoring"
    (staging / "lake").mkdir(parents=True)
    (staging / "lake" / "half").write_bytes(b"of the other restore")
    other = os.open(staging, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(SettingsError, match="another restore into this home"):
        restore(installed.settings, kept, tmp_path / "again")
    assert (staging / "lake" / "half").read_bytes() == b"of the other restore"
    os.close(other)  # killed: its lock is gone, and what it left goes with the next restore
    assert not (restore(installed.settings, kept, tmp_path / "again").home / "lake" / "half").exists()
    assert not staging.exists()


def test_manifests_only_needs_the_lake_from_elsewhere(installed: Installed, tmp_path: Path) -> None:
    made = back_up(installed, tmp_path / "vault", manifest_only=True)
    whole = read_backup(made.path)[0]
    assert all(not Vault(tmp_path / "vault").path(entry["digest"]).exists() for entry in whole["lake"]["files"])
    assert "without-lake" in refused(installed, tmp_path / "vault", tmp_path)
    assert restore(installed.settings, tmp_path / "vault", tmp_path / "new", without_lake=True).routes
    settings = installed.settings.model_copy(update={"home": tmp_path / "new"})
    with closing(Store(settings.store_address)) as store, pytest.raises(InterlockError, match="missing"):
        load_snapshot(settings, store, latest_snapshot(store, NAME).digest)  # type: ignore[union-attr]


@pytest.mark.parametrize("step", ["store", "files", f"use case {NAME}", "manifest"])
def test_killed_at_any_step_the_earlier_backup_stays_and_the_next_run_completes(installed: Installed, damaged: Path, tmp_path: Path,
                                                                                step: str) -> None:
    before = Vault(damaged).backups()
    done = subprocess.run([sys.executable, "-c", KILL, str(damaged), step], env=os.environ | settings_environment(installed.settings),
                          check=False)
    assert done.returncode == -9
    assert len(Vault(damaged).backups()) == len(before) + (step == "manifest")  # it counts once its manifest is there
    check_backup(before[0])
    made = back_up(installed, damaged)
    assert not list(damaged.rglob(".new-*"))
    check_backup(made.path)
    assert restore(installed.settings, damaged, tmp_path / "new").head == made.head


def test_a_backup_made_after_the_clock_was_put_back_stays(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    body: dict[str, Any] = {"format": 1, "store": {"digest": "sha256:a"}, "files": [], "lake": {"included": False, "files": []}}
    for name in ("20310101T000000Z", "20320101T000000Z", "20260101T000000Z"):
        vault.write(name, body)
        vault.prune(2, name)
    assert [path.stem for path in vault.backups()] == ["20260101T000000Z", "20310101T000000Z", "20320101T000000Z"]
    vault.write("20260102T000000Z", body)
    vault.prune(2, "20260102T000000Z")
    assert [path.stem for path in vault.backups()] == ["20260102T000000Z", "20310101T000000Z", "20320101T000000Z"]


def each_installation_keeps_its_own(folder: Path) -> None:
    """Two installations write into one folder, one of them seldom; what names no installation counts as anybody's."""
    vault = Vault(folder)

    def write(name: str, installation: str | None) -> None:
        body: dict[str, Any] = {"format": 1, "store": {"digest": "sha256:a"}, "files": [], "lake": {"included": False, "files": []}}
        vault.write(name, body if installation is None else body | {"installation": installation})

    write("20260101T000000Z", None)
    write("20260102T000000Z", "seldom")
    for day in range(3, 8):
        write(f"2026010{day}T000000Z", "daily")
        vault.prune(2, f"2026010{day}T000000Z", "daily")
    assert [path.stem for path in vault.backups()] == ["20260102T000000Z", "20260106T000000Z", "20260107T000000Z"]
    (folder / "backups" / "20250101T000000Z.json").write_text("damaged")
    write("20260108T000000Z", "daily")
    assert vault.prune(2, "20260108T000000Z", "daily") == 1
    assert "20250101T000000Z" in [path.stem for path in vault.backups()]


def test_each_installation_keeps_its_own_backups(tmp_path: Path) -> None:
    each_installation_keeps_its_own(tmp_path)


def test_a_count_over_all_installations_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vaults, "_of", lambda path: "")
    with pytest.raises(AssertionError):
        each_installation_keeps_its_own(tmp_path)


def test_what_the_server_kept_beside_the_store_is_told_and_not_copied(settings: Settings, tmp_path: Path) -> None:
    """Two keys are in force, one is not; version 1 was withdrawn, 2 and 3 answered."""
    run, now = settings.folder("run"), datetime(2026, 1, 1, tzinfo=UTC)
    key = {"client": "shop", "use_cases": ["*"], "hash": "a" * 64, "created_at": now}
    write_keys(run, [Key(id=f"{n:012x}", revoked_at=now if n == 3 else None, **key) for n in (1, 2, 3)])
    (run / "served").mkdir()
    (run / "served" / "late.json").write_text('{"versions": {"1": "sha256:a", "3": "sha256:c", "2": "sha256:b"}, "withdrawn": ["1"]}')
    assert made_anew_of(run) == {"api_keys": 2, "served": {"late": [2, 3]}}
    body = {"left_out": {}, "overrides": [], "lake": {"included": True}}
    notes = restoring._notes(body | {"made_anew": made_anew_of(run)})
    assert [note.partition(":")[0] for note in notes] == ["not in the backup", "late"]
    assert "2 API keys" in notes[0]
    assert "versions 2, 3 answered here" in notes[1]
    (run / "keys.json").write_text("{")
    assert made_anew_of(run)["api_keys"] is None
    assert "an unknown number of API keys" in restoring._notes(body | {"made_anew": made_anew_of(run)})[0]
    assert restoring._notes(body) == []  # a backup from before this was told


@pytest.fixture
def bucket(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings of an empty bucket on a real S3 server."""
    for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    name = f"b-{new_id()}"
    s3_client(s3_url).create_bucket(Bucket=name)
    return {"s3_endpoint_url": s3_url, "backup_s3": f"s3://{name}/team"}


def test_a_backup_in_a_bucket_is_restored_elsewhere(installed: Installed, tmp_path: Path, bucket: dict[str, str]) -> None:
    settings, told = installed.settings.model_copy(update=bucket), list[str]()
    made = make_backup(settings, installed.store, tmp_path / "vault", progress=told.append)
    assert told[-1].endswith("objects and 1 backups are new there")
    assert copy_out(settings, tmp_path / "vault") == Copied(0, 0)
    shutil.rmtree(tmp_path / "vault")  # the machine is gone
    with folder_of(settings, bucket["backup_s3"]) as source:
        check_backup(source)
        done = restore(installed.settings, source, tmp_path / "new")
    assert (done.head, list(done.routes), source.exists()) == (made.head, [NAME], False)
    with folder_of(settings, f"{bucket['backup_s3']}/backups/{made.path.name}") as source:
        check_backup(source)


def test_a_copy_that_was_killed_is_finished_and_counts_only_then(tmp_path: Path, settings: Settings, bucket: dict[str, str],
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    vault, settings = Vault(tmp_path), settings.model_copy(update=bucket)
    kept = [vault.put_bytes(f"part {n}".encode()) for n in range(3)]
    files = [{"path": f"f{n}", "digest": one.digest, "bytes": one.size} for n, one in enumerate(kept)]
    vault.write("20260101T000000Z", {"format": 1, "store": files[0], "files": files[1:], "lake": {"included": False, "files": []}})
    put, done = buckets._Bucket.put, list[str]()

    def dies(self: Any, name: str, path: Path) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(name)
        put(self, name, path)

    with monkeypatch.context() as killed:
        killed.setattr(buckets._Bucket, "put", dies)
        with pytest.raises(KeyboardInterrupt):
            copy_out(settings, tmp_path)
    with pytest.raises(StoreError, match="no such backup in the bucket"), folder_of(settings, bucket["backup_s3"]):
        pytest.fail("half a backup was fetched")
    assert copy_out(settings, tmp_path) == Copied(1, 1)
    with folder_of(settings, bucket["backup_s3"]) as source:
        check_backup(source)


def test_a_bucket_that_alters_or_refuses_is_told(tmp_path: Path, settings: Settings, bucket: dict[str, str]) -> None:
    vault, settings = Vault(tmp_path), settings.model_copy(update=bucket)
    kept = vault.put_bytes(b"the store")
    entry = {"path": "x", "digest": kept.digest, "bytes": kept.size}
    vault.write("20260101T000000Z", {"format": 1, "store": entry, "files": [], "lake": {"included": False, "files": []}})
    copy_out(settings, tmp_path)
    name, _, folder = bucket["backup_s3"].removeprefix("s3://").partition("/")
    s3_client(bucket["s3_endpoint_url"]).put_object(Bucket=name, Key=f"{folder}/{buckets._object(kept.digest)}", Body=b"another!!")
    with folder_of(settings, bucket["backup_s3"]) as source, pytest.raises(StoreError, match="was altered"):
        check_backup(source)
    missing = settings.model_copy(update={"backup_s3": "s3://no-such-bucket-here/team"})
    with pytest.raises((SettingsError, InterlockError), match="NoSuchBucket|refuses|missing"):
        copy_out(missing, tmp_path)
    for address in ("s3://", "s3:///folder"):
        with pytest.raises(SettingsError, match="no address of a bucket"), folder_of(settings, address):
            pytest.fail("it was an address")
    assert copy_out(settings.model_copy(update={"backup_s3": None}), tmp_path) is None


def test_two_backups_at_once_are_refused(installed: Installed, tmp_path: Path) -> None:
    with Vault(tmp_path / "vault").alone(), pytest.raises(SettingsError, match="another backup"):
        back_up(installed, tmp_path / "vault")


def test_a_damaged_lake_file_makes_no_backup(installed: Installed, tmp_path: Path) -> None:
    lake = lake_from(installed.settings)
    key = lake.keys(NAME, "profiles")[0]
    path = installed.settings.folder("lake") / key
    good = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(good + b"x")
    try:
        with pytest.raises(InterlockError, match="was altered"):
            back_up(installed, tmp_path / "vault")
    finally:
        path.write_bytes(good)
    assert Vault(tmp_path / "vault").backups() == []


def test_a_store_in_another_database_is_copied_row_by_row_and_back(installed: Installed, tmp_path: Path,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    """What Postgres gets; here between SQLite files, with the way of other databases taken."""
    with closing(Store(f"sqlite:///{tmp_path / 'back.db'}")) as back:
        with monkeypatch.context() as other:
            other.setattr(installed.store.engine.dialect, "name", "other")
            copy_store(installed.store, tmp_path / "copy.db")
        load_copy(tmp_path / "copy.db", back)
        with pytest.raises(StoreError, match="not empty"):
            load_copy(tmp_path / "copy.db", back)
        with installed.store.reading() as session:
            head = ledger.head_of(session)
        assert ledger.verify(back, head).ok
        snapshot = latest_snapshot(back, NAME)
        assert snapshot is not None
        assert snapshot.manifest == latest_snapshot(installed.store, NAME).manifest  # type: ignore[union-attr]


def test_rows_are_restored_into_an_empty_database_of_another_kind(installed: Installed, kept: Path, tmp_path: Path) -> None:
    address = SecretStr(f"sqlite:///{tmp_path / 'elsewhere.db'}")
    done = restore(installed.settings.model_copy(update={"store_url": address}), kept, tmp_path / "new")
    assert not (tmp_path / "new" / "store.db").exists()
    with closing(Store(address.get_secret_value())) as store:
        store.check_revision()
        assert ledger.verify(store, done.head).ok
    with pytest.raises(StoreError, match="is not empty"):
        restore(installed.settings.model_copy(update={"store_url": address}), kept, tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_a_store_damaged_inside_makes_no_backup(installed: Installed, tmp_path: Path) -> None:
    settings = installed.settings.model_copy(update={"home": tmp_path / "home"})
    (tmp_path / "home").mkdir()
    copy_store(installed.store, tmp_path / "home" / "store.db")
    with (tmp_path / "home" / "store.db").open("r+b") as file:
        file.seek(4096 * 3)
        file.write(os.urandom(4096 * 8))
    with closing(Store(settings.store_address)) as store, pytest.raises(StoreError):
        make_backup(settings, store, tmp_path / "vault")
    assert Vault(tmp_path / "vault").backups() == []


def test_a_due_backup_is_started_once_and_a_missed_one_is_told_once(settings: Settings, store: Store, tmp_path: Path) -> None:
    now = datetime.fromisoformat("2024-05-04T01:00:00+00:00")
    planned = settings.model_copy(update={"backup_to": tmp_path / "vault", "backup_schedule": "0 2 * * *"})
    tend = lambda hours: schedule.tend_backups(planned, store, now + timedelta(hours=hours))  # noqa: E731
    assert [tend(hours) for hours in (0, 1, 1.5)] == [[], ["backup, due 2024-05-04 02:00 UTC"], []]
    assert "never" in schedule.backup_state(planned, now)
    tend(3)
    tend(4)
    with store.reading() as session:
        assert [alert.title for alert in session.query(Alert)] == ["no backup since never: no backup was made of this home"]
        assert [row.deployment for row in session.query(Outbox)] == ["backup/backup"]
    make_backup(planned, store, tmp_path / "vault", now=lambda: now + timedelta(hours=4))
    assert schedule.backup_state(planned, now + timedelta(hours=6)) == "last: 2024-05-04 05:00 UTC, 2 hours ago"
    assert "overdue since 2024-05-05 02:00" in schedule.backup_state(planned, now + timedelta(hours=30))
    assert [(need.title, need.state.value) for need in overview(planned, store).needs] == [("Backup", "fail")]  # by today's clock
    assert overview(settings, store).needs == ()
    assert status(planned, store).parts["backup"].startswith("overdue since")


def test_a_schedule_that_cannot_be_read_is_told_and_stops_nothing(settings: Settings, store: Store) -> None:
    for changes in ({"backup_schedule": "0 2 * * *"}, {"backup_schedule": "at two", "backup_to": settings.home.parent / "vault"}):
        wrong = settings.model_copy(update=changes)
        assert schedule.tend_backups(wrong, store) == schedule.tend_backups(wrong, store) == []
        assert "down" in schedule.backup_state(wrong, datetime.fromisoformat("2024-05-04T01:00:00+00:00"))
    with store.reading() as session:
        assert len(list(session.query(Alert))) == 2
