"""From scores to decisions: one path for the evidence, for replayed requests and for the prediction server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from interlock.modeling.package import Manifest

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]


def decide(manifest: Manifest, scores: NDArray[Any], groups: Sequence[object] | None = None) -> Floats:
    """The decision per row: 0/1 from the manifest's threshold on, the place of the likeliest class, or the value itself.

    `scores` (n,) or, multiclass, (n, classes). `groups` (n): values of the manifest's group column where it has thresholds by group;
    None: the ordinary threshold for all. Compared as float64, as the server does: in float32 a score may lie on the other side.
    """
    wide: Floats = scores.astype(np.float64)
    if manifest.task == "multiclass":
        likeliest: Floats = wide.argmax(axis=1).astype(np.float64)
        return likeliest
    if manifest.task == "regression":
        return wide
    decided: Floats = (wide >= thresholds_of(manifest, wide.shape[0], groups)).astype(np.float64)
    return decided


def decide_rows(manifest: Manifest, scores: NDArray[Any], rows: pl.DataFrame) -> Floats:
    """`decide` for rows that carry the group column, or do not: then the ordinary threshold counts."""
    column = group_column(manifest)
    return decide(manifest, scores, rows[column].to_list() if column is not None and column in rows.columns else None)


def thresholds_of(manifest: Manifest, rows: int, groups: Sequence[object] | None) -> Floats:
    """The threshold of each row (n,)."""
    by_group = manifest.group_thresholds
    if by_group is None or groups is None:
        return np.full(rows, manifest.threshold, dtype=np.float64)
    return np.array([by_group.of(value, manifest.threshold) for value in groups], dtype=np.float64)


def group_column(manifest: Manifest) -> str | None:
    """The column whose values `decide` needs; None where one threshold counts for all."""
    return manifest.group_thresholds.column if manifest.group_thresholds is not None else None


def group_flag(manifest: Manifest, value: object) -> str | None:
    """`group_unknown:<column>` where the ordinary threshold stood in for an unknown or missing group; else None."""
    by_group = manifest.group_thresholds
    return None if by_group is None or by_group.known(value) else f"group_unknown:{by_group.column}"
