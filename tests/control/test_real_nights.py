"""A night on the real prediction server: retrainings by standing approval, a way back with the store locked, a retirement."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from interlock.control.decisions import actions
from interlock.control.embedded import EmbeddedEndpoint
from interlock.control.keeping.keeper import Keeper
from interlock.control.past.timeline import what_answered
from interlock.errors import StaleState
from interlock.records import ledger
from interlock.records.ids import new_id
from interlock.records.store import utc_now
from interlock.serving.client import ServingClient
from tests.control.test_known_good import _impatient
from tests.control.test_real_server import NAME, Fake, build, server, until, with_quick_steps
from tests.control.test_standing import DATA

World = Any  # tests/control/conftest.py
pytestmark = pytest.mark.end_to_end
__all__ = ["server"]  # a fixture
ONE = {"age": 30, "income": 50}


def taken_live(world: World, keeper: Keeper, client: ServingClient, digest: str) -> None:
    """Customers ask until the version answers everybody, confirmed."""
    def step() -> bool:
        keeper.run_once()
        client.predict(NAME, [{"id": new_id(), "age": 20 + n % 50, "income": 40 + n} for n in range(100)])
        with world.store.reading() as session:
            from interlock.records.releases import ANSWERING, of_package

            found = of_package(session, NAME, digest, ANSWERING)
        return found is not None and found.state == "live"

    until(step)


def test_a_night(make_world: Callable[..., World], server: Callable[[], subprocess.Popen[bytes]]) -> None:
    world = with_quick_steps(make_world)
    digests = [build(world.settings.folder("packages"), seed) for seed in (1, 2, 3)]
    with closing(EmbeddedEndpoint(world.settings)) as endpoint, ServingClient(world.settings) as client:
        keeper = Keeper(world.settings, world.store, endpoint, compact=lambda: None)
        keeper.dispatcher = Fake(world, endpoint)  # type: ignore[assignment]
        server()
        world.approve(world.candidate(1, package=digests[0]))
        keeper.run_once()
        taken_live(world, keeper, client, digests[0])
        actions.grant(world.settings, world.store, actor="ben", use_case=NAME, reason="nights", nonce=new_id())
        for number in (2, 3):  # nobody clicks
            world.candidate(number, package=digests[number - 1], figures=DATA)
            taken_live(world, keeper, client, digests[number - 1])

        path, generation = world.settings.store_address.removeprefix("sqlite:///"), world.route.generation
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            receipt = actions.rollback(world.settings, _impatient(type(world.store)(f"sqlite:///{path}")), actor="cas", use_case=NAME,
                                       reason="complaints", nonce=new_id(), expected_generation=generation, to_version=1)
            swapped = utc_now()
            assert client.predict(NAME, [ONE])["digest"] == digests[0]
            other.execute("ROLLBACK")
        assert receipt.decision_id is None
        until(lambda: keeper.run_once() or world.route.champion.digest == digests[0])
        assert world.route.previous.digest == digests[1]
        assert what_answered(world.settings, world.store, NAME, swapped).stretch.champion.digest == digests[0]  # type: ignore[union-attr]

        retired = actions.retire(world.settings, world.store, actor="cas", use_case=NAME, version=3, reason="bad", nonce=new_id())
        assert retired.warnings == []
        with pytest.raises(StaleState, match="or is retired"):  # the server alone refuses it too
            client.rollback(NAME, "pager", "why", "incident-1", to_version=3)
        assert client.predict(NAME, [ONE])["digest"] == digests[0]
        assert ledger.verify(world.store).ok
        keeper.close()
