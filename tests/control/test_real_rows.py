"""Requests for a server that customers do not see: the newest captured ones, without context; golden ones; and what the package answers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from interlock.control.releases.real_rows import golden_records, golden_scores, own_answers, real_records
from interlock.modeling.package import Package, golden_rows
from interlock.records.store import Store
from interlock.settings import Settings
from tests.control.traffic import DAY0, Traffic, copy_package


@pytest.fixture
def traffic(settings: Settings, store: Store, package: tuple[Path, str]) -> Iterator[Traffic]:
    copy_package(*package, settings)
    made = Traffic(settings, store, package[1])
    yield made
    made.segment.close()


def test_the_newest_captured_requests_are_replayed_without_context(traffic: Traffic) -> None:
    """Two days of 20; 30 asked for: 20 of the second day, 10 of the first. They are still in segments: nothing was compacted yet."""
    traffic.serve(0, 20)
    traffic.serve(1, 20)
    found = real_records(traffic.settings, traffic.store, traffic.use_case, traffic.package, "", rows=30)
    assert (len(found.records), found.source, found.note) == (30, "captured requests", "")
    days = [datetime.fromisoformat(record["event_time"]).date() for record in found.records]
    assert [days.count(day) for day in sorted(set(days))] == [10, 20]
    assert {name for record in found.records for name in record} == {"income", "region", "event_time"}  # `sex` and ids stay where they are


def test_own_answers_are_those_that_were_captured(traffic: Traffic) -> None:
    frame = traffic.serve(0, 20)
    found = real_records(traffic.settings, traffic.store, traffic.use_case, traffic.package, "", rows=20)
    scores = traffic.model.score(traffic.package.manifest.features.encode_frame(frame))
    assert np.allclose(sorted(own_answers(traffic.settings, traffic.package, found.records)), sorted(scores), atol=1e-6)
    assert own_answers(traffic.settings, traffic.package, []).shape == (0,)


def test_numbers_that_json_cannot_say_are_missing(traffic: Traffic) -> None:
    frame = traffic.serve(0, 1).drop("_request_id").with_columns(income=pl.lit(math.inf), region=pl.lit(None, pl.String))
    traffic.serve(1, frame=frame)
    found = real_records(traffic.settings, traffic.store, traffic.use_case, traffic.package, "", rows=1)
    assert (found.records[0]["income"], found.records[0]["region"]) == (None, None)


def test_what_cannot_be_read_is_said_and_raises_nothing(traffic: Traffic) -> None:
    without = real_records(traffic.settings, traffic.store, traffic.use_case, traffic.package, "sha256:" + "0" * 64, rows=5)
    assert (without.records, without.note.startswith("real rows could not be read: ")) == ([], True)
    assert real_records(traffic.settings, traffic.store, traffic.use_case, traffic.package, "", rows=0).note.startswith("the use case asks")


def test_golden_rows_are_whole_requests_and_keep_their_recorded_scores(traffic: Traffic) -> None:
    found, package = golden_records(traffic.package), traffic.package
    assert len(found.records) == len(package.golden()[0])
    expected = package.open_model().score(package.manifest.features.encode_records(*package.golden()[:2])[0])
    assert np.allclose(own_answers(traffic.settings, package, found.records), expected, atol=1e-6)
    assert golden_scores(package) is None or np.allclose(golden_scores(package), expected, atol=1e-6)


def test_golden_rows_of_a_time_that_the_server_refuses_are_left_out_with_their_scores(traffic: Traffic) -> None:
    import json

    records = [{"income": 1.0, "region": "north"}, {"income": 2.0, "region": "south"}]
    body = golden_rows(records, [datetime(1980, 1, 1, tzinfo=UTC), DAY0], np.zeros(2, np.float32), scores=np.array([0.1, 0.9], np.float32))
    package = Package(traffic.digest, traffic.package.manifest, {**traffic.package.files, "golden.json": json.dumps(body).encode()})
    assert [record["income"] for record in golden_records(package).records] == [2.0]
    scores = golden_scores(package)
    assert scores is not None
    assert np.allclose(scores, [0.9])
