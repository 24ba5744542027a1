"""Load a package first in a child process: a booster that crashes XGBoost must not take the caller with it.

The child (`python -m interlock.modeling.probe ROOT DIGEST`) verifies the package, answers its golden rows through the whole
path from raw values, and prints the answers; the parent compares them, so that a broken child cannot vouch for itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from interlock.errors import InterlockError, PackageError
from interlock.modeling.package import Package, Scores, read_package

MARGIN_TOLERANCE = 1e-5  # float32 sums may differ in the last digits between processors
OUTPUT_BYTES_MAX = 16 << 20
INHERITED = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "TMPDIR")


def probe_package(root: Path, digest: str, timeout_s: float = 60.0) -> Package:
    """The verified package, once a child process has answered its golden rows; else a `PackageError` that says how it failed."""
    package = read_package(root, digest)
    command = [sys.executable, "-m", "interlock.modeling.probe", str(root.resolve()), digest]
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout_s, env=environment, check=False)  # noqa: S603 - our own module
    except subprocess.TimeoutExpired as error:
        raise PackageError("the model did not answer its golden rows in time", value=f"{timeout_s:g} s") from error
    if done.returncode < 0:
        raise PackageError("the model crashed the process that loaded it", value=signal.Signals(-done.returncode).name)
    if done.returncode != 0:
        raise PackageError("the model cannot answer its golden rows", value=done.stderr.decode(errors="replace").strip()[-500:])
    answered = _printed(done.stdout)
    for name, expected in package.golden_answers().items():
        if name not in answered:
            raise PackageError(f"the model gives no {name} for its golden rows", next_step="train again; it must not be served")
        compare_margins(expected, answered[name])
    return package


def compare_margins(expected: Scores, answered: Scores) -> None:
    """`PackageError` unless every golden row has the margin (score, interval) that was recorded when the model was made."""
    if expected.shape != answered.shape:
        raise PackageError("the model answers golden rows in another shape", value=answered.shape, allowed=str(expected.shape))
    if not np.allclose(expected, answered, rtol=MARGIN_TOLERANCE, atol=MARGIN_TOLERANCE, equal_nan=False):
        worst = float(np.nanmax(np.abs(expected.astype(np.float64) - answered.astype(np.float64))))
        raise PackageError("the model answers its golden rows differently", value=f"largest difference {worst:g}",
                           allowed=f"{MARGIN_TOLERANCE:g}", next_step="train again; it must not be served")


def golden_answers(package: Package) -> dict[str, Scores]:
    """What the package's model answers now for its golden rows, from raw values: margins, scores, and intervals where it has them."""
    records, times, _ = package.golden()
    matrix, _ = package.manifest.features.encode_records(records, times)
    model = package.open_model()
    scores = model.score(matrix)
    intervals = model.interval(matrix, scores)
    return {"margins": model.margin(matrix), "scores": scores} | ({} if intervals is None else {"intervals": intervals})


def _printed(output: bytes) -> dict[str, Scores]:
    try:
        return {name: np.array(found, dtype=np.float32) for name, found in json.loads(output[:OUTPUT_BYTES_MAX]).items()}
    except (ValueError, AttributeError) as error:
        raise PackageError("the probe printed something else than margins", value=output[:200].decode(errors="replace")) from error


def main(arguments: list[str]) -> int:
    """Child: print the answers as JSON."""
    root, digest = arguments
    try:
        answers = golden_answers(read_package(Path(root), digest))
    except InterlockError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps({name: found.astype(np.float64).tolist() for name, found in answers.items()}))
    return 0


if __name__ == "__main__":
    for _heavy in ("pandas", "sklearn"):  # XGBoost tries both and does without; the child starts three times faster
        sys.modules.setdefault(_heavy, None)  # type: ignore[arg-type]
    sys.exit(main(sys.argv[1:]))
