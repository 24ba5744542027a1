"""The verdict on a fire drill, and when one is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from interlock.rules.drills import DrillFacts, judge_drill, missed
from interlock.spec.staging import Drill

GOOD = DrillFacts(detect_s=2.0, canary_ms=20.0, live_ms=0.0, requests=400, spoiled=8, total_s=9.0, source="captured requests")
LIMITS = Drill()
LAST = datetime(2026, 5, 4, 9, tzinfo=UTC)


def test_a_drill_within_its_limits_passes_and_says_what_it_measured() -> None:
    found = judge_drill(LIMITS, GOOD)
    assert found.verdict == "pass"
    assert "breach seen after 2.0 s; last answer of the candidate 20 ms, of the live version 0 ms" in found.sentence


@pytest.mark.parametrize("change", [{"detect_s": 31.0}, {"detect_s": None}, {"canary_ms": 1_001.0}, {"canary_ms": None},
                                    {"live_ms": 1_001.0}, {"live_ms": None}, {"failed": 1}, {"requests": 0}, {"trouble": "no server"}])
def test_whatever_is_over_its_limit_or_was_not_reached_fails_it(change: dict[str, Any]) -> None:
    assert judge_drill(LIMITS, replace(GOOD, **change)).verdict == "fail"


@pytest.mark.parametrize(("limits", "facts"), [(Drill(detect_s_max=1), GOOD), (Drill(rollback_ms_max=10), GOOD)])
def test_every_limit_changes_the_verdict(limits: Drill, facts: DrillFacts) -> None:
    assert judge_drill(limits, facts).verdict == "fail"


def test_failed_requests_may_be_allowed() -> None:
    assert judge_drill(Drill(failed_max=1), replace(GOOD, failed=1)).verdict == "pass"


@pytest.mark.parametrize(("hours", "expected"), [(36, False), (36.1, True)])
def test_a_drill_is_missing_after_one_and_a_half_intervals(hours: float, expected: bool) -> None:
    """Daily: 24 h × 1.5 = 36 h."""
    assert bool(missed(LAST, timedelta(days=1), LAST + timedelta(hours=hours))) is expected
