"""The three verdicts and the flap guard, on numbers worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.rules.canary import ArmStats
from interlock.rules.findings import Finding, State
from interlock.rules.probation import Seen, breach_of, from_windows, guard_objection, operational
from interlock.spec.operation import Monitoring
from interlock.spec.rollout import Rollout

T0 = datetime(2026, 5, 4, 14, tzinfo=UTC)
LIMITS = Monitoring(performance_drop_max=0.05)


def window(hour: int, value: float | None = None, low: float | None = None, *, state: State = State.OK, n: int = 300,
           metric: str = "performance.drop", breached: tuple[str, ...] = ()) -> Seen:
    found = Finding(metric=metric, value=value, low=low, high=None, sample_size=n, state=state,
                    note="" if value is not None else "no labels")
    start = T0 + timedelta(hours=hour)
    return Seen(start, start + timedelta(hours=1), (found,), breached)


@pytest.mark.parametrize(("arm", "elapsed", "unproven", "verdict"), [
    (ArmStats(requests=400, errors=0), 60, "", "open"),       # 60 s of 120
    (ArmStats(requests=400, errors=0), 120, "", "pass"),
    (ArmStats(requests=400, errors=0), 120, "silent", "open"),  # silence is not health
    (ArmStats(requests=400, errors=40), 1, "", "fail"),       # 10 % of 400: Wilson's lower end is 7.4 %, 1 % is allowed
    (ArmStats(requests=10, errors=1), 1, "", "fail"),         # 10 % of 10: lower end 1.8 %
    (ArmStats(requests=5, errors=0), 1, "", "open")])
def test_errors_decide_in_minutes(arm: ArmStats, elapsed: float, unproven: str, verdict: str) -> None:
    found = operational(Rollout(probation_s=120), arm, elapsed, unproven)
    assert (found.verdict, found.n) == (verdict, arm.requests)


@pytest.mark.parametrize(("windows", "needed", "verdict", "n"), [
    ([], 1, "open", 0),
    ([window(0)], 1, "open", 0),                                               # no value: labels come later
    ([window(0, 0.01)], 1, "pass", 300),
    ([window(0, 0.01)], 2, "open", 300),                                       # one window passed, two are needed
    ([window(0, 0.01), window(1, 0.02)], 2, "pass", 600),
    ([window(0, 0.08, 0.02)], 1, "fail", 300),                                 # over 0.05, and the interval excludes no change
    ([window(0, 0.08, -0.01)], 1, "open", 300),                                # over the limit, but it may be chance
    ([window(0, 0.08, 0.02), window(1, 0.01)], 1, "pass", 600),                # the newest decides a fail
    ([window(0, 0.08, 0.02), window(1)], 1, "fail", 300),                      # a window that says nothing does not hide it
    ([window(0, 0.08, 0.02, state=State.TOO_FEW)], 1, "open", 0)])
def test_windows_decide_in_hours_or_days(windows: list[Seen], needed: int, verdict: str, n: int) -> None:
    found = from_windows("labels", windows, LIMITS, needed)
    assert (found.verdict, found.n) == (verdict, n)


def test_an_estimate_that_labels_replaced_fails_nothing_but_still_passes() -> None:
    old = {"metric": "performance.estimated_drop", "state": State.STALE}
    assert from_windows("estimated", [window(0, 0.01, **old)], LIMITS, 1).verdict == "pass"  # type: ignore[arg-type]
    assert from_windows("estimated", [window(0, 0.09, 0.05, **old)], LIMITS, 1).verdict == "open"  # type: ignore[arg-type]


def test_each_verdict_reads_its_own_metric() -> None:
    only = [window(0, 0.09, 0.05, metric="performance.estimated_drop")]
    assert from_windows("estimated", only, LIMITS, 1).verdict == "fail"
    assert from_windows("labels", only, LIMITS, 1).verdict == "open"


@pytest.mark.parametrize(("hits", "due"), [([0, 1], False), ([1, 1], True), ([1, 1, 0], False), ([1, 0, 0, 0, 0, 1], False),
                                           ([1, 0, 1], True)])
def test_monitored_breaches_count_as_for_a_retraining(hits: list[int], due: bool) -> None:
    windows = [window(n, 0.0, breached=("performance.drop",) if hit else ("drift.share",)) for n, hit in enumerate(hits)]
    assert bool(breach_of(windows, ["performance.drop"], breaches=2, of=5)) is due
    assert breach_of(windows, [], breaches=1, of=5) == ""


def test_fairness_stands_for_every_limit_under_it() -> None:
    windows = [window(0, 0.0, breached=("fairness.equalized_odds_difference",))]
    assert breach_of(windows, ["fairness"], breaches=1, of=1).startswith("fairness.equalized_odds_difference beyond the limit in 1 of")
    assert breach_of(windows, ["latency.p99_ms"], breaches=1, of=1) == ""


def at(*minutes: float) -> list[datetime]:
    return [T0 + timedelta(minutes=minute) for minute in minutes]


@pytest.mark.parametrize(("automatic", "taken_off", "from_windows", "told"), [
    ([], None, True, ""),
    (at(-30, -40), None, False, ""),                       # two of three within the day, and errors need no cooldown
    (at(-30, -40, -50), None, False, "3 automatic rollbacks"),
    (at(-1_441, -1_442, -1_443), None, False, ""),         # more than 1,440 minutes ago: another period
    (at(-30), None, True, "the last automatic rollback"),  # windows wait an hour
    (at(-61), None, True, ""),
    (at(-30), T0 - timedelta(minutes=59), False, "the way back was itself taken off"),
    (at(-61), T0 - timedelta(minutes=61), False, "")])
def test_the_flap_guard(automatic: list[datetime], taken_off: datetime | None, from_windows: bool, told: str) -> None:
    found = guard_objection(automatic, T0, Rollout(), target_taken_off=taken_off, from_windows=from_windows)
    assert found.startswith(told)
    assert bool(found) is bool(told)


def test_none_at_all_without_a_person() -> None:
    assert guard_objection([], T0, Rollout(rollbacks_max=0), target_taken_off=None, from_windows=False)


@given(st.lists(st.integers(-200_000, 0), max_size=8), st.integers(0, 4), st.floats(1, 200_000))
def test_never_more_than_allowed_in_any_period(seconds: list[int], most: int, period: float) -> None:
    moments = [T0 + timedelta(seconds=second) for second in seconds]
    rollout = Rollout(rollbacks_max=most, rollbacks_period_s=period)
    may = not guard_objection(moments, T0, rollout, target_taken_off=None, from_windows=False)
    assert may is (sum(second > -period for second in seconds) < most)
