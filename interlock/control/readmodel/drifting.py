"""What one window says about drift beyond the map: columns ranked by what they cost, every distance, segments, all columns together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from interlock.control.readmodel.numbers import Number, number
from interlock.control.readmodel.windows import WindowView
from interlock.rules.findings import Finding, State
from interlock.spec.usecase import UseCase

MEASURES = {"psi": "PSI", "js": "JS", "tv": "TV", "ks": "KS", "wasserstein": "Wasserstein", "p_value": "p", "missing_change": "missing",
            "unseen": "unseen"}
TRAINED, BEFORE = "training rows", "window before"


@dataclass(frozen=True)
class Ranked:
    """One column: PSI, share of the SHAP weight, their product, its share of all products (0 to 1), and its part of the loss (None:
    the loss is not known)."""

    column: str
    effect: float
    importance: float
    weighted: float
    share: float
    cost: Number


@dataclass(frozen=True)
class Ranking:
    """Columns of one window, the most costly first. `loss` of performance that was shared out (None: not known); `note` in words."""

    rows: tuple[Ranked, ...]
    loss: Number
    loss_metric: str
    note: str
    sample_size: int


@dataclass(frozen=True)
class Row:
    """Distances of one column from one reference by measure (None: not measured, not judged or of no meaning for its kind); `note` says
    why where there are too few rows, or names new values."""

    column: str
    against: str
    values: dict[str, Number]
    sample_size: int
    needed: int | None
    note: str


@dataclass(frozen=True)
class Segment:
    """One value of a segment column: share of its columns that moved (None: not judged, `note` says why), and which."""

    name: str
    share: Number
    moved: tuple[str, ...]
    columns: int
    sample_size: int
    note: str


def ranking(view: WindowView) -> Ranking | None:
    """The window's ranking by PSI × SHAP weight × estimated change of performance; without rows where what the model leans on is not known,
    None where the window was never ranked."""
    found = next((finding for finding in view.findings if finding.metric == "drift.impact"), None)
    if found is None:
        return None
    rows = tuple(Ranked(str(row["column"]), float(row["effect"]), float(row["importance"]), float(row["weighted"]), float(row["share"]),
                        number(row.get("cost"))) for row in found.detail.get("ranked", []))
    return Ranking(rows, number(found.detail.get("loss")), str(found.detail.get("loss_metric") or ""), found.note or found.state.value,
                   found.sample_size)


def by_cost(moved: Sequence[str], found: Ranking | None) -> list[str]:
    """Columns in the order of the ranking; those it does not hold follow in the order given."""
    first = [row.column for row in found.rows if row.column in moved] if found else []
    return [*first, *(column for column in moved if column not in first)]


def distances(view: WindowView, order: Sequence[str]) -> list[Row]:
    """Every column against the training rows and, where there was one, against the window before, in the given order."""
    own: dict[str, dict[str, Finding]] = {}
    for finding in view.by_metric("drift."):
        name = finding.metric.removeprefix("drift.")
        if finding.segment.startswith("column=") and name in MEASURES:
            own.setdefault(finding.segment.removeprefix("column="), {})[name] = finding
    before = next((finding for finding in view.findings if finding.metric == "drift.previous_share"), None)
    table: dict[str, dict[str, Any]] = before.detail.get("table", {}) if before else {}
    rows = []
    for column in [*(name for name in order if name in own), *sorted(set(own) - set(order))]:
        rows.append(_against_training(column, own[column]))
        if before is not None and column in table:
            rows.append(_against_before(column, table[column], before))
    return rows


def why_no_previous(view: WindowView) -> str:
    """Why nothing was compared with the window before; empty where it was."""
    found = next((finding for finding in view.findings if finding.metric == "drift.previous_share"), None)
    if found is None:
        return "This window was judged before windows were compared with the one before them."
    return "" if found.detail.get("table") else found.note or found.state.value


def segments(view: WindowView) -> list[Segment]:
    """Every compared segment, the one that moved most first; those without a value last."""
    found = [Segment(finding.segment, _judged(finding), tuple(map(str, finding.detail.get("moved", []))),
                     int(finding.detail.get("columns", 0)), finding.sample_size, finding.note or finding.state.value)
             for finding in view.by_metric("drift.segment_share")]
    return sorted(found, key=lambda one: (one.share is None, -(one.share or 0.0), one.name))


def how_cut(view: WindowView, case: UseCase | None) -> str:
    """How rows were cut into segments, and which declared columns gave none."""
    if case is None or not (declared := case.monitoring.segments):
        return ("No column is declared. `[monitoring] segments` in the use-case file names category, boolean or whole-number columns "
                "by whose values drift is measured too.")
    cut = {finding.segment.partition("=")[0] for finding in view.by_metric("drift.segment_share")}
    none = [name for name in declared if name not in cut]
    said = (f"Cut by {', '.join(declared)}: of each column the eight most frequent values with at least "
            f"{case.monitoring.rows_min:,} training rows; every other value is left out.")
    if not none:
        return said
    return f"{said} Nothing was compared for {', '.join(none)}: no value had enough training rows, or the version is older than that."


def _against_training(column: str, found: dict[str, Finding]) -> Row:
    few = next((finding for finding in found.values() if finding.state is not State.OK and finding.metric == "drift.psi"), None)
    new = found["unseen"].note if "unseen" in found and found["unseen"].state is State.OK else ""
    note = (few.note or few.state.value) if few else new
    return Row(column, TRAINED, {name: _judged(found[name]) if name in found else None for name in MEASURES},
               max(finding.sample_size for finding in found.values()), few.needed if few else None, note)


def _against_before(column: str, table: dict[str, Any], share: Finding) -> Row:
    values = {name: number(table.get(name)) for name in MEASURES}
    few = values["psi"] is None
    note = (share.note if share.state is not State.OK else "too few values in one of the two windows") if few else ""
    return Row(column, BEFORE, values, share.sample_size, share.needed if few else None, note)


def _judged(finding: Finding) -> Number:
    return number(finding.value) if finding.state is State.OK else None
