"""R5: flipped bits, edited trees, planted pickles: no server dies, no answer is wrong, and nothing in a package is ever run."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.errors import InterlockError, PackageError
from interlock.modeling import package as packaging
from interlock.modeling.package import read_package
from interlock.rules.canonical import digest_bytes
from tests.reliability.installation import NAME, Installation, until
from tests.reliability.test_promotion_kills import route_to

pytestmark = pytest.mark.end_to_end


class Trap:
    """Unpickled, it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


class Target:
    """A server that answers with version 1, and version 2 under attack: each attack starts from a whole package."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        installation.start_server()  # stopped by the installation's fixture
        self.good, self.bad = installation.candidate()[1], installation.candidate()[1]
        installation.client.converge(route_to(1, self.good, None))
        self.root = installation.settings.folder("packages")
        self.folder = self.root / self.bad.removeprefix("sha256:")
        self.whole = self.root.parent / "whole"
        shutil.copytree(self.folder, self.whole)
        installation.answers_whole({self.good})
        self.pids = self.worker_pids()

    def restored(self) -> Path:
        """The folder of version 2, as it was made."""
        shutil.rmtree(self.folder)
        shutil.copytree(self.whole, self.folder)
        for path in [self.folder, *self.folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        return self.folder

    def refused(self, digest: str = "") -> str:
        """Try to go live with it: refused, in words; and version 1 answers as before, from the same processes."""
        with pytest.raises(PackageError) as caught:
            self.installation.client.converge(route_to(2, digest or self.bad, self.good))
        self.goes_on()
        return str(caught.value.what)

    def goes_on(self) -> None:
        self.installation.answers_whole({self.good})
        assert self.worker_pids() == self.pids

    def worker_pids(self) -> list[int]:
        return [worker["pid"] for worker in self.installation.client.health()["workers"]]


@pytest.fixture
def target(installation: Installation) -> Target:
    return Target(installation)


def flipped(folder: Path, draw: random.Random) -> str:
    """One bit of one file is turned; which file."""
    path = draw.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    data = bytearray(path.read_bytes())
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(bytes(data))
    return path.name


@pytest.mark.timeout(3_000)
def test_a_flipped_bit_anywhere_is_refused(target: Target, count: Callable[..., int], measured: Callable[..., None]) -> None:
    draw, flips = random.Random(5), Counter[str]()
    for _ in range(count(300, 6)):
        name = flipped(target.restored(), draw)
        flips[name] += 1
        assert name in target.refused()
    target.restored()
    target.installation.client.converge(route_to(2, target.bad, target.good))  # whole again, it goes live
    target.installation.answers_whole({target.bad})
    measured("R5", "flipped bits on the way to live", flips=sum(flips.values()), by_file=dict(flips), refused=sum(flips.values()),
             server_deaths=0, wrong_answers=0)


def every_flip_is_found(root: Path, digest: str, number: int) -> int:
    """So many flips of one bit each, on a package on disk; those that a reader did not find."""
    folder, draw, missed = root / digest.removeprefix("sha256:"), random.Random(6), 0
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    for _ in range(number):
        path = draw.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
        sound = path.read_bytes()
        data = bytearray(sound)
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(bytes(data))
        try:
            read_package(root, digest)
            missed += 1
        except PackageError:
            pass
        path.write_bytes(sound)
    read_package(root, digest)
    return missed


def test_a_reader_finds_every_flip(installation: Installation, count: Callable[..., int], measured: Callable[..., None]) -> None:
    _, digest = installation.candidate()
    number = count(20_000, 200)
    assert every_flip_is_found(installation.settings.folder("packages"), digest, number) == 0
    measured("R5", "flipped bits read", flips=number, missed=0)


def test_a_reader_that_does_not_verify_is_caught(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    _, digest = installation.candidate()
    monkeypatch.setattr(packaging, "_verify", lambda *_: None)
    assert every_flip_is_found(installation.settings.folder("packages"), digest, 100) > 0


def resealed(folder: Path, root: Path) -> str:
    """Somebody who can write files makes every digest fit again: the changed package under the digest of its new manifest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {name: digest_bytes((folder / name).read_bytes()) for name in manifest["files"]}
    data = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    (folder / "manifest.json").write_bytes(data)
    digest = digest_bytes(data)
    shutil.copytree(folder, root / digest.removeprefix("sha256:"), dirs_exist_ok=True)
    return digest


