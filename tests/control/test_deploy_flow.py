"""The `deploy` and `rollback` flows under a real Prefect server: they carry out, record and publish; a damaged package fails in words."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.control.releases import deploying
from interlock.records import ledger
from interlock.records.tables import Alert, Decision
from interlock.rules.staging import StagingJudgement

World = Any  # tests/control/conftest.py
NAME = "small_loans"
pytestmark = pytest.mark.end_to_end


@pytest.fixture
def flowing(world: World, prefect_server: None, monkeypatch: pytest.MonkeyPatch) -> World:
    """Flows read their settings from the environment; whatever reaches for the endpoint gets the one in memory."""
    for name in ("home", "usecases_dir", "data_dir", "predictions_port", "control_port", "mlflow_port", "dashboard_port"):
        monkeypatch.setenv(f"INTERLOCK_{name.upper()}", str(getattr(world.settings, name)))
    monkeypatch.setattr("interlock.control.endpoint.endpoint_from", lambda settings: world.endpoint)
    world.clock.now = deploying.utc_now()
    return world


def test_a_run_takes_one_step_and_ends(flowing: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.deploy import deploy

    monkeypatch.setattr(deploying, "verify", lambda *_: [])  # packages have tests of their own
    monkeypatch.setattr(deploying, "probe", lambda *_: [])
    monkeypatch.setattr(deploying, "rehearse", lambda *_: StagingJudgement("pass", "staged"))
    release = flowing.approve(flowing.candidate(1)).release_id
    assert deploy(NAME, release) == "probation"
    assert flowing.endpoint.observed(NAME).champion.version == 1
    assert deploy(NAME, release) == "probation"  # the same run again changes nothing
    assert flowing.route.generation == 1


def test_a_package_that_is_not_whole_fails_in_words(flowing: World) -> None:
    from flows.deploy import deploy

    release = flowing.approve(flowing.candidate(1)).release_id  # its folder is empty
    assert deploy(NAME, release) == "failed"
    assert "does not hold exactly its files" in flowing.release(release).reason
    assert flowing.route.generation == 0


def test_the_rollback_flow_verifies_records_and_tells_once(flowing: World) -> None:
    from flows.rollback import rollback

    flowing.make_live(1)
    flowing.make_live(2)
    decision = flowing.roll_back().decision_id
    for _ in range(2):
        assert rollback(NAME, decision).startswith("verified: the endpoint answers with version 1")
    with flowing.store.reading() as session:
        assert len(ledger.entries(session, kinds=["rollback.verified"])) == 1
        assert session.get_one(Decision, decision).detail["verified_seq"] > 0
        assert session.query(Alert).one().title == "small_loans was rolled back by cas"


def test_the_rollback_flow_says_when_the_endpoint_is_silent(flowing: World) -> None:
    from flows.rollback import rollback

    flowing.make_live(1)
    flowing.make_live(2)
    flowing.endpoint.down = True
    decision = flowing.roll_back().decision_id
    assert "does not answer" in rollback(NAME, decision)
    with flowing.store.reading() as session:
        assert len(ledger.entries(session, kinds=["rollback.unverified"])) == 1


def test_the_keeper_starts_one_run_over_prefects_own_api(flowing: World) -> None:
    """The addresses, fields and idempotency that the dispatcher relies on, asked of the real server."""
    import asyncio

    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL

    from interlock.control.keeping.dispatcher import Dispatcher
    from interlock.records.tables import Outbox

    async def deployed() -> None:
        async with get_client() as client:
            flow = await client.create_flow_from_name("deploy")
            await client.create_deployment(flow_id=flow, name="deploy", enforce_parameter_schema=False)

    async def runs() -> list[Any]:
        async with get_client() as client:
            return [run for run in await client.read_flow_runs() if run.idempotency_key == f"{receipt.decision_id}:1"]

    asyncio.run(deployed())
    receipt = flowing.approve(flowing.candidate(1))
    settings = flowing.settings.model_copy(update={"prefect_api_url": PREFECT_API_URL.value()})
    Dispatcher(settings, flowing.store, flowing.clock).run_once()
    with flowing.store.writing() as session:  # as if the keeper had been killed before it wrote the run down
        row = session.query(Outbox).one()
        assert (row.state, row.last_error) == ("dispatched", "")
        row.state, row.lease_until = "pending", None
    Dispatcher(settings, flowing.store, flowing.clock).run_once()
    found = asyncio.run(runs())
    assert [run.parameters for run in found] == [{"use_case": NAME, "release_id": receipt.release_id}]
    flowing.clock.forward(3)
    assert Dispatcher(settings, flowing.store, flowing.clock).run_once() == []  # it follows a run that waits for a worker
