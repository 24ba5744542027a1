"""Flows run under a real Prefect server (its test harness): results, artifacts, event, and that a second run changes nothing."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from interlock.records.store import Store
from interlock.records.tables import Cost, Outbox, Snapshot, Usage
from interlock.settings import Settings


def artifact(key: str) -> str:
    """Text of the newest artifact of this key."""

    async def read() -> list[Any]:
        async with get_client() as client:
            return await client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))

    found = sorted(asyncio.run(read()), key=lambda item: item.created)
    return str(found[-1].data)


def test_ingest_makes_a_snapshot_once_and_says_so(installation: Settings, store: Store, data_dir: Path) -> None:
    from flows.ingest import ingest

    first = ingest("adult_income")
    assert ingest("adult_income") == first
    with store.reading() as session:
        assert [row.digest for row in session.query(Snapshot)] == [first]
        assert [(row.stage, row.use_case) for row in session.query(Usage)] == [("ingest", "adult_income")] * 2
    text = artifact("ingest-adult-income")
    assert str(first) in text
    assert f"http://127.0.0.1:{installation.dashboard_port}/data" in text
    assert events("snapshot.created") == [f"interlock.snapshot.{first}"], "the second run changed nothing and says nothing"


def test_tick_monitor_and_costs_run_on_an_empty_installation(installation: Settings, store: Store) -> None:
    from flows.costs import costs
    from flows.monitor import monitor
    from flows.tick import tick

    assert tick("2024-03-01T00:00:00Z") == []
    started = tick("2024-03-09T00:00:00Z")
    with store.reading() as session:
        assert session.query(Outbox).count() == len(started) > 0
    assert monitor("loan_approvals", as_of="2024-03-09T00:00:00Z") == {"windows": 0, "breaches": 0, "retrain": False}
    assert costs("loan_approvals") >= 0
    with store.reading() as session:
        stages = {row.stage for row in session.query(Cost)}
    assert {"monitor", "storage.rows", "storage.packages"} <= stages
    assert "example prices" in artifact("costs-loan-approvals")
    assert "none yet" in artifact("monitor-loan-approvals")


def test_a_stored_block_comes_back_with_its_secret(installation: Settings) -> None:
    from blocks.notifier import AppriseNotifierBlock

    AppriseNotifierBlock(urls=["json://me:hunter2@127.0.0.1/"]).save("team", overwrite=True)
    loaded = AppriseNotifierBlock.load("team")
    assert loaded.urls[0].get_secret_value() == "json://me:hunter2@127.0.0.1/"
    assert "hunter2" not in repr(loaded)


def events(name: str, wait_s: float = 20.0) -> list[str]:
    """Resources of the events of this name, once the server has them."""

    async def read() -> list[str]:
        async with get_client() as client:
            reply = await client._client.post("/events/filter", json={"filter": {"event": {"name": [name]}}})
            return [event["resource"]["prefect.resource.id"] for event in reply.json()["events"]]

    end = time.monotonic() + wait_s
    while not (found := asyncio.run(read())) and time.monotonic() < end:
        time.sleep(0.25)
    return found


def test_retire_finishes_what_a_retirement_decided(installation: Settings, store: Store, tmp_path: Path,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.retire import retire
    from interlock.control.decisions import actions
    from tests.control.conftest import NAME, USE_CASE, Clock, MemoryEndpoint, World

    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / f"{NAME}.toml").write_text(USE_CASE)
    monkeypatch.setenv("INTERLOCK_USECASES_DIR", str(tmp_path / "cases"))
    world = World(installation.model_copy(update={"usecases_dir": tmp_path / "cases"}), store, MemoryEndpoint(Clock()), Clock())
    world.candidate(1)
    receipt = actions.retire(world.settings, store, actor="cas", use_case=NAME, version=1, reason="never used", nonce="once-only",
                             endpoint=world.endpoint, clock=world.clock)
    assert "except: the prediction server has not forgotten them yet" in retire(NAME, str(receipt.decision_id))  # there is no server
    monkeypatch.setattr("interlock.control.endpoint.endpoint_from", lambda settings: world.endpoint)
    assert retire(NAME, str(receipt.decision_id)) == "version 1 is archived"
    assert "version 1 is archived" in artifact("retire-small-loans")
