"""Traffic as the prediction server captures it: a small real model, its answers, its late labels, faults planted in the requests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from interlock.control.windows.monitoring import MonitorResult, monitor_use_case
from interlock.modeling.making import make_package
from interlock.modeling.package import Package, read_package
from interlock.records.segments import SegmentWriter
from interlock.records.store import Store
from interlock.records.tables import Outbox, Window
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

DAY0 = datetime(2024, 3, 1, tzinfo=UTC)
SPEC: dict[str, Any] = {
    "spec_version": 1, "name": "small_loans", "title": "Small loans", "description": "For tests.", "owner": "lending",
    "prediction": {"task": "binary", "target": "late", "positive": [1], "moment": "at application"},
    "source": {"kind": "files", "files": [{"path": "loans.csv"}]},
    "columns": {"income": {"type": "float"}, "region": {"type": "category"}, "sex": {"type": "category", "role": "sensitive"},
                "late": {"type": "integer", "role": "target"}},
    "training": {"split": "seeded", "trials": 1, "rounds_max": 20, "threads": 1, "rows_min": 100},
    "monitoring": {"window_hours": 24, "watermark_hours": 1, "rows_min": 100, "labels_min": 100, "cooldown_hours": 48},
}


def spec(**sections: dict[str, Any]) -> UseCase:
    """The use case with some sections' values changed."""
    return UseCase.model_validate(SPEC | {name: SPEC.get(name, {}) | values for name, values in sections.items()})


def people(rows: int, seed: int, *, shift: float = 0.0, noise: bool = False, more: float = 0.0) -> pl.DataFrame:
    """Applicants: `late` depends on income. `shift` moves the incomes; `noise` makes outcomes independent of them; `more`
    raises the chance of being late for everybody alike."""
    random = np.random.default_rng(seed)
    income = random.normal(0.0, 1.0, rows) + shift
    chance = 1 / (1 + np.exp(3 * (income if not noise else random.normal(0.0, 1.0, rows)) - more))
    return pl.DataFrame({
        "income": income, "region": random.choice(["north", "south", "west"], rows), "sex": random.choice(["f", "m"], rows),
        "_label": (random.random(rows) < chance).astype(np.float64), "_row_id": [f"{seed}-{i}" for i in range(rows)],
    }).with_columns(_event_time=pl.lit(DAY0 - timedelta(days=30)).cast(pl.Datetime("us", "UTC")),
                    _label_seen_time=pl.lit(DAY0 - timedelta(days=30)).cast(pl.Datetime("us", "UTC")),
                    _seen_time=pl.lit(DAY0 - timedelta(days=30)).cast(pl.Datetime("us", "UTC")), _split=pl.lit(None, pl.String))


def small_package(root: Path) -> str:
    """A real package, trained on 8,000 applicants; its digest."""
    made = make_package(root, spec(), people(8000, 1), snapshot_digest="sha256:" + "0" * 64, spec_digest="sha256:" + "1" * 64)
    return made.package.digest


@dataclass
class Traffic:
    """One installation's captured traffic."""

    settings: Settings
    store: Store
    digest: str
    use_case: UseCase = field(default_factory=spec)
    served: int = 0

    def __post_init__(self) -> None:
        self.package: Package = read_package(self.settings.folder("packages"), self.digest)
        self.model = self.package.open_model()
        self.segment = SegmentWriter(self.settings.folder("capture") / self.use_case.name / "w0-1.seg")

    def serve(self, day: int, rows: int = 400, *, shift: float = 0.0, noise: bool = False, more: float = 0.0, latency_ms: float = 2.0,
              arm: str = "champion", version: int = 1, digest: str | None = None, generation: int = 1, hours: float = 1.0,
              favour: str | None = None, seed: int | None = None, frame: pl.DataFrame | None = None) -> pl.DataFrame:
        """Answers on a day; the applicants with request ids and outcomes. `favour`: that sex gets low scores, whatever else;
        `frame`: these applicants instead of new ones."""
        self.served += 1
        frame = people(rows, seed or 1000 + self.served, shift=shift, noise=noise, more=more) if frame is None else frame
        rows = frame.height
        scores = self.model.score(self.package.manifest.features.encode_frame(frame)).astype(float)
        if favour is not None:
            scores = np.where(frame["sex"].to_numpy() == favour, 0.9, 0.1)
        frame = frame.with_columns(pl.Series("_request_id", [f"r{self.served}-{i}" for i in range(rows)]))
        at = DAY0 + timedelta(days=day, hours=hours)
        body = [{**{name: row[name] for name in ("income", "region", "sex", "_request_id")}, "_version": version,
                 "_digest": digest or self.digest, "_generation": generation, "_arm": arm, "_event_time": at, "_seen_time": at,
                 "_score": float(score), "_scores": None, "_prediction": str(int(score >= 0.5)), "_latency_ms": latency_ms, "_flags": []}
                for row, score in zip(frame.to_dicts(), scores, strict=True)]
        kinds = {digest or self.digest: {"income": "numeric", "region": "category", "sex": "context"}}
        self._capture({"kind": "predictions", "columns": kinds, "rows": body})
        return frame

    def label(self, frame: pl.DataFrame, day: float) -> None:
        """The outcomes of these applicants become known on a day."""
        seen = DAY0 + timedelta(days=day)
        self._capture({"kind": "labels", "rows": [{"_request_id": row["_request_id"], "_label": row["_label"], "_label_seen_time": seen,
                                                   "_received_at": seen} for row in frame.to_dicts()]})

    def lose(self, day: int, rows: int) -> None:
        """Answers that could not be recorded."""
        at = DAY0 + timedelta(days=day, hours=2)
        self._capture({"kind": "gap", "from": at, "to": at + timedelta(minutes=5), "rows": rows, "error": "No space left on device"})

    def monitor(self, day: float) -> MonitorResult:
        return monitor_use_case(self.settings, self.store, self.use_case, as_of=DAY0 + timedelta(days=day))

    def windows(self) -> list[Window]:
        with self.store.reading() as session:
            return session.query(Window).order_by(Window.start, Window.version).all()

    def states(self) -> list[str]:
        return [window.state for window in self.windows()]

    def causes(self) -> list[str]:
        with self.store.reading() as session:
            return [row.cause for row in session.query(Outbox).order_by(Outbox.id)]

    def _capture(self, body: dict[str, Any]) -> None:
        self.segment.append([msgspec.msgpack.encode(body)])


@contextmanager
def captured_here(settings: Settings, store: Store, package: tuple[Path, str]) -> Iterator[Traffic]:
    """An installation that holds the package, with its traffic."""
    copy_package(*package, settings)
    made = Traffic(settings, store, package[1])
    yield made
    made.segment.close()


def copy_package(root: Path, digest: str, settings: Settings) -> None:
    """Put the package into an installation."""
    name = digest.removeprefix("sha256:")
    shutil.copytree(root / name, settings.folder("packages") / name)
