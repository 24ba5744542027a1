"""Fields under a use case's own treatments: refused with field, value and what is allowed, or accepted and flagged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from interlock.settings import load_settings
from interlock.spec.serving import Serving
from tests.serving.described import described

LENIENT = Serving(unknown="flag", absent="flag", mistyped="flag", out_of_range="flag", trained_range="flag")
STRICT = Serving(missing="refuse", out_of_range="refuse", unseen="refuse")
EACH = Serving(batch="each")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, running: type, free_ports: Callable[[int], list[int]],
           build_package: Callable[..., str]) -> Iterator[Any]:
    """One worker: the same model as `plain`, `lenient`, `strict` and `each`."""
    from interlock.serving.limits import Limits

    predictions, control = free_ports(2)
    settings = load_settings(home=tmp_path_factory.mktemp("home"), predictions_port=predictions, control_port=control, serving_workers=1)
    root = settings.folder("packages")
    started = running(settings, Limits(rows_max=500)).start()
    for use_case, options in (("plain", Serving()), ("lenient", LENIENT), ("strict", STRICT), ("each", EACH)):
        digest = described(root, build_package(root, 1, use_case=use_case))
        started.client.converge(started.route(1, digest, use_case=use_case, serving=options))
    yield started
    started.kill()
    started.client.close()


@pytest.fixture
def ask(server: Any) -> Iterator[Callable[..., httpx.Response]]:
    with httpx.Client(base_url=server.settings.predictions_url, timeout=30, trust_env=False) as client:
        yield lambda use_case, *records: client.post(f"/v1/{use_case}/predict", json={"records": list(records)})


@pytest.mark.parametrize(("changes", "flag"), [
    ({"speed": 3}, "unknown:speed"), ({"distance": "far"}, "mistyped:distance"), ({"distance": 6_000.0}, "out_of_range:distance"),
    ({"distance": 3_000.0}, "untrained:distance"), ({"night": 1}, "mistyped:night"), ({"carrier": "ZZ"}, "unseen:carrier")])
def test_lenient_accepts_and_flags(ask: Callable[..., Any], record: Callable[..., Any], changes: dict[str, Any], flag: str) -> None:
    reply = ask("lenient", record(**changes))
    assert reply.status_code == 200, reply.text
    assert flag in reply.json()["predictions"][0]["flags"]


def test_a_value_that_was_let_pass_counts_as_missing(ask: Callable[..., Any], record: Callable[..., Any]) -> None:
    empty, wrong = ask("lenient", record(distance=None), record(distance="far")).json()["predictions"]
    assert empty["score"] == wrong["score"]
    without = record()
    del without["carrier"]
    gone, null = ask("lenient", without, record(carrier=None)).json()["predictions"]
    assert gone["score"] == null["score"]
    assert gone["flags"] == ["absent:carrier"]
    assert null["flags"] == []


def test_names_of_strangers_are_flagged_within_bounds(ask: Callable[..., Any], record: Callable[..., Any]) -> None:
    flags = ask("lenient", record(**{f"{place}{'x' * 200}": 1 for place in range(40)})).json()["predictions"][0]["flags"]
    assert len(flags) == 11
    assert flags[-1] == "unknown_fields:40"
    assert max(map(len, flags)) == len("unknown:") + 80


@pytest.mark.parametrize(("changes", "field", "allowed"), [
    ({"distance": None}, "distance", "a number"), ({"distance": 5_000.5}, "distance", "0 to 5000"),
    ({"distance": -1}, "distance", "0 to 5000"), ({"carrier": "ZZ"}, "carrier", "AA, B6, UA"), ({"speed": 3}, "speed", "distance")])
def test_strict_refuses_naming_field_value_and_what_is_allowed(ask: Callable[..., Any], record: Callable[..., Any],
                                                               changes: dict[str, Any], field: str, allowed: str) -> None:
    reply = ask("strict", record(**changes))
    assert reply.status_code == 422
    [problem] = reply.json()["problems"]
    assert (problem["field"], problem["value"]) == (field, repr(changes[field]))
    assert allowed in problem["allowed"]


def test_the_ends_of_a_range_belong_to_it(ask: Callable[..., Any], record: Callable[..., Any]) -> None:
    assert ask("strict", record(distance=0), record(distance=5_000)).status_code == 200
    assert all("untrained:distance" not in one["flags"] for one in ask(
        "lenient", record(distance=100), record(distance=2_999)).json()["predictions"])


def test_without_a_section_nothing_changed(ask: Callable[..., Any], record: Callable[..., Any]) -> None:
    assert ask("plain", record(speed=3)).status_code == 422
    assert ask("plain", record(distance="far")).status_code == 422
    found = ask("plain", record(distance=9_999), record(carrier="ZZ"), record(distance=None)).json()["predictions"]
    assert [one["flags"] for one in found] == [[], ["unseen:carrier"], ["missing:distance"]]


def test_each_answers_the_good_records_and_tells_the_others_problems_in_their_places(
        server: Any, ask: Callable[..., Any], record: Callable[..., Any]) -> None:
    reply = ask("each", record(id="a"), record(id="b", distance="far"), record(id="c"), record(speed=3))
    assert reply.status_code == 200
    body = reply.json()
    assert [one.get("id") for one in body["predictions"]] == ["a", None, "c", None]
    assert [one["problems"][0]["field"] for one in body["predictions"] if "problems" in one] == ["distance", "speed"]
    assert (body["refused"], body["captured"]) == (2, True)
    alone = ask("plain", record(id="a")).json()["predictions"][0]
    assert body["predictions"][0]["score"] == alone["score"]
    counted = server.client.stats("each")["generations"][0]["arms"]["champion"]
    assert counted["refusals"] >= 2
    assert counted["requests"] == counted["answered"] + counted["refusals"]


def test_each_with_no_good_record_answers_none(ask: Callable[..., Any]) -> None:
    body = ask("each", *[{"no": place} for place in range(150)]).json()
    assert body["refused"] == 150
    assert [len(one["problems"]) for one in body["predictions"]] == [4] * 100 + [1] * 50  # 3 fields are not there, one is too many
    assert ask("each").status_code == 422
