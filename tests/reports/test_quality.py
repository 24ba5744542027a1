"""Quality, latency and size: counts in, shares out; nothing to count is never clean."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from interlock.rules.findings import State
from reports.latency import latency_findings
from reports.quality import duplicate_rows, quality_findings
from reports.size import size_finding

COUNTS = {"rows": 900, "quarantined": 100, "duplicates": 9, "labelled": 700, "matured": 875, "holdout_rows": 180,
          "newest_event": datetime(2013, 6, 1, tzinfo=UTC), "as_of": datetime(2013, 6, 11, 12, tzinfo=UTC)}


def values(**changes: object) -> dict[str, object]:
    return {finding.metric.removeprefix("quality."): finding for finding in quality_findings(**(COUNTS | changes))}


def test_shares_by_hand() -> None:
    found = {name: finding.value for name, finding in values().items()}
    assert found == {"quarantine_share": 0.1, "duplicate_share": 0.01, "label_share": 0.8, "holdout_rows": 180, "age_days": 10.5}


def test_no_rows_are_not_clean_rows() -> None:
    found = values(rows=0, quarantined=0, matured=0)
    assert {found[name].state for name in ("quarantine_share", "duplicate_share", "label_share")} == {State.TOO_FEW}


def test_age_needs_both_times_and_is_never_negative() -> None:
    assert values(as_of=None)["age_days"].state is State.MISSING
    assert values(as_of=datetime(2012, 1, 1, tzinfo=UTC))["age_days"].value == 0


def test_duplicates_of_adult_are_the_published_24(adult: object) -> None:
    assert duplicate_rows(adult.train, adult.train.columns) == 24
    assert duplicate_rows(pl.DataFrame({"a": []}), ["a"]) == 0


def test_latency_quantiles_are_values_that_occurred() -> None:
    found = {finding.metric: finding.value for finding in latency_findings(np.arange(1, 201))}
    assert found == {"latency.p50_ms": 100, "latency.p99_ms": 198}


def test_warm_up_is_left_out() -> None:
    assert latency_findings([1000.0] * 10 + [1.0] * 100, warm_up=10)[1].value == 1


def test_few_or_impossible_samples() -> None:
    assert {finding.state for finding in latency_findings([1.0] * 99)} == {State.TOO_FEW}
    assert {finding.state for finding in latency_findings([1.0] * 99 + [-1.0])} == {State.ERROR}
    assert latency_findings([])[0].value is None


def test_size_of_a_package() -> None:
    assert size_finding(1_500_000, 5).value == pytest.approx(1.5)
    assert size_finding(0, 0).state is State.ERROR
