"""Decision replay: flips, directions, segments, reasons and money by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.errors import DataError
from interlock.rules.findings import Finding, State
from reports.replay import Replayed, no_replay, replay_findings
from reports.replay_reasons import flip_reasons, money_finding

AMOUNTS = {"true_positive": 10.0, "false_positive": -5.0, "true_negative": 0.0, "false_negative": -20.0}


def replayed(champion: np.ndarray, candidate: np.ndarray, **more: object) -> Replayed:
    scores = {"champion_scores": champion * 0.8 + 0.1, "candidate_scores": candidate * 0.8 + 0.1}
    ids = [f"r{place}" for place in range(champion.size)]
    given_more = {"task": "binary", "request_ids": ids, "segments": pl.DataFrame()} | scores | more
    return Replayed(champion=champion, candidate=candidate, **given_more)  # type: ignore[arg-type]


def named(findings: list[Finding], metric: str) -> Finding:
    return next(one for one in findings if one.metric == f"replay.{metric}")


def test_flips_by_hand() -> None:
    champion = np.array([0.0] * 150 + [1.0] * 50)
    candidate = champion.copy()
    candidate[:20], candidate[190:] = 1.0, 0.0  # 20 to yes, 10 to no
    sex = pl.DataFrame({"sex": ["f"] * 60 + ["m"] * 130 + [None] * 10})
    found, figures = replay_findings(replayed(champion, candidate, segments=sex))
    assert [named(found, name).value for name in ("flip_rate", "to_yes", "to_no")] == [0.15, 0.1, 0.05]
    assert named(found, "score_shift").value == pytest.approx(0.15 * 0.8)
    said = "30 of 200 captured requests would be decided differently: 20 from no to yes, 10 from yes to no."
    assert named(found, "flip_rate").note == said
    assert figures["directions"] == {"from no to yes": 20, "from yes to no": 10}
    assert [(one["segment"], one["flips"], one["rows"]) for one in figures["segments"]] == [("sex=f", 20, 60), ("sex=m", 0, 130)]
    assert figures["small_segments"] == 1  # ten requests without the value
    assert len(figures["examples"]) == 20
    assert figures["examples"][0]["direction"] in {"no → yes", "yes → no"}


def test_the_same_model_flips_nothing() -> None:
    same = np.tile([0.0, 1.0], 60)
    found, figures = replay_findings(replayed(same, same))
    assert (named(found, "flip_rate").value, figures["directions"], figures["examples"]) == (0.0, {}, [])


def test_classes_and_values_have_their_own_flips() -> None:
    classes = {"task": "multiclass", "classes": ["a", "b", "c"]}
    before, after = np.zeros(100), np.array([2.0] * 30 + [1.0] * 10 + [0.0] * 60)
    found, figures = replay_findings(replayed(before, after, **classes))
    assert figures["directions"] == {"from a to c": 30, "from a to b": 10}
    assert [one.metric for one in found] == ["replay.flip_rate", "replay.score_shift"]
    values = np.arange(100.0)  # standard deviation 28.87: a flip is more than 7.2 apart
    moved = values + np.array([10.0] * 25 + [-8.0] * 5 + [7.0] * 70)
    found, figures = replay_findings(replayed(values, moved, task="regression", champion_scores=values, candidate_scores=moved))
    assert (named(found, "flip_rate").value, figures["directions"]) == (0.3, {"higher": 25, "lower": 5})


def test_too_few_requests_and_shapes_that_do_not_fit() -> None:
    few = np.zeros(99)
    found, figures = replay_findings(replayed(few, few))
    assert (found[0].state, found[0].needed, figures) == (State.TOO_FEW, 100, {})
    with pytest.raises(DataError, match="do not fit together"):
        replay_findings(replayed(np.zeros(200), np.zeros(200), request_ids=["a"]))
    assert [no_replay(champion=flag).note for flag in (False, True)] == ["no champion yet", "no captured requests yet"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=100, max_size=150))
def test_directions_add_up_to_the_flips(pairs: list[tuple[int, int]]) -> None:
    champion, candidate = (np.array([pair[side] for pair in pairs], dtype=np.float64) for side in (0, 1))
    found, figures = replay_findings(replayed(champion, candidate))
    assert sum(figures["directions"].values()) == figures["flips"]
    assert named(found, "to_yes").value + named(found, "to_no").value == pytest.approx(named(found, "flip_rate").value)


def test_reasons_by_hand_add_up_to_the_difference_of_the_margins() -> None:
    champion = np.array([[0.5, 0.0, 0.1], [0.1, 0.2, 0.1]])     # age, income, bias
    candidate = np.array([[0.9, -0.1, 0.2], [0.0, -0.8, 0.2]])  # age, debt, bias
    towards = np.array([1.0, -1.0])
    found = flip_reasons(champion, ["age", "income"], candidate, ["age", "debt"], towards)
    # age: (+0.4, -0.1) → pushes 0.4 and 0.1, mean 0.25; debt: (-0.1, -0.8) → -0.1 and 0.8, mean 0.35; income: (0, -0.2) → 0 and 0.2,
    # mean 0.1; starting point: (+0.1, +0.1) → 0.1 and -0.1, mean 0
    assert [(one["feature"], round(one["push"], 9)) for one in found] == [("debt", 0.35), ("age", 0.25), ("income", 0.1)]
    assert sum(one["share"] for one in found) == pytest.approx(1.0)
    margins = (candidate.sum(axis=1) - champion.sum(axis=1)) * towards
    assert sum(one["push"] for one in found) == pytest.approx(margins.mean())
    assert flip_reasons(champion[:0], ["age", "income"], candidate[:0], ["age", "debt"], towards[:0]) == []
    with pytest.raises(DataError, match="do not fit together"):
        flip_reasons(champion, ["age"], candidate, ["age", "debt"], towards)


def test_money_by_hand() -> None:
    # a yes is worth p·10 + (1 - p)·(-5) - (p·(-20) + 0) = 35 p - 5 more than a no
    champion, candidate = np.array([0.0, 1.0, 1.0]), np.array([1.0, 1.0, 0.0])
    p, q = np.array([0.4, 0.9, 0.1]), np.array([0.1, 0.9, 0.8])
    found = money_finding(champion, candidate, q, p, AMOUNTS, "EUR")
    assert found.value == pytest.approx((35 * 0.4 - 5) - (35 * 0.1 - 5))        # 9 + 1.5
    assert found.detail["by_champion"] == pytest.approx((35 * 0.1 - 5) - (35 * 0.8 - 5))
    assert found.detail["at_stake"] == pytest.approx(9 + 1.5)
    assert "disagree" in found.note
    scaled = money_finding(champion, candidate, q, p, AMOUNTS, "EUR", np.array([2.0, 1.0, float("nan")]))
    assert scaled.value == pytest.approx(18.0)
