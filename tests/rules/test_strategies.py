"""The steps of each strategy, and the keys that go together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from interlock.errors import UseCaseError
from interlock.rules.strategies import answering_steps, route_changes, step_of, steps_of
from interlock.spec.rollout import AbTest, CanaryStep, Rollout


def told(rollout: Rollout) -> list[tuple[str, float]]:
    return [(step.kind.value, step.percent) for step in steps_of(rollout)]


@pytest.mark.parametrize(("rollout", "expected"), [
    (Rollout(), [("share", 10), ("share", 50)]),
    (Rollout(steps=[]), []),
    (Rollout(shadow_requests_min=5, steps=[CanaryStep(percent=20)]), [("shadow", 100), ("share", 20)]),
    (Rollout(strategy="shadow", shadow_s=60, shadow_percent=30), [("shadow", 30)]),
    (Rollout(strategy="linear", percent_start=10, percent_step=30), [("share", 10), ("share", 40), ("share", 70)]),
    (Rollout(strategy="linear", percent_start=50, percent_step=50), [("share", 50)]),
    (Rollout(strategy="blue_green"), []),
    (Rollout(strategy="blue_green", shadow_s=1, preview_s=1), [("shadow", 100), ("preview", 0)]),
    (Rollout(strategy="ab", ab=AbTest(percent=40)), [("ab", 40)]),
])
def test_the_steps_of_a_strategy(rollout: Rollout, expected: list[tuple[str, float]]) -> None:
    assert told(rollout) == expected


@pytest.mark.parametrize("wrong", [
    {"strategy": "shadow"}, {"strategy": "linear", "steps": [{"percent": 5}]}, {"percent_step": 5}, {"ab": {"percent": 40}},
    {"steps": [{"percent": 50}, {"percent": 10}]}, {"strategy": "a/b"},
])
def test_keys_that_do_not_go_together_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Rollout.model_validate(wrong)


def test_only_steps_that_protect_customers_count_for_a_standing_approval() -> None:
    rollouts = (Rollout(), Rollout(strategy="blue_green", shadow_s=1), Rollout(strategy="ab"))
    assert [answering_steps(rollout) for rollout in rollouts] == [2, 0, 1]


def test_a_step_that_is_gone_is_an_error() -> None:
    with pytest.raises(UseCaseError):
        step_of(Rollout(), 3)


def test_only_an_ab_test_sticks() -> None:
    test = Rollout(strategy="ab", ab=AbTest(key="customer"))
    assert route_changes(test, step_of(test, 1), "r1") == {"candidate_percent": 50, "candidate_mode": "share", "sticky_key": "customer",
                                                           "sticky_salt": "r1"}
    shadow = Rollout(shadow_s=1)
    assert route_changes(shadow, step_of(shadow, 1), "r1") == {"candidate_percent": 100, "candidate_mode": "shadow", "sticky_key": None,
                                                               "sticky_salt": None}


@given(start=st.floats(0.1, 99), add=st.floats(1, 99))
def test_a_line_grows_evenly_below_a_hundred(start: float, add: float) -> None:
    percents = [percent for _, percent in told(Rollout(strategy="linear", percent_start=start, percent_step=add))]
    assert percents[0] == pytest.approx(start, abs=1e-6)
    assert all(b - a == pytest.approx(add, abs=1e-5) for a, b in zip(percents, percents[1:], strict=False))
    assert max(percents) < 100 <= percents[-1] + add + 1e-5
