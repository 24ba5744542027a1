"""Batches of a model with lags, formulas and a view of another use case: the scores of training, and tables that stay as they were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from interlock.control.scoring import job
from interlock.control.scoring.results import answers_frame
from interlock.control.scoring.rows import Chunk
from interlock.control.scoring.targets import target_of
from interlock.records.store import utc_now
from interlock.records.tables import RouteRow
from interlock.rules.routes import Route, Slot
from interlock.serving.offline import Offline
from interlock.settings import Settings
from tests.serving.test_features_over_http import END, START, World, trained, world  # noqa: F401 - fixtures


def score(world: World, source: str, to: Path, **options: Any) -> pl.DataFrame:  # noqa: F811
    """The answers, once the candidate is the champion."""
    slot = Slot(version=1, digest=world.candidate.package_digest)
    with world.store.writing() as session:
        session.merge(RouteRow(use_case="refunds", generation=1, updated_at=utc_now(),
                               body=Route(use_case="refunds", generation=1, champion=slot).model_dump(mode="json")))
    job.score(world.settings, world.store, world.refunds, source, target_of(str(to), None), actor="ana", chunk_rows=100, **options)
    return pl.read_parquet(str(to / "answers/**/*.parquet"), hive_partitioning=False).sort("row_number")


def expected(world: World) -> list[float]:  # noqa: F811
    return [float(one) for one in world.package.open_model().score(world.package.manifest.features.encode_frame(world.frame))]


def test_a_snapshot_gets_the_scores_of_training(world: World, tmp_path: Path) -> None:  # noqa: F811
    """Looked-up values are those of each row's time: no online table is there at all."""
    found = score(world, world.candidate.snapshot_digest, tmp_path / "out")
    assert found["score"].to_list() == expected(world)
    assert found["flags"].list.len().sum() == 0


def test_a_file_is_looked_up_in_the_tables_that_the_batch_began_with(world: World, tmp_path: Path) -> None:  # noqa: F811
    """Killed after two chunks; a newer table that knows nothing comes; the rest is answered from the first one."""
    world.materialize(END)
    records = [{name: value for name, value in record.items() if name != "shop"} | {"shop": record["shop"]}
               for record in world.records(world.frame)]
    pl.DataFrame(records).with_columns(pl.col("event_time").str.to_datetime(time_zone="UTC")).write_parquet(tmp_path / "rows.parquet")

    def crash(step: str) -> None:
        if step == "wrote 1":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(world, str(tmp_path / "rows.parquet"), tmp_path / "out", after=crash)
    world.materialize(START)
    assert score(world, str(tmp_path / "rows.parquet"), tmp_path / "out")["score"].to_list() == expected(world)
    fresh = score(world, str(tmp_path / "rows.parquet"), tmp_path / "new")
    assert fresh["score"].to_list() != expected(world)
    assert any(flag.endswith(":cards") for flags in fresh["flags"] for flag in flags)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_task_is_answered_as_the_server_answers(settings: Settings, build_package: Callable[..., str],
                                                      start_server: Callable[..., Any], record: Callable[..., dict[str, Any]],
                                                      task: str) -> None:
    digest = build_package(settings.folder("packages"), 1, task=task)
    server = start_server()
    server.client.converge(server.route(1, digest))
    records = [record(id=f"r{number}", distance=100.0 * number, carrier=["AA", "UA", "ZZ", None][number % 4]) for number in range(30)]
    served = server.client.predict("late", records)["predictions"]
    found = Offline(settings.folder("packages"), server.route(1, digest)).answer([*records, record(distance="far")])
    assert [answer.as_json(answer.scores is not None) for answer in found.answers] == served
    assert (found.places, [problem["field"] for problem in found.problems[30]]) == (list(range(30)), ["distance"])
    frame = answers_frame(Chunk(0, list(range(1, 32)), [*records, record()], []), found, task)
    assert frame["score"].to_list() == [one["score"] for one in served]
    assert frame["prediction"].to_list() == [one["prediction"] for one in served]
    assert frame["scores"].to_list() == [one.get("scores") for one in served]
