"""What training asks of the records: when the last drift began, and which features a candidate could do without."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from interlock.control.evidence.proposals import propose_drops_for
from interlock.control.windows.drift_time import last_drift
from interlock.errors import DataError
from interlock.records.candidates import candidate_of
from interlock.records.store import Store, utc_now
from interlock.records.tables import Window
from interlock.spec.load import find_use_case
from tests.control.trial_bench import NAME, Bench, census, toml

START = datetime(2013, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def window(store: Store, day: int, *breached: str, digest: str = "a") -> None:
    with store.writing() as session:
        session.add(Window(use_case="late", start=START + day * DAY, end=START + (day + 1) * DAY, package_digest=digest, version=1, rows=1,
                           labelled=0, state="breach" if breached else "ok", findings=[], created_at=utc_now(),
                           reports={"judgement": {"breached": list(breached)}}))


def test_drift_began_with_the_first_of_the_latest_breached_windows(store: Store) -> None:
    for day, names in enumerate([["drift.share"], [], ["performance.drop"], ["drift.score", "latency.p99_ms"], []]):
        window(store, day, *names)
    assert last_drift(store, "late") == START + 2 * DAY
    assert last_drift(store, "late", as_of=START + DAY * 2) == START


def test_slow_answers_are_no_drift(store: Store) -> None:
    window(store, 0, "latency.p99_ms", "capture.gaps")
    assert last_drift(store, "late") is None
    assert last_drift(store, "other") is None


def test_a_breach_of_one_version_counts(store: Store) -> None:
    window(store, 0, "drift.share", digest="a")
    window(store, 0, digest="b")
    assert last_drift(store, "late") == START


@pytest.fixture
def bench(tmp_path: Path, data_dir: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "bench", *census(data_dir, 1_500, 600))
    yield made
    made.store.close()


def test_proposals_are_kept_with_the_candidate_and_change_nothing(bench: Bench) -> None:
    candidate = bench.make()
    assert len(candidate.metrics["proposals"]["tested"]) == 2
    use_case = find_use_case(bench.settings, NAME)[1]
    found = propose_drops_for(bench.settings, bench.store, use_case, tries=3)
    with bench.store.reading() as session:
        after = candidate_of(session, candidate.id)
    assert len(found["tested"]) == 3
    assert after.metrics["proposals"] == found
    assert after.package_digest == candidate.package_digest


def test_nothing_to_propose_about(bench: Bench) -> None:
    (bench.folder / f"{NAME}.toml").write_text(toml())
    with pytest.raises(DataError, match="no candidate yet"):
        propose_drops_for(bench.settings, bench.store, find_use_case(bench.settings, NAME)[1], tries=3)


def test_trials_are_kept_under_home(bench: Bench) -> None:
    bench.make()
    assert len(list((bench.settings.home / "studies" / NAME).glob("*.journal"))) == 1
