"""The compliance bundle: what belongs to a period is in it, and whatever is changed afterwards shows."""

from __future__ import annotations

import json
import stat
import subprocess
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select, text

from interlock.control.bundle import contents, making
from interlock.control.bundle.checking import check_bundle
from interlock.control.bundle.making import Made, make_bundle
from interlock.control.bundle.signing import public_pem
from interlock.errors import DataError, DecisionRefused, SettingsError, StoreError
from interlock.records import ledger
from interlock.records.candidates import add_evidence
from interlock.records.tables import EvidenceRow, LedgerEntry
from interlock.rules.canonical import digest_bytes
from interlock.rules.evidence import Evidence
from tests.control.conftest import NAME, START

World = Any  # tests/control/conftest.py
DAY = timedelta(days=1)


def made(world: World, **changes: Any) -> Made:
    wanted: dict[str, Any] = {"actor": "Ida Auditor", "reason": "yearly audit", "since": START - DAY, "until": START + DAY,
                              "clock": world.clock}
    return make_bundle(world.settings, world.store, **(wanted | changes))


def read(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_it_holds_everything_of_the_period(world: World) -> None:
    """Version 1 is approved, released, confirmed; version 2 is rejected: two decisions, two seals."""
    world.make_live(1)
    evidence = world.candidate(2)
    world.reject(evidence)
    bundle = made(world)
    report = check_bundle(bundle.path)
    assert (report.problems, report.evidence, report.decisions, report.withheld) == ([], 2, 2, 0)
    files = read(bundle.path)
    assert digest_bytes(files[f"evidence/{evidence.removeprefix('sha256:')}.json"]) == evidence
    decisions = [json.loads(line) for line in files["decisions.jsonl"].splitlines()]
    assert [(one["kind"], one["actor"]) for one in decisions] == [("approve", "ben"), ("reject", "ben")]
    assert files[f"use_cases/{NAME}.toml"] == (world.settings.usecases_dir / f"{NAME}.toml").read_bytes()
    access = json.loads(files["access.json"])
    assert access["local_mode"] is True
    assert access["allowed"]["export bundle"] == ["admin", "auditor"]
    # the packages of this world are empty folders: no card can be written, and that is said
    assert [one.split(":")[0] for one in bundle.missing] == [f"model_cards/{NAME}-version-{n}.html" for n in (1, 2)]


def test_who_made_it_and_with_which_key_stands_in_the_ledger(world: World) -> None:
    world.make_live(1)
    bundle = made(world)
    again = made(world, until=START + 2 * DAY)
    with world.store.reading() as session:
        found = session.scalars(select(LedgerEntry).where(LedgerEntry.kind.startswith("bundle.")))
        told = {entry.kind: json.loads(entry.body) for entry in found}
        keys = session.scalars(select(LedgerEntry.seq).where(LedgerEntry.kind == "bundle.key")).all()
    assert len(keys) == 1
    assert told["bundle.key"]["fingerprint"] == bundle.fingerprint == again.fingerprint
    assert (told["bundle.made"]["actor"], told["bundle.made"]["digest"]) == ("Ida Auditor", again.digest)
    assert stat.S_IMODE((world.settings.home / "keys" / "bundle-ed25519.pem").stat().st_mode) == 0o600


@pytest.mark.parametrize("at", ["before it is in place", "while it is written"])
def test_no_archive_is_left_that_the_ledger_does_not_tell_of(world: World, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """A power cut (nothing is tidied up): what stands under a final name was told before; the next run removes what is half made."""
    world.make_live(1)
    folder = world.settings.home.resolve() / "bundles"

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", lambda *_, **__: None)
        broken.setattr(*((Path, "replace", cut) if at == "before it is in place" else (making, "_add", cut)))
        with pytest.raises(KeyboardInterrupt):
            made(world)
    [half] = folder.iterdir()
    assert half.name.startswith(".")
    assert len(told_of(world)) == (at == "before it is in place")
    half.rename(half.with_name(f"{half.stem}.{2**22 + 1}-1"))  # no process has such a number
    bundle = made(world)
    assert list(folder.iterdir()) == [bundle.path]
    assert bundle.digest in told_of(world)


def test_an_archive_that_the_ledger_could_not_tell_of_is_not_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.make_live(1)
    append = ledger.append

    def full(session: Any, kind: str, *rest: Any, **more: Any) -> Any:
        if kind == "bundle.made":
            raise StoreError("the disk under the store is full")
        return append(session, kind, *rest, **more)

    monkeypatch.setattr(ledger, "append", full)
    with pytest.raises(StoreError, match="full"):
        made(world)
    assert list((world.settings.home.resolve() / "bundles").iterdir()) == []


def told_of(world: World) -> list[str]:
    with world.store.reading() as session:
        found = session.scalars(select(LedgerEntry).where(LedgerEntry.kind == "bundle.made"))
        return [json.loads(entry.body)["digest"] for entry in found]


def test_another_period_leaves_out_what_it_did_not_see_and_keeps_what_answered_in_it(world: World) -> None:
    world.make_live(1)
    world.clock.forward(30 * 86_400)
    later = world.candidate(2)
    world.reject(later)
    first = check_bundle(made(world).path)
    assert (first.evidence, first.decisions) == (1, 1)
    second = made(world, since=START + 29 * DAY, until=START + 31 * DAY)
    names = [name for name in read(second.path) if name.startswith("evidence/")]
    assert len(names) == 2
    assert f"evidence/{later.removeprefix('sha256:')}.json" in names


def test_other_use_cases_stay_closed_but_the_chain_can_be_followed(world: World) -> None:
    world.make_live(1)
    with world.store.writing() as session:
        ledger.append(session, "route.changed", {"secret": "of others"}, "other_case", at=world.clock())
    world.reject(world.candidate(2))
    bundle = made(world, use_case=NAME)
    report = check_bundle(bundle.path)
    assert (report.problems, report.withheld) == ([], 1)
    assert b"of others" not in read(bundle.path)["ledger.jsonl"]


@pytest.mark.parametrize("change", ["file", "removed", "added", "manifest", "decision", "other key"])
def test_whatever_is_changed_afterwards_shows(world: World, tmp_path: Path, change: str) -> None:
    world.make_live(1)
    files = read(made(world).path)
    key = files["public_key.pem"]
    if change == "file":
        files["access.json"] = files["access.json"].replace(b"auditor", b"visitor")
    elif change == "removed":
        del files["decisions.jsonl"]
    elif change == "added":
        files["evidence/extra.json"] = b"{}"
    elif change == "manifest":
        files["manifest.json"] = files["manifest.json"].replace(b"yearly audit", b"nightly audit")
    elif change == "decision":
        files["decisions.jsonl"] = files["decisions.jsonl"].replace(b"ben", b"bob")
    else:  # everything signed anew, consistently, by somebody else
        stranger = Ed25519PrivateKey.generate()
        files |= {"signature.bin": stranger.sign(files["manifest.json"]), "public_key.pem": public_pem(stranger)}
    report = check_bundle(written(tmp_path / "changed.zip", files), key)
    assert report.problems, change
    if change == "other key":
        assert check_bundle(tmp_path / "changed.zip").ok  # which is why the key must come by another way


def test_records_that_were_changed_before_show_too(world: World) -> None:
    world.make_live(1)
    with world.store.writing() as session:
        session.execute(text("update ledger set body = replace(body, 'all clear', 'all fine') where kind = 'decision.approve'"))
        session.execute(text("update evidence set body = replace(body, '\"threshold\": 0.7', '\"threshold\": 0.1')"))
    problems = " ".join(check_bundle(made(world).path).problems)
    assert "is not what was written" in problems
    assert "changed after it was sealed" in problems


def test_it_can_be_checked_without_interlock(world: World, tmp_path: Path) -> None:
    """As README.txt in the bundle says: OpenSSL for the signature, SHA-256 for the rest."""
    world.make_live(1)
    with zipfile.ZipFile(made(world).path) as archive:
        archive.extractall(tmp_path)
    said = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "public_key.pem", "-rawin", "-in", "manifest.json",
                           "-sigfile", "signature.bin"], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert "Signature Verified Successfully" in said.stdout
    before = None
    for line in (tmp_path / "ledger.jsonl").read_text().splitlines():
        entry = json.loads(line)
        own = entry.pop("hash")
        plain = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert digest_bytes(plain.encode()) == own
        assert before in (None, entry["previous_hash"])
        before = own


def test_only_auditors_and_admins_may(make_world: Callable[..., World]) -> None:
    world = make_world(people={"ben": ["approver"], "ida": ["auditor"]})
    with pytest.raises(DecisionRefused, match="ben may not export bundle"):
        made(world, actor="ben")
    assert made(world, actor="ida").path.is_file()


def test_what_cannot_be_done_is_said(world: World, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the period is empty"):
        made(world, until=START - DAY)
    with pytest.raises(DataError, match="no such use case"):
        made(world, use_case="nothing")
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(DataError, match="this is no bundle"):
        check_bundle(tmp_path / "text.zip")
    made(world)
    (world.settings.home / "keys" / "bundle-ed25519.pem").chmod(0o644)
    with pytest.raises(SettingsError, match="other users"):
        made(world)


def test_a_version_that_was_validated_twice_has_one_card(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "write_card", lambda *_, version, form: f"<p>version {version}</p>")
    first = world.candidate(1)
    with world.store.writing() as session:
        body = session.get_one(EvidenceRow, first).body
        add_evidence(session, Evidence.model_validate(body).model_copy(update={"created_at": world.clock() + timedelta(seconds=1)}))
    bundle = made(world)
    report = check_bundle(bundle.path)
    assert (report.problems, report.evidence, list(bundle.missing)) == ([], 2, [])


@pytest.mark.parametrize("name", ["ledger_check.json", "decisions.jsonl"])
@pytest.mark.parametrize("data", [b"{", b"[1]\n", b"\xff\n", b"[" * 100_000])
def test_what_cannot_be_read_is_a_problem_and_no_crash(world: World, tmp_path: Path, name: str, data: bytes) -> None:
    files = read(made(world).path)
    report = check_bundle(written(tmp_path / "odd.zip", files | {name: data}))
    assert f"{name} is not the file that was signed" in report.problems
    assert any(problem.startswith(f"{name} cannot be read") for problem in report.problems)


def test_a_list_of_files_that_is_none_is_no_bundle(world: World, tmp_path: Path) -> None:
    files = read(made(world).path)
    for manifest in (b"[]", b'{"format": 1, "files": 3}', b'{"format": 1, "files": {"a": "b"}}', b"[" * 100_000):
        with pytest.raises(DataError, match="this is no bundle"):
            check_bundle(written(tmp_path / "odd.zip", files | {"manifest.json": manifest}))
