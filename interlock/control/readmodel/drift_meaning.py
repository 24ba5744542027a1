"""What a column's PSI means here, in sentences: how large, how sure, who gained and lost share, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.control.readmodel.drifting import Ranked
from interlock.control.readmodel.numbers import Number, number
from interlock.control.readmodel.series import WindowRow
from interlock.control.readmodel.windows import Shape, WindowView
from interlock.rules.findings import Finding, State

SMALL, LARGE = 0.1, 0.25  # a convention of credit scoring: Siddiqi 2006
SHIFT_MIN = 0.01  # share of rows below which a group is not named
NAMED = 2


@dataclass(frozen=True)
class Part:
    """PSI of the column within one segment (None: not judged, `note` says why)."""

    segment: str
    psi: Number
    n: int
    note: str


@dataclass(frozen=True)
class History:
    """When a column began to move, among the windows of one version that were read: `measured` of them, `beyond` over the limit.

    `first`: the first one over the limit. `since`: where the unbroken run over the limit began that the chosen window is in (None: it is
    not over it). `before`, `after`: the neighbouring windows with the largest rise, `rise` in PSI (None: fewer than 3, or it never rose).
    """

    measured: int
    beyond: int
    first: WindowRow | None
    since: WindowRow | None
    before: WindowRow | None
    after: WindowRow | None
    rise: Number


def history_of(rows: Sequence[WindowRow], column: str, chosen: WindowRow, limit: float) -> History:
    """Read from stored windows, oldest first; windows in which the column was not measured neither begin nor break a run."""
    own = [(row, row.columns[column].value) for row in rows if row.digest == chosen.digest and column in row.columns]
    known = [(row, value) for row, value in own if value is not None]
    over = [row for row, value in known if value > limit]
    since = None
    for row, value in reversed([one for one in known if one[0].start <= chosen.start]):
        if value <= limit:
            break
        since = row
    rises = [(later[1] - earlier[1], earlier[0], later[0]) for earlier, later in zip(known, known[1:], strict=False)]
    top = max(rises, key=lambda one: one[0], default=None) if len(known) > 2 else None
    jumped = top if top is not None and top[0] > 0 else None
    return History(len(known), len(over), over[0] if over else None, since if chosen.columns[column].value is not None else None,
                   jumped[1] if jumped else None, jumped[2] if jumped else None, jumped[0] if jumped else None)


def meaning(finding: Finding, limit: float, shape: Shape | None, view: WindowView, ranked: Ranked | None, loss: str) -> list[str]:
    """Sentences on one column in one window; without a value the reason alone. `loss`: "measured", "estimated" or empty."""
    if finding.value is None or finding.state is not State.OK:
        return [f"Not measured: {finding.note or finding.state.value}"]
    said = [_size(finding.value, limit)]
    if shape is not None:
        said.append(_luck(shape))
    moved = next((one.value for one in view.by_metric("drift.tv") if one.segment == finding.segment and one.state is State.OK), None)
    if moved is not None:
        said.append(f"{_percent(moved)} of the rows would have to change group to look like the training rows again.")
    if shape is not None:
        said += _gained_and_lost(shape)
    before, now = number(finding.detail.get("mean_baseline")), number(finding.detail.get("mean_current"))
    if before is not None and now is not None:
        said.append(f"Its mean went from {before:,.4g} to {now:,.4g}.")
    return [*said, _weight(ranked, loss)]


def parts_of(view: WindowView, column: str) -> list[Part]:
    """The column within every compared segment, what moved most first; those without a value last."""
    found = []
    for one in view.by_metric("drift.segment_share"):
        table = one.detail.get("table")
        own = table.get(column) if isinstance(table, dict) else None
        psi = number(own.get("psi")) if isinstance(own, dict) else None
        found.append(Part(one.segment, psi, one.sample_size, "" if psi is not None else one.note or "too few values"))
    return sorted(found, key=lambda one: (one.psi is None, -(one.psi or 0.0), one.segment))


def _size(value: float, limit: float) -> str:
    word = "small, often noise" if value < SMALL else "a moderate shift" if value <= LARGE else "a large shift"
    place = f"above the limit of {limit:g}" if value > limit else f"within the limit of {limit:g}"
    return f"PSI {value:.2g} is {place}: by the usual reading {word}."


def _luck(shape: Shape) -> str:
    """The PSI that rows of the same source would have on average: (groups - 1) (1 / n + 1 / m), Yurdakul and Naranjo 2020."""
    luck = (len(shape.labels) - 1) * (1 / max(shape.rows_current, 1) + 1 / max(shape.rows_baseline, 1))
    return (f"Luck alone would give about {luck:.2g}, with {shape.rows_current:,} rows here and {shape.rows_baseline:,} when the model "
            "was made.")


def _gained_and_lost(shape: Shape) -> list[str]:
    changes = sorted(((now - then, label, then, now) for label, then, now in zip(shape.labels, shape.baseline, shape.current, strict=True)),
                     key=lambda one: (-abs(one[0]), one[1]))
    more = [one for one in changes if one[0] >= SHIFT_MIN][:NAMED]
    less = [one for one in changes if one[0] <= -SHIFT_MIN][:NAMED]
    return [f"{word} rows with {', '.join(f'{label} ({_percent(then)} then, {_percent(now)} now)' for _, label, then, now in some)}."
            for word, some in (("More", more), ("Fewer", less)) if some]


def _weight(ranked: Ranked | None, loss: str) -> str:
    if ranked is None:
        return "What the model leans on was not known for this window, so this drift has no price."
    said = f"The model leans on it with {_percent(ranked.importance)} of its SHAP weight: {_percent(ranked.share)} of all weighted drift"
    if ranked.cost is None or not loss:
        return f"{said}; no loss of performance is known that could be shared out."
    if ranked.cost <= 0:
        return f"{said}; performance has not fallen, so it has cost nothing so far ({loss})."
    return f"{said}, which is {ranked.cost:.2g} of the {loss} loss of performance (shared out in proportion, no proof of cause)."


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.095 or share == 0 else f"{share:.1%}"
