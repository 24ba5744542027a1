"""Many models in one server: versions by number, loaded when asked for, within a memory bound; never one that was not released."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from interlock.errors import PackageError
from interlock.rules.routes import Route, Slot
from interlock.serving.limits import Limits
from interlock.serving.served_here import Served
from interlock.serving.shelf import MODEL_BYTES, TREES_FACTOR, Shelf

Packages = tuple[Path, str, str]


@pytest.fixture
def third(packages: Packages, build_package: Callable[..., str]) -> str:
    """A third package in this installation."""
    return build_package(packages[0], 3)


def inputs(record: dict[str, Any]) -> dict[str, Any]:
    return {"inputs": [{"name": "distance", "shape": [1], "datatype": "FP64", "data": [record["distance"]]},
                       {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": [record["carrier"]]},
                       {"name": "night", "shape": [1], "datatype": "BOOL", "data": [record["night"]]}]}


def ask(server: Any, version: int, record: dict[str, Any]) -> httpx.Response:
    url = f"{server.settings.predictions_url}/v2/models/late/versions/{version}/infer"
    return httpx.post(url, json=inputs(record), trust_env=False, timeout=30)


def test_a_version_that_served_answers_by_number(packages: Packages, third: str, start_server: Callable[..., Any],
                                                 record: Callable[..., Any], expected_scores: Callable[..., Any]) -> None:
    root, one, two = packages
    server = start_server()
    for generation, (champion, previous) in enumerate([(one, None), (two, one), (third, two)], 1):
        server.client.converge(server.route(generation, champion, previous))
    url = f"{server.settings.predictions_url}/v2/models/late"
    assert httpx.get(url, trust_env=False).json()["versions"] == ["1", "2", "3"]
    assert "interlock_model_cache_loads_total 0" in server.client.metrics(), "nothing is loaded before it is asked for"
    reply = ask(server, 1, record())
    assert reply.status_code == 200, reply.text
    body = reply.json()
    score = next(output["data"][0] for output in body["outputs"] if output["name"] == "score")
    moment = body["parameters"]
    assert (body["model_version"], moment["digest"], moment["arm"], moment["captured"]) == ("1", one, "asked", True)
    now = [record() | {"event_time": "2026-01-01T00:00:00Z"}]
    assert isinstance(score, float)
    assert expected_scores(root, one, now) != expected_scores(root, third, now)
    assert ask(server, 1, record()).status_code == 200
    metrics = server.client.metrics()
    assert "interlock_model_cache_loads_total 1" in metrics
    assert "interlock_model_cache_hits_total 1" in metrics
    assert 'interlock_models_loaded{worker="0",kind="older"} 1' in metrics
    assert httpx.get(f"{url}/versions/1", trust_env=False).json()["parameters"]["digest"] == one
    assert httpx.get(f"{url}/versions/1/ready", trust_env=False).json() == {"name": "late", "ready": True}
    server.kill(15)
    server.start()
    assert ask(server, 1, record()).status_code == 200, "what served is remembered over a restart"


def test_what_was_never_released_is_not_answered(packages: Packages, third: str, start_server: Callable[..., Any],
                                                 record: Callable[..., Any]) -> None:
    """A package on the disk, a candidate taken off again, a withdrawn version, one of another number: 404, and nothing is loaded."""
    _, one, two = packages
    server = start_server()
    server.client.converge(server.route(1, one, candidate=two, percent=10))
    server.client.converge(server.route(2, one))
    assert third not in server.client.metrics()
    for version in (2, 3, 99):
        assert ask(server, version, record()).status_code == 404
    for path in ("versions/x/infer", "versions/-1/infer", "versions/1e0/infer", "versions/%F0%9F%92%A9/infer"):
        reply = httpx.post(f"{server.settings.predictions_url}/v2/models/late/{path}", json=inputs(record()), trust_env=False)
        assert reply.status_code == 404
    server.client.converge(server.route(3, two, previous=one))
    server.client.converge(server.route(4, two))
    assert ask(server, 1, record()).status_code == 200
    assert server.client.withdraw("late", 1) == ["2"]
    server.wait(lambda: ask(server, 1, record()).status_code == 404)
    server.kill(15)
    server.start()
    assert ask(server, 1, record()).status_code == 404, "withdrawn for good"


def test_a_use_case_may_serve_its_route_only(packages: Packages, start_server: Callable[..., Any], record: Callable[..., Any]) -> None:
    _, one, two = packages
    server = start_server()
    server.client.converge(server.route(1, one))
    server.client.converge(server.route(2, two, serving={"versions": "route"}))
    assert ask(server, 1, record()).status_code == 404
    server.client.converge(server.route(3, two))
    assert ask(server, 1, record()).status_code == 200
    server.client.converge(server.route(4, two, serving={"versions": "route"}))
    assert ask(server, 1, record()).status_code == 404, "also where it was loaded already"


def test_a_version_that_is_retired_while_it_is_loaded_answers_nobody(packages: Packages) -> None:
    import asyncio

    from interlock.rules.routes import Route, Slot
    from interlock.serving.wire import Refusal

    root, one, two = packages
    shelf = Shelf(root, Limits())
    shelf.put(shelf.read("late", [two]))
    shelf.switch(Route(use_case="late", generation=1, champion=Slot(version=2, digest=two)), None, {"1": one})

    async def retired(use_case: str, digest: str) -> None:
        shelf.older.know(use_case, {})  # the supervisor's word comes while the package is being proven

    shelf.older.prove = retired

    async def scenario() -> None:
        with pytest.raises(Refusal) as refused:
            async with shelf.older.lent("late", "1"):
                pytest.fail("it was lent")
        assert refused.value.status == 404

    asyncio.run(scenario())
    assert shelf.serving["late"].arm_of_version("1") is None
    assert shelf.older.count == 0


def test_a_damaged_or_archived_version_is_told_and_the_champion_goes_on(packages: Packages, third: str, start_server: Callable[..., Any],
                                                                        record: Callable[..., Any]) -> None:
    root, one, two = packages
    server = start_server()
    for generation, champion in enumerate((one, two, third), 1):
        server.client.converge(server.route(generation, champion))
    model = root / one.removeprefix("sha256:") / "model.ubj"
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    shutil.rmtree(root / two.removeprefix("sha256:"))
    damaged, archived = ask(server, 1, record()), ask(server, 2, record())
    assert (damaged.status_code, damaged.json()["reason"], damaged.headers["retry-after"]) == (503, "package", "30")
    assert (archived.status_code, archived.json()["error"]) == (404, "version 2 is archived")
    assert server.client.predict("late", [record()])["version"] == 3


def test_the_least_recently_used_version_makes_room(packages: Packages, third: str) -> None:
    """Three models of one size; room for one champion and one more: each older one pushes the other out, and one at work stays."""
    import asyncio

    root, one, two = packages
    shelf = Shelf(root, Limits())
    size = max(shelf.size_of(digest) for digest in (one, two, third))
    shelf = Shelf(root, Limits(models_bytes_max=2 * size))
    slots = {version: Slot(version=version, digest=digest) for version, digest in enumerate((one, two, third), 1)}
    assert shelf.hold("late", [third]) == [third]
    shelf.put(shelf.read("late", [third]))
    shelf.switch(Route(use_case="late", generation=1, champion=slots[3]), None, {"1": one, "2": two})

    async def scenario() -> None:
        async with shelf.older.lent("late", "1"):
            assert shelf.serving["late"].arm_of_version("1").loaded.digest == one
            with pytest.raises(Exception, match="does not fit") as refused:
                async with shelf.older.lent("late", "2"):
                    pytest.fail("there is no room while the other is at work")
            assert (refused.value.status, refused.value.reason) == (503, "memory")
        async with shelf.older.lent("late", "2"):
            assert shelf.serving["late"].arm_of_version("1") is None
            assert shelf.serving["late"].arm_of_version("2").slot == slots[2]
        assert shelf.older.report() == {"models": 1, "bytes": shelf.size_of(two), "hits": 0, "loads": 2, "evictions": 1}
        async with shelf.older.lent("late", "3"):
            assert shelf.older.count == 1, "a version of the route is not loaded twice"

    asyncio.run(scenario())
    assert shelf.pinned_bytes + shelf.older.size <= 2 * size
    shelf.hold("late", [one])
    assert shelf.older.count == 0, "a route that comes pushes older versions out"
    with pytest.raises(PackageError, match="do not fit"):
        shelf.hold("other", [two])


def test_a_deploy_that_does_not_fit_is_refused_and_the_old_model_goes_on(packages: Packages, start_server: Callable[..., Any],
                                                                         record: Callable[..., Any]) -> None:
    root, one, two = packages
    trees = [(root / digest.removeprefix("sha256:") / "model.ubj").stat().st_size for digest in (one, two)]
    first, second = (int(size * TREES_FACTOR) + MODEL_BYTES for size in trees)
    server = start_server(models_bytes_max=first + second - 1)
    server.client.converge(server.route(1, one))
    with pytest.raises(PackageError, match="do not fit into the server's memory") as refused:
        server.client.converge(server.route(2, two, previous=one))
    assert refused.value.value == f"{first + second:,} bytes"
    assert "INTERLOCK_SERVING_MODELS_BYTES_MAX" in refused.value.next_step
    assert server.client.predict("late", [record()])["generation"] == 1


def test_a_damaged_list_of_what_served_forgets_only_that_use_case(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    served = Served(tmp_path)
    slot = Slot(version=4, digest="sha256:" + "a" * 64)
    served.note(Route(use_case="late", generation=1, champion=slot))
    served.note(Route(use_case="kind", generation=1, champion=slot))
    served.note(Route(use_case="kind", generation=2, candidate=slot.model_copy(update={"version": 5}), candidate_percent=5))
    assert json.loads((tmp_path / "served" / "kind.json").read_text()) == {"versions": {"4": slot.digest}, "withdrawn": []}
    (tmp_path / "served" / "late.json").write_text('{"versions": 3}')
    again = Served(tmp_path)
    assert (again.of("late"), again.of("kind")) == ({}, {"4": slot.digest})
    assert "late.json is damaged" in caplog.text


def test_a_withdrawal_that_was_not_written_is_written_when_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, then a second try: after the next start the retired version must still be out of reach."""
    served = Served(tmp_path)
    served.note(Route(use_case="late", generation=1, champion=Slot(version=4, digest="sha256:" + "a" * 64)))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("interlock.serving.served_here.write_durably", full)
        with pytest.raises(OSError, match="No space"):
            served.withdraw("late", 4)
    served.withdraw("late", 4)
    assert served.of("late") == Served(tmp_path).of("late") == {}


def test_the_control_port_takes_numbers_that_are_none(packages: Packages, start_server: Callable[..., Any]) -> None:
    """`²` is a digit to some, and 5,000 digits are no int: both are told, neither ends the connection."""
    server = start_server()
    server.client.converge(server.route(1, packages[1]))
    token = (server.settings.folder("run") / "control.token").read_text().strip()
    with httpx.Client(base_url=server.settings.control_url, trust_env=False, headers={"authorization": f"Bearer {token}"}) as http:
        for number in ("%C2%B2", "9" * 5_000, "-1"):
            assert http.get(f"/stats/late?since_generation={number}").status_code == 400
            assert http.post(f"/versions/late/{number}/withdrawn").status_code == 404
