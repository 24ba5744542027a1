"""Trials in processes of their own: `python -m interlock.modeling.crew FOLDER` is one of them.

The folder holds the matrices; a request comes as one line of JSON on stdin, its outcome goes as one line to stdout. The median that
decides which trial is hopeless comes from the study's shared journal, and only from trials of earlier batches, so that no outcome
depends on which process was faster.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from interlock.errors import DataError
from interlock.modeling.studies import read_finished
from interlock.modeling.trials import Budget, Columns, Data, Outcome, new_judge, quantile_matrix, run_trial

PARTS = ("train", "validation")


class Crew:
    """Worker processes that take one trial each."""

    def __init__(self, processes: list[subprocess.Popen[str]]) -> None:
        self._processes = processes

    def run(self, requests: list[dict[str, Any]]) -> list[Outcome]:
        """Outcomes in the order of the requests (`parameters`, `history` = trials of earlier batches), at most one per process."""
        chosen = self._processes[:len(requests)]
        for process, request in zip(chosen, requests, strict=True):
            if process.stdin is not None:
                process.stdin.write(json.dumps(request) + "\n")
                process.stdin.flush()
        return [_answer(process) for process in chosen]


@contextmanager
def crew(folder: Path, journal: Path, columns: Columns, train: Data, validation: Data, budget: Budget, workers: int) -> Iterator[Crew]:
    """`workers` processes over these rows, ended with the block; `folder` is a temporary one."""
    for name, data in zip(PARTS, (train, validation), strict=True):
        np.save(folder / f"{name}.npy", data.matrix)
        np.save(folder / f"{name}_labels.npy", data.labels)
        if data.weights is not None:
            np.save(folder / f"{name}_weights.npy", data.weights)
    settled = {"journal": str(journal), "names": columns.names, "types": columns.types, **asdict(budget)}
    (folder / "settled.json").write_text(json.dumps(settled), encoding="utf-8")
    command = [sys.executable, "-m", "interlock.modeling.crew", str(folder)]
    with ExitStack() as stack:
        processes = []
        for place in range(workers):
            said = stack.enter_context((folder / f"{place}.stderr").open("w"))
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True)  # noqa: S603 - our own module
            stack.callback(_end, process)
            processes.append(process)
        yield Crew(processes)


def _answer(process: subprocess.Popen[str]) -> Outcome:
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line:
        raise DataError("a process that ran a trial of the search ended", value=f"exit code {process.wait()}",
                        next_step="set [training] tuning_workers = 1, or give the machine more memory")
    found = json.loads(line)
    return Outcome(found["loss"], found["rounds"], {int(step): loss for step, loss in found["reported"].items()}, found["pruned"])


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def main(arguments: list[str]) -> int:
    """A worker: answer requests until stdin ends, which it does when the parent is gone."""
    folder = Path(arguments[0])
    settled = json.loads((folder / "settled.json").read_text(encoding="utf-8"))
    columns, budget = Columns(settled["names"], settled["types"]), Budget(settled["rounds_max"], settled["early_stopping_rounds"])
    matrices: tuple[Any, Any] | None = None
    judge, judged = new_judge(), 0
    for line in sys.stdin:
        request = json.loads(line)
        if matrices is None:
            threads = request["parameters"]["nthread"]
            train = quantile_matrix(columns, _loaded(folder, "train"), threads)
            matrices = train, quantile_matrix(columns, _loaded(folder, "validation"), threads, train)
        if request["history"] > judged:
            judge.add_trials(read_finished(Path(settled["journal"]))[judged:request["history"]])
            judged = request["history"]
        sys.stdout.write(json.dumps(asdict(run_trial(judge, request["parameters"], matrices, budget))) + "\n")
        sys.stdout.flush()
    return 0


def _loaded(folder: Path, name: str) -> Data:
    weights = folder / f"{name}_weights.npy"
    return Data(np.load(folder / f"{name}.npy"), np.load(folder / f"{name}_labels.npy"), np.load(weights) if weights.exists() else None)


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(main(sys.argv[1:]))
