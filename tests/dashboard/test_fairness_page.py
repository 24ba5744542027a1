"""The Fairness page part by part: groups, thresholds with the gates' answers, production with gaps; nothing small is ever scored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from control_room_world import LOANS, USECASES, XSS, build, endpoint, observed
from sqlalchemy import select, update
from streamlit.testing.v1 import AppTest
from test_pages import OWN_LINK, OWN_PICTURE, VIEWS, text

from interlock.control.evidence.fairness_tables import gate_answers, window_groups
from interlock.control.readmodel.group_times import group_times
from interlock.control.readmodel.groups import group_tables, reference_of
from interlock.control.readmodel.proof import Proof, proof, proofs
from interlock.control.readmodel.thresholds import Explorer, explorer_of, nearest
from interlock.control.readmodel.window_part import WindowPart, window_part
from interlock.records.store import Store
from interlock.records.tables import EvidenceRow, Window
from interlock.rules.analysis_bounds import wilson
from interlock.rules.fairness_gates import fairness_gates
from interlock.rules.findings import Finding
from interlock.rules.gates import Verdict
from interlock.settings import Settings
from interlock.spec.fairness import Fairness
from interlock.spec.load import read_use_case
from reports.fairness_thresholds import explorer_figure, ladders

PARTS = ("groups", "crossed", "threshold", "mitigation", "proxies", "production")
# 100 women of whom 60 deserve the favourable answer, and 14 others, of whom 7 do: counts at the thresholds 0, 0.5 and 1.
WOMEN = {"group": "f", "rows": 100, "positives": 60, "selected": [100, 40, 0], "true_positives": [60, 30, 0],
         "needed": {"selection_rate": 60, "true_positive_rate": 60, "false_positive_rate": 60}}
OTHERS = {"group": "o", "rows": 14, "positives": 7, "selected": [14, 6, 0], "true_positives": [7, 4, 0], "needed": WOMEN["needed"]}


@pytest.fixture
def served(world: Settings) -> Iterator[Settings]:
    with endpoint(world.control_port, [observed()]):
        yield world


def opened(**address: str) -> AppTest:
    app = AppTest.from_file(str(VIEWS / "fairness.py"), default_timeout=60)
    for name, value in {"use_case": LOANS, **address}.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, [one.message for one in app.exception]
    return app


def newest(store: Store) -> Proof:
    found = proof(store, proofs(store, LOANS)[0][0])
    assert found is not None
    return found


def with_thresholds(store: Store, payload: str = "o") -> None:
    """A table as the reports make it: 2,000 people of three groups, the third of 31."""
    import polars as pl

    draw = np.random.default_rng(8)
    sex = np.array(["f"] * 900 + ["m"] * 1069 + [payload] * 31)
    score = np.clip(draw.normal(0.55, 0.2, 2000) + 0.1 * (sex == "m"), 0.0, 1.0)
    y = (draw.uniform(size=2000) < score).astype(float)
    found = ladders(y, (score >= 0.5).astype(float), score, pl.DataFrame({"sex": sex}), Fairness())
    figure = explorer_figure(found, Fairness(), threshold=0.5, suppress_below=5)
    figure |= {"gates": gate_answers(fairness_gates("binary", Fairness()), found, Fairness()), "by_group": False}
    with store.writing() as session:
        for row in session.scalars(select(EvidenceRow).where(EvidenceRow.use_case == LOANS)):
            body = row.body | {"figures": row.body["figures"] | {"fairness_thresholds": figure}}
            session.execute(update(EvidenceRow).where(EvidenceRow.digest == row.digest).values(body=body))


def with_windows(store: Store, payload: str = "o") -> None:
    """Three weeks: 200 answers with all outcomes, 40 answers, 200 answers without any outcome."""
    import polars as pl

    _, problems = read_use_case(USECASES / f"{LOANS}.toml")
    assert not problems
    use_case = read_use_case(USECASES / f"{LOANS}.toml")[0]
    assert use_case is not None
    with store.writing() as session:
        for week, (rows, known) in enumerate(((200, 200), (40, 40), (200, 0))):
            answers = (np.arange(rows) % 2).astype(float)
            outcomes = np.where(np.arange(rows) < known, answers, np.nan)
            groups = pl.DataFrame({"male": np.where(np.arange(rows) % 3 > 0, payload, "f")})
            start = datetime(2026, 9, 7, tzinfo=UTC) + timedelta(days=7 * week)
            found = window_groups(use_case, answers, outcomes, groups)
            session.add(Window(use_case=LOANS, start=start, end=start + timedelta(days=7), version=1, package_digest="sha256:" + "0" * 64,
                               rows=rows, labelled=known, state="ok", revision=1, reports={}, created_at=start,
                               findings=[one.model_dump(mode="json") for one in found]))


PHRASES = {
    "groups": ["Adverse impact by sex", "not enough evidence: n = 31, at least 183 needed", "Favourable, of the deserving"],
    "crossed": ["sex × married", "Favourable answers"],
    "threshold": ["This evidence holds no table of thresholds"],
    "mitigation": ["What it costs to lessen the difference by sex", "threshold at strength 1 brings the selection rate ratio",
                   "How to choose: of the filled points", "uses the attribute to decide"],
    "proxies": ["Columns that stand in for sex"],
    "production": ["No window was monitored yet"],
}


def test_each_part_says_what_is_there(served: Settings) -> None:
    for part in PARTS:
        shown = text(opened(part=part)).replace("**", "")
        assert [phrase for phrase in PHRASES[part] if phrase not in shown] == []


def test_foreign_text_stays_text_in_every_part(environment: Settings, store: Store) -> None:
    build(store, payload=XSS)
    with_thresholds(store, XSS)
    with_windows(store, XSS)
    for part in PARTS:
        _harmless(opened(part=part))


def _harmless(app: AppTest) -> None:
    """No link, picture or tag comes out of what is said or drawn."""
    said = [str(one.value) for one in [*app.markdown, *app.caption, *app.error, *app.warning, *app.info]]
    said += [str(cell) for one in app.table for cell in one.value.to_numpy().ravel()]
    strange = [OWN_LINK.sub("", OWN_PICTURE.sub("", one)) for one in said]
    unescaped = [one.replace("\\[", "").replace("\\]", "").replace("\\<", "").replace("\\!", "") for one in strange]
    assert [one for one in unescaped if "](" in one or "<script" in one or "<img" in one or "![" in one] == []
    drawn = "".join(one.proto.spec for one in app.get("plotly_chart"))
    assert "<script" not in drawn
    assert "<img" not in drawn


def hand() -> Explorer:
    gates = ({"gate": "fairness", "title": "Difference between groups", "limit": 0.8, "direction": "at_least", "mode": "block",
              "verdicts": ["pass", "unknown", "unknown"], "values": [1.0, None, None]},)
    return Explorer((0.0, 0.5, 1.0), 0.5, "positive", False, {"sex": {"groups": [WOMEN, OTHERS], "more": 0}}, gates, None)


def test_rates_at_a_threshold_are_those_of_a_hand() -> None:
    """At 0.5: 40 of 100 women; 30 of 60 deserving; 10 of 40 others, who are too few. 14 people have no figure at all."""
    women, others = hand().groups_at("sex", 1)
    assert (women.rates["selection_rate"].value, women.rates["true_positive_rate"].value) == (0.4, 0.5)
    assert women.rates["selection_rate"].low == pytest.approx(0.3094, abs=1e-4)  # Wilson, 40 of 100
    assert women.rates["selection_rate"].high == pytest.approx(0.4980, abs=1e-4)
    assert (women.rates["false_positive_rate"].value, women.rates["false_positive_rate"].n) == (None, 40)
    assert {rate.why for rate in others.rates.values()} == {
        "not enough evidence: n = 14, at least 60 needed", "not enough evidence: n = 7, at least 60 needed"}
    assert hand().curves("sex", "selection_rate") == {"f": [1.0, 0.4, 0.0], "o": [None, None, None]}
    assert [(one.verdict, one.value) for one in hand().gates_at(0)] == [(Verdict.PASS, 1.0)]
    assert nearest((0.0, 0.5, 1.0), 0.7) == 1
    assert wilson(0, 60)[0] == 0.0
    assert wilson(0, 60)[1] == pytest.approx(0.0602, abs=1e-4)  # "0 to 6 %", docs/fairness.md


def test_the_slider_says_what_every_group_and_the_gate_would_get(served: Settings, store: Store) -> None:
    with_thresholds(store)
    found = explorer_of(newest(store))
    assert found is not None
    place = nearest(found.thresholds, 0.7)
    app = opened(part="threshold", threshold="0.7")
    shown = text(app)
    assert "The favourable answer goes to scores at or above 0.7. This version decides by 0.5." in shown
    assert "Difference between groups** would say:" in shown
    assert {"pass": "pass", "fail": "fail", "unknown": "unknown"}[found.gates_at(place)[0].verdict.value] in shown
    assert "not enough evidence: n = 31, at least" in shown
    assert "Value of 1,000 decisions at 0.7:" in shown  # this world says what decisions are worth
    assert "+threshold = 0.7" in shown
    assert [one.proto.label for one in app.get("download_button")][-1] == "Download the diff"
    app.slider[0].set_value(0.5).run()
    assert "Propose this threshold" not in text(app)
    assert "threshold" not in app.query_params


def test_who_may_not_propose_gets_no_diff(served: Settings, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with_thresholds(store)
    monkeypatch.setattr("dashboard.desk.Desk.may", lambda self, action: action != "propose")
    shown = text(opened(part="threshold", threshold="0.7"))
    assert "To propose this threshold needs the role" in shown
    assert "+threshold" not in shown


def test_production_shows_rates_and_why_there_are_gaps(served: Settings, store: Store) -> None:
    with_windows(store)
    shown = text(opened(part="production"))
    assert "Favourable answers by male" in shown
    assert "o: 1 of 3 windows without a figure, the newest: not enough evidence: n = 26, at least 60 needed" in shown
    assert "0 of 133 outcomes are known" in shown
    [times] = group_times(window_part(store, LOANS, "fairness."), ("selection_rate", "accuracy"))
    assert [point.n for point in times.rates["selection_rate"]["o"]] == [133, 26, 133]
    assert [point.value is None for point in times.rates["accuracy"]["o"]] == [False, True, True]


def test_windows_from_before_are_gaps_and_not_zeros() -> None:
    day = datetime(2026, 9, 7, tzinfo=UTC)
    rate = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 100}
    table: dict[str, Any] = {"groups": [{"group": "f", "rows": 100, "labelled": 0, "selection_rate": rate}], "favourable": "negative"}
    told = Finding(metric="fairness.groups", segment="attribute=sex", value=1.0, detail=table)
    parts = [WindowPart(day, day + timedelta(days=7), 1, 100, 0, ()), WindowPart(day + timedelta(days=7), day, 1, 100, 0, (told,))]
    [times] = group_times(parts, ("selection_rate",))
    first, second = times.rates["selection_rate"]["f"]
    assert (first.value, first.why) == (None, "this window was judged before groups were kept")
    assert (second.value, second.low, second.n, times.favourable) == (0.5, 0.4, 100, "negative")
    assert group_times(parts[:1], ("selection_rate",)) == []


def test_the_reference_line_is_the_rate_of_all_who_have_one(served: Settings, store: Store) -> None:
    """806 of 2,600 men and 383 of 1,369 women: 1,189 of 3,969; the 31 others have no figure and do not count."""
    table = next(one for one in group_tables(newest(store)) if one.attribute == "sex")
    assert reference_of(table, "selection_rate") == pytest.approx(1189 / 3969)
