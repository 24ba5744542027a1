"""Packages: whole or not there, verified before anything is parsed, the same bytes for the same input."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from interlock.errors import PackageError
from interlock.modeling.making import Made
from interlock.modeling.package import FILES, folder_of, golden_rows, read_package, write_package
from interlock.modeling.probe import compare_margins, probe_package
from interlock.rules.canonical import digest_bytes


@pytest.fixture
def copy(made: tuple[Path, Made], tmp_path: Path) -> tuple[Path, str, Path]:
    """(root, digest, folder) of a copy that a test may damage."""
    digest = made[1].package.digest
    folder = folder_of(tmp_path, digest)
    shutil.copytree(folder_of(made[0], digest), folder)
    return tmp_path, digest, folder


def test_same_input_and_seed_give_the_same_digest(made: tuple[Path, Made], make: Callable[..., tuple[Path, Made]]) -> None:
    assert make()[1].package.digest == made[1].package.digest


def test_another_seed_gives_another_digest(made: tuple[Path, Made], make: Callable[..., tuple[Path, Made]], quick: object) -> None:
    other = quick.model_copy(update={"training": quick.training.model_copy(update={"seed": 7})})  # type: ignore[attr-defined]
    assert make(other)[1].package.digest != made[1].package.digest


def test_package_reads_back_as_written(copy: tuple[Path, str, Path], made: tuple[Path, Made]) -> None:
    package = read_package(copy[0], copy[1])
    assert package.manifest == made[1].package.manifest
    assert copy[2].name == copy[1].removeprefix("sha256:")
    assert sorted(path.name for path in copy[2].iterdir()) == sorted((*FILES, "manifest.json"))


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_one_flipped_bit_anywhere_is_found(copy: tuple[Path, str, Path], name: str) -> None:
    path = copy[2] / name
    data = bytearray(path.read_bytes())
    for place in np.random.default_rng(1).integers(0, len(data), 20):
        damaged = bytearray(data)
        damaged[place] ^= 1 << int(place) % 8
        path.write_bytes(damaged)
        with pytest.raises(PackageError, match=rf"{name} of package"):
            read_package(copy[0], copy[1])


def test_manifest_edited_to_fit_an_edited_model_is_found(copy: tuple[Path, str, Path]) -> None:
    model = copy[2] / "model.ubj"
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    manifest = json.loads((copy[2] / "manifest.json").read_bytes())
    manifest["files"]["model.ubj"] = digest_bytes(model.read_bytes())
    (copy[2] / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(PackageError, match=r"manifest\.json of package"):
        read_package(copy[0], copy[1])


def test_file_beside_the_packages_own_is_refused(copy: tuple[Path, str, Path]) -> None:
    (copy[2] / "model.pkl").write_bytes(b"x")
    with pytest.raises(PackageError, match="does not hold exactly its files"):
        read_package(copy[0], copy[1])


def test_absent_file_is_refused(copy: tuple[Path, str, Path]) -> None:
    (copy[2] / "profile.json").unlink()
    with pytest.raises(PackageError, match="does not hold exactly its files"):
        read_package(copy[0], copy[1])


def test_link_to_another_file_is_refused(copy: tuple[Path, str, Path]) -> None:
    outside = copy[0] / "outside"
    (copy[2] / "profile.json").rename(outside)
    (copy[2] / "profile.json").symlink_to(outside)
    with pytest.raises(PackageError, match="something else than plain files"):
        read_package(copy[0], copy[1])


@pytest.mark.parametrize("digest", ["../../etc", "sha256:../" + "0" * 61, "sha256:" + "A" * 64, "sha256:" + "0" * 63, "",
                                    "sha256:" + "0" * 64 + "\n"])
def test_only_a_digest_names_a_package(tmp_path: Path, digest: str) -> None:
    with pytest.raises(PackageError, match="not a package digest"):
        read_package(tmp_path, digest)


def test_manifest_naming_a_path_outside_is_refused(made: tuple[Path, Made], tmp_path: Path) -> None:
    body = json.loads(made[1].package.files["manifest.json"])
    body["files"] = {"../../outside": "sha256:" + "0" * 64, **body["files"]}
    raw = json.dumps(body).encode()
    folder = folder_of(tmp_path, digest_bytes(raw))
    shutil.copytree(folder_of(made[0], made[1].package.digest), folder)
    (folder / "manifest.json").write_bytes(raw)
    with pytest.raises(PackageError, match="names other files"):
        read_package(tmp_path, digest_bytes(raw))


def test_unknown_package_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="not there"):
        read_package(tmp_path, "sha256:" + "0" * 64)


def test_write_that_dies_halfway_leaves_nothing(made: tuple[Path, Made], tmp_path: Path) -> None:
    package = made[1].package

    def die(step: str) -> None:
        if step == "wrote golden.json":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_package(tmp_path, booster_ubj=package.files["model.ubj"], manifest=package.manifest,
                      golden=json.loads(package.files["golden.json"]), profile_json=package.profile_json, after=die)
    assert list(tmp_path.iterdir()) == []


def test_every_file_is_synced_before_the_rename(made: tuple[Path, Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, rename = os.fsync, os.rename
    monkeypatch.setattr(os, "fsync", lambda number: (done.append("sync"), sync(number))[1])
    monkeypatch.setattr(os, "rename", lambda old, new: (done.append("rename"), rename(old, new))[1])
    package = made[1].package
    write_package(tmp_path, booster_ubj=package.files["model.ubj"], manifest=package.manifest,
                  golden=json.loads(package.files["golden.json"]), profile_json=package.profile_json)
    assert done == ["sync"] * 5 + ["rename", "sync"]  # four files and their folder, then the folder above


def test_probe_answers_the_golden_rows(made: tuple[Path, Made]) -> None:
    assert probe_package(made[0], made[1].package.digest).digest == made[1].package.digest


def test_probe_refuses_margins_that_differ(made: tuple[Path, Made], tmp_path: Path) -> None:
    package = made[1].package
    records, times, margins = package.golden()
    margins[3] += 0.01
    digest = write_package(tmp_path, booster_ubj=package.files["model.ubj"], manifest=package.manifest,
                           golden=golden_rows(records, times, margins), profile_json=package.profile_json)
    with pytest.raises(PackageError, match="differently"):
        probe_package(tmp_path, digest)


def test_probe_survives_models_that_crash_xgboost(made: tuple[Path, Made], tmp_path: Path) -> None:
    """Damaged boosters packaged with fitting digests (a builder gone wrong): refused by name, whatever they do to the child."""
    package = made[1].package
    draw = np.random.default_rng(5)
    for _ in range(4):
        damaged = bytearray(package.files["model.ubj"])
        for place in draw.integers(len(damaged) // 3, len(damaged), 400):
            damaged[place] ^= 0x40
        digest = write_package(tmp_path, booster_ubj=bytes(damaged), manifest=package.manifest,
                               golden=json.loads(package.files["golden.json"]), profile_json=package.profile_json)
        with pytest.raises(PackageError):
            probe_package(tmp_path, digest, timeout_s=60)


def test_probe_names_a_crash(made: tuple[Path, Made], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.run", _killed)
    with pytest.raises(PackageError, match="SIGSEGV"):
        probe_package(made[0], made[1].package.digest)


def test_probe_does_not_wait_for_ever(made: tuple[Path, Made]) -> None:
    with pytest.raises(PackageError, match="in time"):
        probe_package(made[0], made[1].package.digest, timeout_s=0.01)


@pytest.mark.parametrize("change", [np.array([0.0, 1.0]), np.array([0.0, 1.0, np.nan])])
def test_margins_of_another_shape_or_nan_are_refused(change: np.ndarray) -> None:
    with pytest.raises(PackageError):
        compare_margins(np.array([0.0, 1.0, 2.0], dtype=np.float32), change.astype(np.float32))


def test_golden_rows_are_nobody(made: tuple[Path, Made], small: object) -> None:
    records, _, _ = made[1].package.golden()
    names = list(records[0])
    real = set(small.select(names).rows())  # type: ignore[attr-defined]
    assert sum(tuple(record.values()) in real for record in records) == 0


def test_no_pickle_in_a_package(made: tuple[Path, Made]) -> None:
    assert all(not data.startswith(b"\x80") for data in made[1].package.files.values())


def _killed(command: list[str], **_: object) -> object:
    import subprocess

    return subprocess.CompletedProcess(command, -11, b"", b"")
