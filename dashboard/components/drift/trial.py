"""A limit on trial: what it would have done on the windows of the past, beside other limits, before it is proposed."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from dashboard.components.address import chosen, number
from dashboard.components.chart import draw
from dashboard.components.drift_figures import on_trial as drawn
from dashboard.components.frame import note
from dashboard.components.propose import propose
from dashboard.components.words import plain, span
from dashboard.desk import Desk
from interlock.control.readmodel.alarms import ANY, LOSSES, Trial, Watched, caveat, losses_known, on_trial, watchable
from interlock.control.readmodel.directory import Entry
from interlock.control.readmodel.series import LONG_MAX, WindowRow, columns_of, window_rows
from interlock.rules.alarm_backtest import Outcome
from interlock.spec.usecase import UseCase

ABOUT = """Every window beyond the limit is one alarm, because each one tells people. A **real loss** is a window whose outcomes are
known and whose performance broke its limit by the rules that `monitor` judges with. An alarm counts as *before a loss* where a later window
of the same version, within the windows looked ahead, lost; as *with a loss* where only its own did; as *without* where all those outcomes
are known and none lost; else it is *not known yet*. A loss is *missed* where no alarm came with it or within that time before it."""
EITHER = "either"
NAMES = {"performance.drop": "worse than the evidence", "performance.bias": "wrong on average", EITHER: "either of them"}
DAYS = (30, 90, 180, 365)
SHARED = "The file has one PSI limit for all columns, the answers and the outcomes: the change is for all of them."


def limit_on_trial(desk: Desk, entry: Entry, rows: list[WindowRow]) -> None:
    """Choices, the sentence, the timeline, the table of other limits, and the proposal; `rows`: the newest windows."""
    if entry.spec is None:
        st.markdown("The use-case file cannot be read, so that neither limits nor losses are known.")
        return
    known = watchable(rows, entry.spec)
    if not known:
        st.markdown("Nothing was measured in these windows that a limit could be put on.")
        return
    trial = _choose(desk, entry, rows, known, entry.spec)
    if trial.problem:
        st.info(plain(trial.problem))
        return
    st.markdown(f"**{plain(trial.sentence)}**")
    if said := caveat(trial):
        st.caption(plain(said))
    _timeline(trial)
    _others(trial)
    _proposal(desk, entry, trial)


def _days() -> int:
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        days = chosen("days", DAYS, label="Look back", default=90, words=lambda one: f"{one} days", kind="segments")
        note(ABOUT, label="How it is counted")
    return days


def _choose(desk: Desk, entry: Entry, newest: list[WindowRow], known: list[Watched], case: UseCase) -> Trial:
    days = _days()
    what, which, losses = st.columns(3)
    by_name = {one.metric: one for one in known}
    with what:
        metric = chosen("watch", list(by_name), label="Watch", default=known[0].metric, words=lambda one: by_name[one].title)
    with which:
        column = (
            chosen("of", [ANY, *columns_of(newest)], label="Column", default=ANY, help="Any: of the column that moved most.")
            if metric == "drift.psi"
            else ANY
        )
    with losses:
        counted = chosen("losses", [EITHER, *losses_known(case)], label="A real loss is", default=EITHER, words=lambda one: NAMES[one])
    limit, ahead = st.columns(2)
    watched = by_name[metric]
    with limit:
        value = number(
            f"limit_{metric.rpartition('.')[2]}",
            label=f"Limit (now {watched.present:g})" if watched.present is not None else "Limit (the file has none)",
            default=watched.present if watched.present is not None else 0.1,
            low=0.0,
            high=100.0,
            step=0.01,
        )
    with ahead:
        horizon = int(number("ahead", label="Windows looked ahead", default=4, low=1, high=30, step=1, kind="slider"))
    only = (column, *(one.metric for one in known), *LOSSES)
    rows = desk.soon(window_rows, entry.name, LONG_MAX, newest[-1].end - timedelta(days=days), only)
    return on_trial(rows, case, watched, column, value, horizon, LOSSES if counted == EITHER else (counted,))


def _timeline(trial: Trial) -> None:
    found = trial.tested
    draw(
        drawn(
            [one.start for one in trial.rows],
            [one.value for one in trial.moments],
            found.outcomes,
            [one.lost for one in trial.moments],
            found.limit,
        ),
        title="Alarms and real losses",
        unit=trial.watched.title,
        n=sum(one.rows for one in trial.rows),
        window=span(trial.rows[0].start, trial.rows[-1].end),
        height=280,
        about="The line is what is watched, dashed the limit on trial. Each alarm has the shape of what it turned out to be. A broad bar "
        "over the whole height marks a window in which performance was really lost.",
        rows=[
            {
                "start": row.start.isoformat(),
                "version": row.version,
                "value": moment.value,
                "alarm": outcome and outcome.value,
                "lost": moment.lost,
            }
            for row, moment, outcome in zip(trial.rows, trial.moments, found.outcomes, strict=True)
        ],
    )


def _others(trial: Trial) -> None:
    rows = sorted({one.limit: one for one in [*trial.others, trial.tested]}.values(), key=lambda one: one.limit)
    st.table(
        [
            {
                "limit": f"{one.limit:g}"
                + (" (now)" if one.limit == trial.watched.present else "")
                + (" (on trial)" if one.limit == trial.tested.limit else ""),
                "alarms": one.alarms,
                "in stretches": one.runs,
                "before a loss": one.count(Outcome.BEFORE),
                "with a loss": one.count(Outcome.WITH),
                "without": one.count(Outcome.FALSE),
                "not known yet": one.count(Outcome.OPEN),
                f"losses missed, of {trial.tested.losses}": one.missed,
            }
            for one in rows
        ],
        border="horizontal",
        hide_index=True,
    )


def _proposal(desk: Desk, entry: Entry, trial: Trial) -> None:
    watched, limit = trial.watched, trial.tested.limit
    if watched.key is None:
        st.caption("The use-case file has no key for this limit, so that it cannot be proposed here.")
    elif limit == watched.present:
        st.caption("Choose another limit to get it as a proposed change of the use-case file.")
    else:
        propose(desk, entry.name, "monitoring", watched.key, limit, why=SHARED if watched.key == "drift_psi_max" else "")
