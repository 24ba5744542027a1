"""Which decisions a candidate would change on captured requests, why, and features that it could do without."""

from __future__ import annotations

import streamlit as st

from dashboard.components.chart import draw
from dashboard.components.measured import table_of
from dashboard.components.plots import bars, intervals
from dashboard.components.words import number, plain
from interlock.control.readmodel.compare import why_missing
from interlock.control.readmodel.proof import Proof
from interlock.control.readmodel.replays import Drops, Replay, drops_of, replay_findings, replay_of

SEGMENTS_SHOWN = 12


def replay_words(candidate: Proof, told: frozenset[str] | set[str] = frozenset()) -> None:
    """How many decisions would change and what that is worth, each in one sentence; nothing in evidence that never replayed.

    `told`: metrics that a gate has put into words already.
    """
    for finding in replay_findings(candidate):
        if finding.metric in told:
            continue
        what = "Decisions that would change" if finding.metric == "replay.flip_rate" else "Worth of these changes"
        st.markdown(f"**{what}:** {plain(finding.note or why_missing(finding))}")


def replay(candidate: Proof) -> None:
    """Directions, segments, reasons, examples."""
    drawn = replay_of(candidate)
    found = [finding for finding in replay_findings(candidate) if finding.value is not None]
    if drawn is None:
        replay_words(candidate)
        st.markdown("Nothing could be replayed: that needs a champion and captured requests that carry the candidate's inputs.")
        return
    table_of(found)
    window = " to ".join(moment[:16].replace("T", " ") for moment in drawn.window)
    st.caption(
        plain(f"Captured requests{f', {window} UTC' if window else ''}: n = {drawn.sample_size:,}, {drawn.flips:,} decided differently.")
    )
    if drawn.directions:
        st.table(
            [{"turned": plain(words), "requests": f"{count:,}"} for words, count in drawn.directions.items()],
            border="horizontal",
            hide_index=True,
        )
    _segments(drawn, window)
    _reasons(drawn, window)
    if drawn.examples:
        rows = [dict(zip(("request", "score before", "score after", "decision"), one, strict=True)) for one in drawn.examples]
        st.markdown("**The largest changes**")
        st.dataframe(rows, hide_index=True)


def _segments(drawn: Replay, window: str) -> None:
    shown = drawn.segments[:SEGMENTS_SHOWN]
    if shown:
        figure = intervals(
            [one.segment for one in shown],
            [one.share for one in shown],
            [one.low for one in shown],
            [one.high for one in shown],
            reference=drawn.flips / drawn.sample_size,
        )
        draw(
            figure,
            title="Where decisions change most",
            unit="share of requests",
            n=drawn.sample_size,
            window=window and f"{window} UTC",
            legend=False,
            height=90 + 28 * len(shown),
            about="Share of a segment's requests that would be decided differently, with its 95 % interval; dotted: all requests. "
            f"The {len(shown)} that change most, of those with at least 50 requests; {drawn.small:,} smaller ones are not shown.",
        )


def _reasons(drawn: Replay, window: str) -> None:
    if drawn.reasons:
        draw(
            bars(list(drawn.reasons), {"share": list(drawn.reasons.values())}, "%{y}: %{x:.1%}", shares=True),
            title="What drives the changes",
            unit="share of the push",
            n=drawn.flips,
            window=window and f"{window} UTC",
            legend=False,
            height=90 + 26 * len(drawn.reasons),
            about="Difference between candidate and champion in what each feature adds to an answer (SHAP values), over decisions that "
            "changed, in the direction of the change. From at most 500 of them.",
        )


def drops(candidate: Proof) -> None:
    """Features tried without, and which could go; where none was tried, the command that does."""
    found = drops_of(candidate)
    if found is None:
        finding = next(iter(candidate.by_metric("training.proposals")), None)
        st.markdown(plain(finding.note) if finding else "No feature was tried without.")
        return
    st.markdown(plain(found.note))
    _tried(found)


def _tried(found: Drops) -> None:
    st.table(
        [
            {
                "without": plain(", ".join(one.features)),
                "share of reasons": number(one.importance),
                "change of the loss": plain(f"{one.change:+.2%} ({one.low:+.2%} to {one.high:+.2%})"),
                "could go": "yes" if one.droppable else "no",
            }
            for one in found.tested
        ],
        border="horizontal",
        hide_index=True,
    )
    st.caption(
        plain(
            f"n = {found.sample_size:,} validation rows. A feature could go where the loss is surely less than {found.tolerance:.1%} "
            "higher without it. A proposal: nothing is dropped by itself."
        )
    )
