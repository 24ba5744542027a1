"""Candidate beside champion: the telling numbers on the first screen, every metric of both below."""

from __future__ import annotations

import streamlit as st

from dashboard.components.words import interval, number, plain
from interlock.control.readmodel.compare import differences, pairs, titled, why_missing
from interlock.control.readmodel.proof import Proof
from interlock.control.readmodel.telling import Told, first_screen, told
from interlock.rules.findings import Finding, State

OWN = "†"  # marks numbers that are not from the same rows


def telling(candidate: Proof, champion: Proof | None, gated: str) -> None:
    """At most six rows: both versions, the difference with its interval, and what the interval says."""
    rows = first_screen(told(candidate, champion, gated))
    numbers_of(rows, f"version {candidate.version}", f"version {champion.version}" if champion else "live", known=champion is not None)


def numbers_of(rows: list[Told], left: str, right: str, *, known: bool = True) -> None:
    """The table of two versions with its footnote; nothing without rows."""
    if rows:
        st.table([_row(one, left, right, known) for one in rows], border="horizontal", hide_index=True)
        st.caption(_foot(rows, known))


def _row(one: Told, left: str, right: str, known: bool) -> dict[str, str]:
    theirs = number(one.champion, one.unit) if one.champion is not None else plain(one.why) if known else "none yet"
    change = plain(f"{one.difference:+.3g}") if one.difference is not None else "–"
    between = plain(f"({one.low:+.3g} to {one.high:+.3g})") if one.low is not None and one.high is not None else ""
    which = one.which if one.which in {"", "no clear difference"} else f"**{one.which}**"
    return {
        "metric": plain(one.title + ("" if one.same_rows or one.champion is None else f" {OWN}")),
        left: plain(number(one.candidate, one.unit)) if one.candidate is not None else plain(one.why),
        right: plain(theirs),
        "difference, + is better": " ".join(filter(None, (which, change, between))),
    }


def _foot(rows: list[Told], known: bool) -> str:
    same = next((one for one in rows if one.same_rows), None)
    if not known or same is None:
        return plain(
            f"Nothing to compare with yet. n = {rows[0].n:,} rows held out."
            if not known
            else "Each number is from that version's own evidence, on other rows: compare with care."
        )
    others = any(not one.same_rows and one.champion is not None for one in rows)
    apart = f" {OWN} from each version's own evidence, on other rows." if others else ""
    return plain(f"Both versions answered the same {same.n:,} rows that neither learned from; intervals cover 95 %.{apart}")


def side_by_side(candidate: Proof, champion: Proof | None, gated: str) -> None:
    """Every metric of both, each from its own evidence; below it the paired differences, which are the fair comparison."""
    left = f"candidate, version {candidate.version}"
    right = f"champion, version {champion.version}" if champion else "champion"
    rows = [
        {
            "metric": plain(pair.title),
            left: plain(shown(pair.candidate)),
            "interval": interval(pair.candidate.low, pair.candidate.high),
            "n": f"{pair.candidate.sample_size:,}",
            right: plain(shown(pair.champion)) if champion else "no champion yet",
            "its interval": interval(pair.champion.low, pair.champion.high) if pair.champion else "",
            "better": pair.better,
        }
        for pair in pairs(candidate, champion, gated)
    ]
    if rows:
        st.table(rows, border="horizontal", hide_index=True)
        st.caption(
            "Each value is from that version's own evidence, on the rows held out then, so other rows where the data changed. "
            "The fair comparison is the difference on the same rows, below. Intervals cover 95 %."
        )
    for finding in differences(candidate):
        value = (
            f"{number(finding.value)} ({interval(finding.low, finding.high)}), n = {finding.sample_size:,}; positive is better"
            if finding.value is not None
            else why_missing(finding)
        )
        st.markdown(f"**{plain(titled(finding))}**, on the same rows: {plain(value)}")


def shown(finding: Finding | None) -> str:
    """A value with unit, or why there is none."""
    if finding is None or finding.value is None or finding.state is not State.OK:
        return why_missing(finding)
    return number(finding.value, finding.unit)
