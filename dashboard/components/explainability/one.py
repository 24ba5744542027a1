"""One captured answer explained on demand: reasons, the way from the average answer to it, what would turn it, and what if."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import streamlit as st

from dashboard.components import address
from dashboard.components.chart import draw
from dashboard.components.explainability.plots_explain import label, waterfall
from dashboard.components.explainability.what_if import what_if_section
from dashboard.components.states import empty, trouble
from dashboard.components.words import moment, number, plain, short
from dashboard.desk import Desk
from interlock.control.answers.looking import RIGHT, explain_apart
from interlock.control.readmodel.directory import Entry
from interlock.errors import InterlockError

ABOUT = """The same as `interlock explain` on the command line, in a process of its own: the package that gave the answer is opened and the
captured row is explained. The reasons are those that speak for the unfavourable answer. They say what counted in this model: not what
caused anything, and not that changing it will help."""
SCALES = {"margin": "margin", "probability": "probability"}


def one_answer(desk: Desk, entry: Entry) -> None:
    """The id, then what was found for it."""
    if not desk.may(RIGHT):
        empty("To look at one captured row needs a role.", "Ask an admin for one of analyst, approver, operator or auditor.")
        return
    st.caption("Any answer that was captured, by the `id` of its reply. Press Enter.")
    asked = address.text("request", label="Id of the request", placeholder="0192…").strip()
    if not asked:
        return
    found = _kept(desk, entry, asked)
    if isinstance(found, InterlockError):
        trouble(found)
        if st.button("Ask again"):
            st.session_state.pop("explained", None)
            st.rerun()
        return
    _told(found)
    what_if_section(desk, entry.name, found)


def _kept(desk: Desk, entry: Entry, asked: str) -> dict[str, Any] | InterlockError:
    """What was found for this id, asked once per session and id: it takes a second or two."""
    mine = (entry.name, asked)
    kept = st.session_state.get("explained")
    if kept is None or kept[0] != mine:
        with st.spinner("The answer is being explained …"):
            kept = st.session_state["explained"] = (mine, _ask(desk, entry, asked))
    found: dict[str, Any] | InterlockError = kept[1]
    return found


def _ask(desk: Desk, entry: Entry, asked: str) -> dict[str, Any] | InterlockError:
    if entry.spec is None:
        return InterlockError("the use-case file cannot be read, so the answer cannot be explained")
    try:
        return explain_apart(desk.settings, desk.person, entry.spec, asked)
    except InterlockError as error:
        return error


def _told(found: dict[str, Any]) -> None:
    st.markdown(
        f"Request **{plain(found['request_id'])}** was answered **{plain(found['prediction'])}** (score {number(found['score'])}) by "
        f"version {found['version']} `{short(found['digest'])}` for {plain(moment(datetime.fromisoformat(found['event_time'])))}."
    )
    left, right = st.columns([2, 3])
    with left:
        reasons_of(found["reasons"], found["reasons"].get("explained") or found["explained"])
        _turns(found["counterfactuals"])
    with right:
        way_of(found, "the captured answer")


def reasons_of(reasons: dict[str, Any], what: str) -> None:
    """The principal reasons, or why they must not be sent."""
    way = "high" if reasons["direction"] == "up" else "low"
    st.markdown(f"**Principal reasons for {plain(what)} being {way}**")
    st.markdown("\n".join(f"{n}. {plain(one['text'])} ({one['share']:.0%})" for n, one in enumerate(reasons["codes"], 1)) or "None.")
    (st.caption if reasons["complete"] else st.warning)(plain(reasons["note"]))


def way_of(found: dict[str, Any], what: str) -> None:
    """The waterfall from the average answer, in margin or, for a yes-or-no answer, in probability."""
    steps = found["waterfall"]
    scales = list(SCALES) if steps[-1].get("probability_after") is not None else ["margin"]
    scale = address.chosen("scale", scales, label="Unit of the steps", default="margin", kind="segments") if len(scales) > 1 else "margin"
    probable = scale == "probability"
    after = [one["probability_after" if probable else "after"] for one in steps]
    draw(
        waterfall(
            [label(one["feature"], one["value"]) for one in steps],
            [one["probability_step" if probable else "contribution"] for one in steps],
            after,
        ),
        title=f"From the average answer to {what}",
        unit="probability, 0 to 1" if probable else "margin (log odds, or the unit of the target)",
        n=1,
        height=70 + 27 * len(steps),
        legend=False,
        about=f"{ABOUT}\n\nThe diamond is the average answer; orange raises this one, blue lowers it; the dotted line is where it ends. "
        f"{found['kind'].capitalize()} Shapley values. In margin the steps simply add up; in probability what a step adds depends on those "
        "above it.",
    )
    sentence = f"Average answer {number(after[0])}, this one {number(after[-1])}, in {scale}."
    if probable and found.get("calibrated"):
        sentence += f" The score {number(found['score'])} is that after calibration."
    st.caption(plain(sentence))


def _turns(search: dict[str, Any]) -> None:
    st.markdown("**What would turn the answer**")
    for one in search["found"]:
        changes = ", ".join(f"{name} {written(old)} → {written(new)}" for name, (old, new) in one["changes"].items())
        st.markdown(f"- {plain(changes)}")
    note = str(search["note"]).rstrip(".")
    st.caption(plain(f"{note[:1].upper()}{note[1:]}. Only columns that the use-case file calls actionable are changed, within its bounds."))


def written(value: object) -> str:
    """A value of a feature for people."""
    return "not given" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
