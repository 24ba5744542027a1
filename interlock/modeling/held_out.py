"""The rows a candidate never saw, answered by the candidate, by the champion and by naive rules: the same rows for all."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.errors import PackageError
from interlock.modeling.decision import decide as decide
from interlock.modeling.decision import decide_rows
from interlock.modeling.features import Matrix
from interlock.modeling.naive import Naive, naive_answers
from interlock.modeling.package import Manifest, Model, Package, Scores
from interlock.modeling.split import Split, split_rows, target
from interlock.spec.usecase import UseCase


@dataclass(frozen=True)
class HeldOut:
    """The candidate's split, and its answers on the held-out rows (n).

    `labels` (n,): 0/1, value, or place in the classes. `scores`: (n,) or, multiclass, (n, classes). `matrix` (n, features).
    """

    use_case: UseCase
    package: Package
    model: Model = field(repr=False)
    split: Split = field(repr=False)
    labels: NDArray[np.float64] = field(repr=False)
    matrix: Matrix = field(repr=False)
    scores: Scores = field(repr=False)
    naive: Naive = field(repr=False)

    @property
    def rows(self) -> pl.DataFrame:
        return self.split.test

    @property
    def predictions(self) -> NDArray[np.float64]:
        """The decision per row, as it would be served: 0/1 at the row's threshold, the place of the likeliest class, or the value."""
        return decide_rows(self.package.manifest, self.scores, self.rows)


def hold_out(use_case: UseCase, package: Package, frame: pl.DataFrame) -> HeldOut:
    """Rebuild the split that the package was made with from the same snapshot, and answer the held-out rows.

    Raises `PackageError` where the rows do not split as the manifest says: another snapshot or changed `[training]`.
    """
    manifest = package.manifest
    split = split_rows(use_case, frame, datetime.fromisoformat(manifest.training["labels_until"]), since_of(manifest))
    sizes = {"rows_train": split.train.height, "rows_validation": split.validation.height, "rows_test": split.test.height}
    expected = {name: manifest.training[name] for name in sizes}
    if sizes != expected:
        raise PackageError("the snapshot does not split as it did in training", value=sizes, allowed=str(expected),
                           next_step=f"train '{use_case.name}' again: its file or its rows changed since")
    model = package.open_model(use_case.training.threads)
    matrix = manifest.features.encode_frame(split.test)
    return HeldOut(use_case, package, model, split, target(use_case.prediction, split.test), matrix, model.score(matrix),
                   naive_answers(use_case, split))


def since_of(manifest: Manifest) -> datetime | None:
    """The moment after which the rows begin that a package was made of; None: all history, or as the use case says."""
    since = manifest.training.get("window", {}).get("since")
    return datetime.fromisoformat(since) if since else None
