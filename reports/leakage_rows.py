"""Learned and held-out rows that are too much alike: the same content, the same entity on both sides."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from interlock.errors import DataError
from interlock.rules.findings import Finding, State
from reports.quality_shares import absent, share_finding


def content_findings(learned: pl.DataFrame, held_out: pl.DataFrame, features: Sequence[str]) -> list[Finding]:
    """`leakage.seen_content` and `leakage.conflicting_rows` from rows (m and n) with the feature columns and `_label`.

    seen_content: share of the n held-out rows whose values in every feature occur in a learned row; range [0, 1]. With few coarse features
    that is natural; with many it means that cases were delivered twice under other ids. conflicting_rows: share of the n rows that
    agree with a learned row in every feature and not in the outcome; no model of these features can be right on both. Wilson's
    intervals; missing counts as a value. No row on a side: TOO_FEW. Raises `DataError` without a feature.
    """
    known = [name for name in features if name in learned.columns and name in held_out.columns]
    if not known:
        raise DataError("the two halves have no feature in common", value=list(features), allowed=", ".join(held_out.columns))
    if not learned.height or not held_out.height:
        return [Finding(metric=f"leakage.{name}", needed=1, state=State.TOO_FEW, note="no row to compare")
                for name in ("seen_content", "conflicting_rows")]
    outcomes = _keyed(learned, known).group_by("key").agg(pl.col("label").min().alias("low"), pl.col("label").max().alias("high"))
    both = _keyed(held_out, known).join(outcomes, on="key", how="inner")
    against = both.filter((pl.col("low") != pl.col("label")) | (pl.col("high") != pl.col("label"))).height
    rows = held_out.height
    return [
        share_finding("leakage.seen_content", both.height, rows,
                      f"{both.height:,} held-out rows have the very feature values of a learned row." if both.height else ""),
        share_finding("leakage.conflicting_rows", against, rows,
                      f"{against:,} held-out rows agree with a learned row in every feature, not in the outcome." if against else ""),
    ]


def entity_finding(learned: pl.DataFrame, held_out: pl.DataFrame, entities: Sequence[str]) -> Finding:
    """`leakage.entity_overlap`: share of the n held-out rows whose entity also occurs in learned rows; the worst of `entities`.

    `entities`: columns that say whom or what a row is about. Range [0, 1]; 0 = no person, machine or account is on both sides. A model that
    knows the entity can look better than it will be for a new one. Missing entities count as new. Wilson's interval. MISSING
    where no column is named, TOO_FEW without rows, or where no row on a side says its entity in any of the columns.
    """
    metric = "leakage.entity_overlap"
    known = [name for name in entities if name in learned.columns and name in held_out.columns]
    if not known:
        return absent(metric, "no column says whom a row is about")
    if not learned.height or not held_out.height:
        return Finding(metric=metric, needed=1, state=State.TOO_FEW, note="no row to compare")
    known = [name for name in known if min(rows[name].len() - rows[name].null_count() for rows in (learned, held_out))]
    if not known:
        return Finding(metric=metric, sample_size=held_out.height, needed=1, state=State.TOO_FEW,
                       note=f"no row says whom it is about: {', '.join(entities)} is missing throughout")
    counts = {name: _met(learned[name], held_out[name]) for name in known}
    worst = max(known, key=lambda name: counts[name])
    groups = held_out[worst].drop_nulls().n_unique()
    return share_finding(metric, counts[worst], held_out.height, segment=f"column={worst}",
                         note=f"{counts[worst]:,} of {held_out.height:,} held-out rows are about a '{worst}' that was learned from "
                              f"({groups:,} of them held out).")


def _met(learned: pl.Series, held_out: pl.Series) -> int:
    return int(held_out.drop_nulls().is_in(learned.drop_nulls().unique().implode()).sum())


def _keyed(rows: pl.DataFrame, features: list[str]) -> pl.DataFrame:
    floats = [name for name in features if rows.schema[name].is_float()]
    plain = rows.select(pl.col(name).fill_nan(None) + 0.0 if name in floats else pl.col(name) for name in features)  # -0.0 is 0.0
    label = rows["_label"].cast(pl.String) if not rows["_label"].dtype.is_numeric() else rows["_label"].cast(pl.Float64)
    return pl.DataFrame({"key": plain.hash_rows(seed=0), "label": label})
