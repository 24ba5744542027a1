"""Model packages: a folder named by the digest of its manifest, which names the digest of every other file.

    packages/<64 hex digits>/manifest.json   everything about the model; its bytes give the package's digest
                             model.ubj       the booster in XGBoost's own binary format (never a pickle)
                             golden.json     rows with the margins that the model gave when it was made
                             profile.json    baseline profile of the training features and the score (`_score`)
                             quantiles.ubj   only with intervals: the booster whose quantiles make them

A damaged booster file can crash XGBoost, so nothing is parsed before its digest is verified, the bytes that were verified
are the bytes that are loaded, and `probe.probe_package` loads them first in a child process. Imported by the prediction
server: no polars, pandas or scikit-learn, and XGBoost only inside `open_model`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from interlock.errors import PackageError
from interlock.modeling.boosting import load_xgboost
from interlock.modeling.calibrator import Calibration, calibrated
from interlock.modeling.features import FeatureSpace, Matrix
from interlock.modeling.group_thresholds import GroupThresholds
from interlock.modeling.intervals import Intervals, interval_of
from interlock.rules.canonical import digest_bytes, iso
from interlock.spec.derived import Derived

PACKAGE_FORMAT = 1
FILES = ("golden.json", "model.ubj", "profile.json")
OPTIONAL_FILES = ("quantiles.ubj",)
FILE_BYTES_MAX = 1 << 30
DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
Scores = NDArray[np.float32]


class ViewInput(BaseModel):
    """Features of a feature view that a model was made with: how a server looks them up, and what training read them from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    view: str
    features: list[str]
    entity: list[str] = Field(description="Fields of a request that name the entity, in the view's order.")
    source: str = Field(description="Use case whose snapshot held the values.")
    snapshot: str
    definition: str = Field(description="Digest of the view's definition.")
    stale: dict[str, int] = Field(default_factory=dict, description="Values of the snapshot's rows that were older than the time to live.")


class Manifest(BaseModel):
    """What is known about a model without loading it. Holds nothing that depends on when, where or by whom it was made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = Field(default=PACKAGE_FORMAT, ge=PACKAGE_FORMAT, le=PACKAGE_FORMAT)
    use_case: str
    title: str = ""
    task: Literal["binary", "multiclass", "regression"]
    classes: list[str] = Field(default_factory=list, description="multiclass: names in the order of the scores.")
    features: FeatureSpace
    derived: list[Derived] = Field(
        default_factory=list, description="Features made of others. A server computes ratios, differences, cyclic ones; callers send lags.")
    views: list[ViewInput] = Field(default_factory=list, description="Features that a server looks up.")
    operands: dict[str, Literal["numeric", "boolean", "category"]] = Field(
        default_factory=dict, description="Fields that a request carries for these two, though they are no features.")
    context_columns: list[str] = Field(default_factory=list, description="What else a request may carry: captured, never scored.")
    columns: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="What the use-case file says of the columns that a request may carry, without defaults.")
    favourable: str = Field(default="", description="binary: the answer that a person would wish for, positive or negative.")
    threshold: float = Field(default=0.5, description="binary: probability from which the answer is positive.")
    group_thresholds: GroupThresholds | None = Field(
        default=None, description="binary: thresholds by a context column's value, in place of `threshold`; None: one for all.")
    mitigation: dict[str, Any] = Field(default_factory=dict, description="How differences between groups were lessened; empty: not.")
    calibration: Calibration | None = Field(default=None, description="From margins to probabilities; None: the link function itself.")
    intervals: Intervals | None = Field(default=None, description="regression: how each answer's interval is made; None: there is none.")
    meaning: str = Field(default="", description="What a positive (or high) answer means, in words.")
    moment: str = Field(default="", description="When the prediction is made, in words.")
    xgboost_version: str
    code_version: str
    snapshot_digest: str
    spec_digest: str
    training: dict[str, Any] = Field(default_factory=dict, description="Split, rows, spans, parameters, rounds, seed, threads.")
    baseline: dict[str, float] = Field(default_factory=dict, description="Held-out metrics when made; `primary` is the one compared.")
    files: dict[str, str] = Field(default_factory=dict, description="File name → digest of its bytes.")


class Model:
    """A loaded booster that answers matrices made by its own feature space."""

    def __init__(self, booster: Any, manifest: Manifest, quantiles: Any = None) -> None:
        self.booster = booster
        self.manifest = manifest
        self.quantiles = quantiles

    def score(self, matrix: Matrix) -> Scores:
        """binary: P(1) per row. regression: the value per row. multiclass: rows × classes probabilities. Calibrated where it is."""
        if self.manifest.calibration is not None:
            return calibrated(self.manifest.calibration, self.margin(matrix))
        return self._predict(self.booster, matrix, "value")

    def interval(self, matrix: Matrix, scores: Scores) -> Scores | None:
        """rows × 2: low and high end around `score`'s values; None for a model without intervals."""
        if self.manifest.intervals is None:
            return None
        return interval_of(self.manifest.intervals, self._predict(self.quantiles, matrix, "value"), scores)

    def margin(self, matrix: Matrix) -> Scores:
        """The sum of the trees before the link function and any calibration; rows, or rows × classes. SHAP explains this."""
        return self._predict(self.booster, matrix, "margin")

    def _predict(self, booster: Any, matrix: Matrix, kind: str) -> Scores:
        if matrix.ndim != 2 or matrix.shape[1] != len(self.manifest.features.specs):
            raise PackageError("the matrix does not fit the model", value=matrix.shape,
                               allowed=f"{len(self.manifest.features.specs)} columns")
        found = booster.inplace_predict(matrix, predict_type=kind, missing=np.nan, validate_features=False)
        return np.asarray(found, dtype=np.float32)


