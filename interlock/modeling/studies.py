"""Finished trials kept on disk, so that a search that was killed goes on where it was and a finished one is not run again.

    studies/<use case>/<64 hex digits>.journal   an Optuna journal that holds finished trials only, in the order of their numbers

The name is a digest of everything that decides what the trials find: matrices, labels, weights, fixed parameters, search space, seed,
budget per trial and versions. One process writes at a time (an exclusive lock that dies with it); worker processes read.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import numpy as np

from interlock.modeling.trials import Data

NAME = "trials"
KEPT_PER_USE_CASE = 20  # studies; the oldest beyond are removed


class Kept:
    """The finished trials of one study."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._study = _open(path)

    def finished(self) -> list[Any]:
        """Optuna's frozen trials 0, 1, … without a gap; of trials written twice the first counts."""
        by_number: dict[int, Any] = {}
        for trial in sorted(self._study.get_trials(deepcopy=False), key=lambda trial: trial.number):
            by_number.setdefault(trial.user_attrs.get("number", -1), trial)
        return list(takewhile(lambda trial: trial is not None, (by_number.get(place) for place in count())))

    def add(self, trial: Any) -> None:
        """Write one finished trial down, durably and whole."""
        self._study.add_trial(trial)


def study_digest(settled: dict[str, Any], train: Data, validation: Data) -> str:
    """64 hexadecimal digits over the settled values (plain JSON) and the bytes of both parts."""
    found = hashlib.sha256(json.dumps(settled, sort_keys=True).encode())
    for data in (train, validation):
        for part in (data.matrix, data.labels, data.weights):
            whole = np.empty(0) if part is None else np.ascontiguousarray(part)
            found.update(f"{whole.shape}{whole.dtype}".encode())
            found.update(whole.data)
    return found.hexdigest()


@contextmanager
def kept_study(folder: Path, digest: str) -> Iterator[Kept | None]:
    """The study of this digest under `folder`, locked for this process; None where another process is at it right now."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{digest}.journal"
    with (folder / f"{digest}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        _mend(path)
        yield Kept(path)
    _drop_oldest(folder)


def read_finished(path: Path) -> list[Any]:
    """The finished trials as a worker process sees them; takes no lock."""
    return Kept(path).finished()


def _open(path: Path) -> Any:
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(path)))
    if path.stat().st_size == 0:
        return optuna.create_study(study_name=NAME, storage=storage, direction="minimize")
    return optuna.load_study(study_name=NAME, storage=storage, sampler=optuna.samplers.RandomSampler(seed=0))


def _mend(path: Path) -> None:
    """Take away what a killed writer left: Optuna's own lock file, and a last line without its end."""
    for stale in path.parent.glob(f"{path.name}.lock*"):
        stale.unlink(missing_ok=True)
    if not path.exists():
        return
    written = path.read_bytes()
    whole = written[:written.rfind(b"\n") + 1]
    if whole != written:
        with path.open("r+b") as stream:
            stream.truncate(len(whole))
            os.fsync(stream.fileno())


def _drop_oldest(folder: Path) -> None:
    kept = sorted(folder.glob("*.journal"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in kept[KEPT_PER_USE_CASE:]:
        for path in (old, old.with_suffix(".lock")):
            path.unlink(missing_ok=True)
