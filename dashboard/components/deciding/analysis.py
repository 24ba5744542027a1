"""What the steps of a release measured, newest first: each measure with its interval and counts, flips in the shadow, the A/B test."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.components.deciding.probations import of_probation
from dashboard.components.deciding.staging import of_staging
from dashboard.components.signal import mark
from dashboard.components.words import number, plain
from dashboard.theme import LOOKS
from interlock.control.readmodel.rollouts import ReleaseView
from interlock.control.readmodel.signals import SignalState

WORDS = {
    "pass": "passed",
    "fail": "failed",
    "waiting": "waiting",
    "inconclusive": "inconclusive: a person decides",
    "no_traffic": "no traffic",
    "paused": "paused by a person",
}
STATES = {"pass": SignalState.PASS, "fail": SignalState.FAIL, "waiting": SignalState.WARN}
KINDS = {"shadow": "shadow", "preview": "preview", "share": "share of requests", "ab": "A/B test"}
STRATEGIES = {"canary": "Canary", "shadow": "Shadow", "linear": "Linear", "blue_green": "Blue/green", "ab": "A/B"}
AB = {
    "benefit": "the candidate is better",
    "harm": "the candidate is worse",
    "futility": "no difference that matters",
    "goes_on": "it goes on",
}
SHARES = {"errors", "refusals", "decisions", "flips", "abstentions", "labels"}


def analysis(release: ReleaseView) -> None:
    """Every judgement with its measures and both arms."""
    judged = [one for one in release.analysis if not of_staging(one) and not of_probation(one)]  # these have words of their own
    if not judged:
        st.markdown("No step was judged yet. A step is judged when it has lasted long enough and answered enough requests.")
        return
    for n, judgement in reversed(list(enumerate(judged, 1))):
        state = STATES.get(str(judgement.get("verdict")), SignalState.UNKNOWN)
        with st.expander(
            f"{LOOKS[state].shape} {plain(title(judgement))}: {plain(judgement.get('sentence', ''))}", expanded=n == len(judged)
        ):
            _judgement(judgement)


def title(judgement: dict[str, Any]) -> str:
    """`Canary, step 2 (share of requests): no traffic`, with `so far` while the step lasts."""
    verdict = WORDS.get(str(judgement.get("verdict")), "unknown")
    if "step" not in judgement:
        return f"{str(judgement.get('stage', 'Judgement')).capitalize()}: {verdict}"
    strategy = STRATEGIES.get(str(judgement.get("strategy")), "Canary")
    kind = KINDS.get(str(judgement.get("kind", "share")), "")
    return f"{strategy}, step {judgement['step']} ({kind}): {verdict}{' so far' if judgement.get('interim') else ''}"


def _judgement(judgement: dict[str, Any]) -> None:
    if judgement.get("verdict") == "no_traffic":
        st.markdown(f"{mark(SignalState.UNKNOWN)} **No traffic.** The candidate was not asked. Silence promotes nothing.")
    if judgement.get("since"):
        since, until = (str(judgement[name])[:19].replace("T", " ") for name in ("since", "at"))
        st.caption(plain(f"Both versions over the same period: {since} to {until} UTC."))
    _measures(judgement.get("measures", []), judgement.get("arms", {}))
    if "ab" in judgement:
        _ab(judgement["ab"])
    arms = judgement.get("arms", {})
    if arms:
        _arms(arms, shadow=judgement.get("kind") == "shadow")


def _measures(measures: list[dict[str, Any]], arms: dict[str, dict[str, Any]]) -> None:
    for measure in measures:
        sentence = plain(measure.get("sentence", measure.get("name", "")))
        judged = measure.get("verdict") != "observed"
        state = STATES.get(str(measure.get("verdict")), SignalState.UNKNOWN)
        st.markdown(f"{mark(state)} {sentence}" if judged else f"○ {sentence} (shown, not judged)")
    rows = [
        {
            "measure": measure["name"],
            "candidate": _of_arm(measure["name"], arms.get("candidate", {})),
            "champion, same period": _of_arm(measure["name"], arms.get("champion", {})),
            "judged value": _value(measure, "value"),
            "95 % interval": f"{_value(measure, 'low')} to {_value(measure, 'high')}" if measure.get("low") is not None else "–",
            "limit": _value(measure, "threshold"),
            "n candidate": f"{measure.get('n', 0):,}",
            "n champion": f"{measure.get('n_champion', 0):,}",
            "verdict": measure["verdict"],
        }
        for measure in measures
        if "n_champion" in measure
    ]
    if rows:
        st.table(rows, border="horizontal", hide_index=True)


def _of_arm(name: str, arm: dict[str, Any]) -> str:
    """The arm's own figure of this measure, where it has one of its own (a PSI, a ratio or a difference belongs to both)."""
    asked = arm.get("requests", 0) + (arm.get("refusals", 0) if name == "refusals" else 0)
    if name in {"errors", "refusals"} and asked:
        return f"{arm.get(name, 0) / asked:.2%}"
    return number(arm.get("latency_p99_ms"), "ms") if name == "latency" else "–"


def _value(measure: dict[str, Any], key: str) -> str:
    value = measure.get(key)
    return f"{value:.2%}" if value is not None and measure["name"] in SHARES else number(value)


def _ab(test: dict[str, Any]) -> None:
    st.markdown(
        f"**A/B test: {AB[test['state']]}.** {test['hits']:,} of {test['n']:,} with the candidate, {test['hits_champion']:,} of "
        f"{test['n_champion']:,} with the champion. The difference lies between **{test['low']:+.2%}** and **{test['high']:+.2%}**; "
        "this interval holds at every look, so looking often costs nothing."
    )


def _arms(arms: dict[str, dict[str, Any]], *, shadow: bool) -> None:
    rows = []
    for name, arm in arms.items():
        row = {
            "arm": f"{name}{' (mirrored requests)' if shadow else ''}",
            "answers": f"{arm.get('requests', 0):,}",
            "errors": f"{arm.get('errors', 0):,}",
            "refused": f"{arm.get('refusals', 0):,}",
            "slowest 1 %": number(arm.get("latency_p99_ms"), "ms"),
        }
        flips = {"other decision": f"{arm.get('flips', 0):,} of {arm.get('compared', 0):,}", "dropped": f"{arm.get('dropped', 0):,}"}
        rows.append(row | (flips if shadow and name == "candidate" else dict.fromkeys(flips, "–") if shadow else {}))
    st.table(rows, border="horizontal", hide_index=True)