@dataclass(frozen=True)
class Package:
    """A package whose every byte was verified; holds those bytes."""

    digest: str
    manifest: Manifest
    files: dict[str, bytes] = field(repr=False)

    @property
    def size_bytes(self) -> int:
        return sum(len(data) for data in self.files.values())

    @property
    def profile_json(self) -> bytes:
        return self.files["profile.json"]

    def golden(self) -> tuple[list[dict[str, Any]], list[datetime], Scores]:
        """Rows as a request would carry them, their event times, and the margins to be answered."""
        body = json.loads(self.files["golden.json"])
        times = [datetime.fromisoformat(text) for text in body["event_times"]]
        return body["records"], times, np.array(body["margins"], dtype=np.float32)

    def golden_answers(self) -> dict[str, Scores]:
        """What the golden rows must be answered: `margins`, and `scores`, `intervals` where the model has a calibration, intervals."""
        body = json.loads(self.files["golden.json"])
        return {name: np.array(body[name], dtype=np.float32) for name in ("margins", "scores", "intervals") if name in body}

    def open_model(self, threads: int = 1) -> Model:
        """The model from the verified bytes; another booster or shape than the manifest says is a `PackageError`."""
        if (self.manifest.intervals is not None) != ("quantiles.ubj" in self.files):
            raise PackageError("the package's manifest and its quantile booster do not agree", value=", ".join(sorted(self.files)))
        booster = self._open("model.ubj", threads)
        return Model(booster, self.manifest, self._open("quantiles.ubj", threads) if self.manifest.intervals is not None else None)

    def _open(self, name: str, threads: int) -> Any:
        xgboost = load_xgboost()
        try:
            booster = xgboost.Booster({"nthread": threads})
            booster.load_model(bytearray(self.files[name]))
            kind = json.loads(booster.save_config())["learner"]["gradient_booster"]["name"]
        except (xgboost.core.XGBoostError, KeyError, ValueError) as error:
            raise PackageError("XGBoost cannot read the model", value=str(error)[:200], next_step="train again") from error
        if kind != "gbtree":
            raise PackageError("the model's booster is not allowed", value=kind, allowed="gbtree")
        if booster.num_features() != len(self.manifest.features.specs):
            raise PackageError("the model does not fit its manifest", value=f"{booster.num_features()} features",
                               allowed=f"{len(self.manifest.features.specs)} features")
        booster.set_param({"nthread": threads})
        return booster


