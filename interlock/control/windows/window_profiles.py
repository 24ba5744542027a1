"""Profiles of monitored windows: made once from the captured rows, kept in the lake, compared and merged without reading rows again.

Kind `windows` of the lake: `<environment>/<use_case>/windows/v1/date=<start of the window>/<sha256>.zz`, zlib of JSON with the window and
its profile. The key stands in the window's `reports["profile"]`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from interlock.errors import DataError
from interlock.modeling.baseline import LABEL_COLUMN, SCORE_COLUMN, features_of, label_kind, segment_texts
from interlock.records.lake import Lake, lake_from
from interlock.records.store import Store
from interlock.records.tables import Candidate, EvidenceRow, Window
from interlock.rules.canonical import iso
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

    from reports.profiles import Profile

KIND = "windows"


@dataclass(frozen=True)
class Known:
    """What a window is compared with beside its package: the profile of the window before (and when that was), and what the model
    leans on (column → share of the SHAP weight; empty: not known)."""

    previous: Callable[[], Profile | None] = lambda: None
    importance: Callable[[], Mapping[str, float]] = dict


def profile_window(use_case: UseCase, baseline: Profile, rows: pl.DataFrame) -> Profile:
    """Profile of a window's captured rows (joined with `_label`, null: not known) on the baseline's bins.

    Columns: the baseline's features that requests carry, the answers (`_score`), the known outcomes (`_label`; its `rows` are those with an
    outcome). `segments`: the same features for each segment of the baseline. Rare values are not named.
    """
    import polars as pl

    from reports.profiles import Profile, fit_profile

    below = use_case.privacy.suppress_below
    kinds: dict[str, Any] = {name: column.kind for name, column in features_of(baseline).columns.items() if name in rows.columns}
    plain = comparable(rows, kinds)
    whole = fit_profile(plain, kinds, like=baseline, suppress_below=below)
    columns = dict(whole.columns)
    if SCORE_COLUMN in baseline.columns:
        columns |= fit_profile(rows.select(SCORE_COLUMN), {SCORE_COLUMN: "numeric"}, like=baseline).columns
    if LABEL_COLUMN in baseline.columns and LABEL_COLUMN in rows.columns:
        known = rows.filter(pl.col(LABEL_COLUMN).is_not_null()).select(LABEL_COLUMN)
        columns |= fit_profile(known, {LABEL_COLUMN: label_kind(use_case)}, like=baseline, suppress_below=below).columns
    segments: dict[str, Profile] = {}
    for name, part in baseline.segments.items():
        column, _, value = name.partition("=")
        if column in rows.columns:
            inside = plain.filter(segment_texts(use_case, rows[column]) == value)
            segments[name] = fit_profile(inside, {own: kinds[own] for own in part.columns if own in kinds}, like=part, suppress_below=below)
    return Profile(rows=rows.height, columns=columns, segments=segments)


def comparable(rows: pl.DataFrame, kinds: dict[str, Any]) -> pl.DataFrame:
    """Captured JSON values in the types that profiles take; what cannot be read as such counts as missing."""
    import polars as pl

    types: dict[str, Any] = {"numeric": pl.Float64, "boolean": pl.Boolean, "category": pl.String}
    return rows.select(pl.col(name).cast(types[kind], strict=False) for name, kind in kinds.items())


def keep_profile(lake: Lake, use_case: str, bounds: tuple[datetime, datetime], package: str, profile: Profile) -> str:
    """Store the profile of a window and give its key; the same window and profile give the same key."""
    body = {"window": {"use_case": use_case, "start": iso(bounds[0]), "end": iso(bounds[1]), "package": package},
            "profile": json.loads(profile.to_json())}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return lake.put(use_case, KIND, bounds[0].date(), zlib.compress(text.encode(), 6))


def kept_profile(lake: Lake, key: str) -> Profile:
    """Read it back; `DataError` where it is missing, altered or not a profile."""
    from reports.profiles import Profile

    try:
        return Profile.from_json(json.dumps(json.loads(zlib.decompress(lake.get(key)))["profile"]))
    except (zlib.error, ValueError, KeyError) as problem:
        raise DataError("this is not the profile of a window", value=key, next_step="restore it from the backup") from problem


def compared_with(settings: Settings, store: Store, use_case: str, package: str, start: datetime) -> Known:
    """What a window of this package is compared with beside it; looked up when a report first asks."""
    def previous() -> Profile | None:
        with store.reading() as session:
            found = previous_key(session, use_case, package, start)
        return kept_profile(lake_from(settings), found[0]) if found else None

    return Known(previous, lambda: importance_of(store, package))


def importance_of(store: Store, package: str) -> dict[str, float]:
    """Column → share of the SHAP weight, from the newest evidence about this package; empty where there is none."""
    figure = EvidenceRow.body["figures"]["explain"]["importance"]
    query = select(figure).join(Candidate, Candidate.id == EvidenceRow.candidate_id).where(Candidate.package_digest == package)
    with store.reading() as session:
        found = session.execute(query.order_by(EvidenceRow.created_at.desc()).limit(1)).scalar()
    return {str(name): float(share) for name, share in found.items()} if isinstance(found, dict) else {}


def previous_key(session: Session, use_case: str, package: str, start: datetime) -> tuple[str, Window] | None:
    """Key of the profile of the newest earlier window that this package answered, and that window; None for the first one."""
    query = select(Window).where(Window.use_case == use_case, Window.package_digest == package, Window.start < start)
    row = session.scalars(query.order_by(Window.start.desc()).limit(1)).first()
    key = row.reports.get("profile") if row is not None else None
    return (str(key), row) if row is not None and key else None
