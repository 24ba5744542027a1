"""Requests as customers send them, for a server that customers do not see: captured ones, else held-out rows, else golden ones.

Context fields (sensitive attributes, identifiers) are left out: no model scores them. What is made here is sent and forgotten.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from interlock.errors import InterlockError
from interlock.modeling.inputs import accepted_fields, computed, required_fields
from interlock.modeling.package import Package
from interlock.records.store import Store
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

FILES_MAX = 60                                    # files of captured predictions looked through, the newest first
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)       # as interlock.serving.records: the server refuses other times
AHEAD = timedelta(hours=23)
Record = dict[str, Any]


@dataclass(frozen=True)
class Rows:
    """Records with their event times. `source` says where they are from, `note` why there are none or others than asked for."""

    records: list[Record] = field(default_factory=list, repr=False)
    source: str = ""
    note: str = ""


def golden_records(package: Package) -> Rows:
    """The package's golden rows as requests. None where the server computes features itself: it would compute others than were recorded."""
    own = computed(package.manifest)
    if own:
        return Rows(note=f"the server computes {', '.join(own[:3])}{' and more' if len(own) > 3 else ''} itself")
    records, times, _ = package.golden()
    spared = dict.fromkeys(required_fields(package.manifest))
    return Rows([{**spared, **record, "event_time": time.isoformat()} for record, time in zip(records, times, strict=True)
                 if _servable(time)], "golden rows")


def golden_scores(package: Package) -> NDArray[np.float64] | None:
    """The recorded scores of the golden rows, one number each as replies give them; None where only margins were recorded."""
    found = package.golden_answers().get("scores")
    if found is None:
        return None
    times = package.golden()[1]
    kept = [place for place, time in enumerate(times) if _servable(time)]
    return _top(np.asarray(found, dtype=np.float64))[kept]


def real_records(settings: Settings, store: Store, use_case: UseCase, package: Package, snapshot_digest: str, *, rows: int) -> Rows:
    """At most `rows` real requests that this package can answer: the newest captured ones, or rows of its snapshot that it never saw.

    Never raises for data that is not there: `note` says why there are none.
    """
    if rows == 0:
        return Rows(note="the use case asks for none ([staging] real_rows = 0)")
    try:
        captured = _captured(settings, use_case.name, package, rows)
        return captured if captured.records else _held_out(settings, store, use_case, package, snapshot_digest, rows, captured.note)
    except (InterlockError, OSError, KeyError, ValueError) as error:
        what = error.what if isinstance(error, InterlockError) else f"{type(error).__name__}: {error}"
        return Rows(note=f"real rows could not be read: {what}"[:300])


def own_answers(settings: Settings, package: Package, records: list[Record]) -> NDArray[np.float64]:
    """What the package itself answers, in this process and apart from the server's encoder; (n,), one number each as replies give them."""
    from interlock.serving.completing import Completion, Tables

    if not records:
        return np.zeros(0)
    manifest = package.manifest
    completion = Completion(manifest, Tables(settings.home.resolve()))
    times = [datetime.fromisoformat(str(record["event_time"])) for record in records]
    values = [{name: value for name, value in record.items() if name not in ("id", "event_time")} for record in records]
    if completion.needed:
        for one, time in zip(values, times, strict=True):
            completion.complete(one, time)
    matrix, _ = manifest.features.encode_records([{name: one.get(name) for name in manifest.features.input_names} for one in values], times)
    return _top(np.asarray(package.open_model().score(matrix), dtype=np.float64))


def _captured(settings: Settings, use_case: str, package: Package, rows: int) -> Rows:
    from interlock.records.captured_files import captured_files
    from interlock.records.compaction import compact
    from interlock.records.lake import lake_from, read_frames

    lake = lake_from(settings)
    files = captured_files(settings, use_case)
    if not files:  # the newest may still be in segments
        compact(settings, lake, use_case)
        files = captured_files(settings, use_case)
    records: list[Record] = []
    for file in reversed(files[-FILES_MAX:]):
        frame = read_frames(lake, [file.key])
        missing = [name for name in required_fields(package.manifest) if name not in frame.columns]
        if missing:
            return Rows(records, "captured requests", f"captured requests lack {', '.join(missing[:3])}")
        records += _records(package, frame.sort("_seen_time").tail(rows - len(records)))
        if len(records) >= rows:
            break
    return Rows(records, "captured requests", "" if records else "no request was captured yet")


def _held_out(settings: Settings, store: Store, use_case: UseCase, package: Package, snapshot_digest: str, rows: int, why: str) -> Rows:
    from interlock.control.frames import modelling_frame
    from interlock.modeling.held_out import since_of
    from interlock.modeling.split import split_rows

    frame = modelling_frame(settings, store, use_case, snapshot_digest, package.manifest)
    split = split_rows(use_case, frame, datetime.fromisoformat(package.manifest.training["labels_until"]), since_of(package.manifest))
    some = split.test.sample(min(rows, split.test.height), seed=settings.seed)
    missing = [name for name in required_fields(package.manifest) if name not in some.columns]
    if missing:
        return Rows(note=f"{why}, and the held-out rows lack {', '.join(missing[:3])}")
    return Rows(_records(package, some), "held-out rows", why)


def _records(package: Package, frame: pl.DataFrame) -> list[Record]:
    kinds = {name: kind for name, kind in accepted_fields(package.manifest).items() if kind != "context" and name in frame.columns}
    wanted = frame.select([*kinds, "_event_time"]).iter_rows(named=True)
    return [_record(kinds, row) for row in wanted if _servable(row["_event_time"])]


def _record(kinds: Mapping[str, str], row: Mapping[str, Any]) -> Record:
    return {name: _value(kind, row[name]) for name, kind in kinds.items()} | {"event_time": row["_event_time"].isoformat()}


def _value(kind: str, value: Any) -> Any:
    """As a request may carry it; numbers that JSON cannot say are missing."""
    if value is None:
        return None
    if kind == "numeric":
        number = float(value)
        return number if math.isfinite(number) else None
    return bool(value) if kind == "boolean" else value if isinstance(value, (str, int)) else str(value)


def _servable(moment: datetime) -> bool:
    return EARLIEST <= moment <= datetime.now(UTC) + AHEAD


def _top(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(1), the value, or the probability of the likeliest class: what a reply calls `score`."""
    return scores.max(axis=1) if scores.ndim == 2 else scores