def write_package(root: Path, *, booster_ubj: bytes, manifest: Manifest, golden: dict[str, Any], profile_json: bytes,
                  quantiles_ubj: bytes | None = None, after: Callable[[str], None] = lambda step: None) -> str:
    """Write a package that is either whole or not there; the same content gives the same digest and is written once.

    `golden` is `golden_rows(...)`. `after` is told each durable step by name (crash tests).
    """
    files = {"model.ubj": booster_ubj, "golden.json": _json(golden), "profile.json": profile_json}
    files |= {"quantiles.ubj": quantiles_ubj} if quantiles_ubj is not None else {}
    manifest = manifest.model_copy(update={"files": {name: digest_bytes(data) for name, data in sorted(files.items())}})
    files["manifest.json"] = _json(manifest.model_dump())
    digest = digest_bytes(files["manifest.json"])
    target = folder_of(root, digest)
    if target.is_dir():
        return read_package(root, digest).digest
    temporary = root / f".new-{uuid.uuid4().hex}"
    temporary.mkdir(parents=True)
    try:
        for name, data in files.items():
            _write_synced(temporary / name, data)
            after(f"wrote {name}")
        _sync_folder(temporary)
        os.rename(temporary, target)
        after("renamed")
        _sync_folder(root)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return digest


def golden_rows(records: list[dict[str, Any]], event_times: list[datetime], margins: Scores, **answers: Scores | None) -> dict[str, Any]:
    """The content of `golden.json`; float32 margins survive JSON exactly. `answers`: `scores`, `intervals` (None: there is none)."""
    given = {"margins": margins} | {name: found for name, found in answers.items() if found is not None}
    return {"records": records, "event_times": [iso(moment) for moment in event_times],
            **{name: np.asarray(found, np.float64).tolist() for name, found in given.items()}}


def read_package(root: Path, digest: str) -> Package:
    """Read a package and verify every byte before anything is parsed. `PackageError` names the file that is wrong."""
    folder = folder_of(root, digest)
    names = _names(folder)
    held = sorted(set(names) - {"manifest.json", *OPTIONAL_FILES})
    if "manifest.json" not in names or held != sorted(FILES):
        raise PackageError(f"package {digest} does not hold exactly its files", value=", ".join(names) or "nothing",
                           allowed=", ".join((*FILES, "manifest.json")), next_step="restore it from a backup, or train again")
    raw = _read(folder / "manifest.json")
    _verify(digest, "manifest.json", raw, digest)
    try:
        manifest = Manifest.model_validate_json(raw)
    except ValidationError as error:
        raise PackageError("the package's manifest is not one this version reads", value=str(error)[:300],
                           allowed=f"format {PACKAGE_FORMAT}") from error
    if sorted([*manifest.files, "manifest.json"]) != names:
        raise PackageError("the package's manifest names other files than a package has", value=", ".join(sorted(manifest.files)),
                           allowed=", ".join(name for name in names if name != "manifest.json"))
    files = {name: _read(folder / name) for name in sorted(manifest.files)}
    for name, data in files.items():
        _verify(digest, name, data, manifest.files[name])
    return Package(digest=digest, manifest=manifest, files=files | {"manifest.json": raw})


def folder_of(root: Path, digest: str) -> Path:
    """Folder of a package; anything but `sha256:` and 64 hexadecimal digits is a `PackageError` (no path can be smuggled in)."""
    found = DIGEST.fullmatch(digest)
    if found is None:
        raise PackageError("not a package digest", value=digest, allowed="sha256: and 64 hexadecimal digits")
    return root / found.group(1)


def _names(folder: Path) -> list[str]:
    if not folder.is_dir() or folder.is_symlink():
        raise PackageError("the package is not there", value=str(folder), next_step="restore it from a backup, or train again")
    odd = [entry.name for entry in os.scandir(folder) if entry.is_symlink() or not entry.is_file(follow_symlinks=False)]
    if odd:
        raise PackageError("the package holds something else than plain files", value=", ".join(sorted(odd)))
    return sorted(entry.name for entry in os.scandir(folder))


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        data = stream.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise PackageError(f"{path.name} is too large", value=f"more than {FILE_BYTES_MAX:,} bytes", allowed=f"{FILE_BYTES_MAX:,} bytes")
    return data


def _verify(package: str, name: str, data: bytes, expected: str) -> None:
    actual = digest_bytes(data)
    if actual != expected:
        raise PackageError(f"{name} of package {package} is not what was packaged", value=actual, allowed=expected,
                           next_step="restore it from a backup, or train again; it must not be served")


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