def edited(model: Path, seed: int) -> None:
    """The leaves of one tree are turned round; the file stays a valid model."""
    import xgboost

    booster = xgboost.Booster(model_file=bytearray(model.read_bytes()))
    content = json.loads(booster.save_raw("json"))
    trees = content["learner"]["gradient_booster"]["model"]["trees"]
    tree = trees[seed % len(trees)]
    tree["base_weights"] = [-value for value in tree["base_weights"]]
    tree["split_conditions"] = [-value if left == -1 else value
                                for value, left in zip(tree["split_conditions"], tree["left_children"], strict=True)]
    changed = xgboost.Booster(model_file=bytearray(json.dumps(content).encode()))
    model.write_bytes(bytes(changed.save_raw("ubj")))


def test_edited_trees_are_refused(target: Target, count: Callable[..., int], measured: Callable[..., None]) -> None:
    """In place: the bytes are not those of the digest. With all digests made to fit: its golden rows are answered otherwise."""
    number = count(30, 2)
    for seed in range(number):
        folder = target.restored()
        edited(folder / "model.ubj", seed)
        assert "model.ubj" in target.refused()
        folder = target.restored()
        edited(folder / "model.ubj", seed)
        digest = resealed(folder, target.root)
        assert digest != target.bad  # the decision names the other one: this one was never approved
        assert "golden" in target.refused(digest)
    measured("R5", "edited trees", edited=number, resealed=number, refused=2 * number, server_deaths=0, wrong_answers=0)


def planted(folder: Path, mark: Path) -> Iterator[str]:
    """Pickles that leave a mark when they are loaded: instead of each file, behind each file, and beside them."""
    trap = pickle.dumps(Trap(mark))
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        sound = path.read_bytes()
        for kind, data in (("instead of", trap), ("behind", sound + trap)):
            path.write_bytes(data)
            yield f"{kind} {path.name}"
        path.write_bytes(sound)
    for name in ("model.pkl", "model.joblib", "model.ubj.pickle", "__init__.py", "sitecustomize.py", "xgboost.py"):
        source = f"from pathlib import Path\nPath({str(mark)!r}).touch()\n".encode() if name.endswith(".py") else trap
        (folder / name).write_bytes(source)
        yield f"beside: {name}"
        (folder / name).unlink()


def test_planted_code_is_never_run(target: Target, tmp_path: Path, measured: Callable[..., None]) -> None:
    mark, tried = tmp_path / "it ran", 0
    for place in planted(target.restored(), mark):
        tried += 1
        assert "package" in target.refused(), place
        assert not mark.exists(), f"code was run: {place}"
    measured("R5", "planted pickles and modules", planted=tried, code_run=0, refused=tried, server_deaths=0)


def test_a_reader_that_unpickles_is_caught(installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def eager(root: Path, digest: str) -> Any:
        for path in (root / digest.removeprefix("sha256:")).rglob("*"):
            try:
                pickle.loads(path.read_bytes())  # noqa: S301 - the broken variant
            except Exception:  # noqa: BLE001, S112 - most files are no pickles
                continue
        return read_package(root, digest)

    mark, (_, digest) = tmp_path / "it ran", installation.candidate()
    root = installation.settings.folder("packages")
    folder = root / digest.removeprefix("sha256:")
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o644)
    for _ in planted(folder, mark):
        try:
            eager(root, digest)
        except PackageError:
            continue
    assert mark.exists()


def test_bytes_damaged_under_a_running_server_give_no_wrong_answer(target: Target) -> None:
    """What is loaded goes on; a worker that starts anew refuses the damaged package and answers nothing rather than something else."""
    folder = target.root / target.good.removeprefix("sha256:")
    folder.chmod(0o755)
    model = folder / "model.ubj"
    model.chmod(0o644)
    edited(model, 0)
    target.goes_on()
    os.kill(target.pids[0], signal.SIGKILL)
    until(lambda: target.worker_pids() != target.pids and target.installation.client.health()["workers_live"] == 1)
    with pytest.raises(InterlockError):
        target.installation.client.predict(NAME, [{"age": 30.0, "income": 50.0}])
