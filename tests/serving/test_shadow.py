"""Mirrored requests: nobody is given the candidate's answer, nothing waits for it, and every comparison is exact. And sticky arms."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interlock.records.compaction import compact, load_predictions
from interlock.records.lake import lake_from
from interlock.records.step_rows import rows_of_generation
from interlock.rules.routes import Route, Slot
from interlock.serving import shelf as shelf_module
from interlock.serving.answering import score_rows
from interlock.serving.capturing import Capture
from interlock.serving.counters import Counters
from interlock.serving.endpoint import Endpoint
from interlock.serving.limits import Limits
from interlock.serving.records import check_records
from interlock.serving.shadowing import Shadows, _Scored
from interlock.serving.shelf import Shelf
from interlock.settings import Settings
from tests.serving.conftest import MOMENT, Running, expected_scores, record

Packages = tuple[Path, str, str]


def shelf_of(packages: Packages, **changes: Any) -> Shelf:
    root, first, second = packages
    shelf = Shelf(root, Limits())
    shelf.put(shelf.read("late", shelf.hold("late", [first, second])))
    given = {"use_case": "late", "generation": 3, "champion": Slot(version=1, digest=first), "candidate_percent": 100,
             "candidate": Slot(version=2, digest=second), "candidate_mode": "shadow"}
    shelf.switch(Route(**(given | changes)), None)
    return shelf


def requests(count: int) -> list[dict[str, Any]]:
    return [record(id=f"r{n}", distance=100.0 + 13 * n, carrier=["AA", "B6", "UA"][n % 3], night=n % 2 == 0) for n in range(count)]


def nobody_is_answered_by_the_shadow(packages: Packages) -> None:
    """All requests are mirrored: none is answered by the candidate, also not who asks for its version."""
    serving = shelf_of(packages).serving["late"]
    assert {row.arm.name for row in check_records(serving, requests(200))} == {"champion"}
    assert serving.arm_of_version("2") is None


def test_nobody_is_answered_by_the_shadow(packages: Packages) -> None:
    nobody_is_answered_by_the_shadow(packages)


def test_a_shadow_that_stays_among_the_arms_is_caught(packages: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_module, "_mirror", lambda route, arms: None)
    with pytest.raises(AssertionError):
        nobody_is_answered_by_the_shadow(packages)


def test_a_preview_answers_only_who_asks_for_its_version(packages: Packages) -> None:
    serving = shelf_of(packages, candidate_percent=0).serving["late"]
    asked = serving.arm_of_version("2")
    assert asked is not None
    assert (asked.name, serving.mirror) == ("candidate", None)
    assert {row.arm.name for row in check_records(serving, requests(200))} == {"champion"}


def mirrored(settings: Settings, shelf: Shelf, records: list[dict[str, Any]], **limits: Any) -> Counters:
    """Counts after these records were answered one by one and the mirror has run dry."""
    counters = Counters()

    async def play() -> None:
        capture = Capture(settings.folder("capture"), 0, Limits())
        shadows = Shadows(capture, counters, **limits)
        serving = shelf.serving["late"]
        for one in records:
            shadows.offer(serving, score_rows(check_records(serving, [one]), counters))
        while shadows._task is not None:
            await asyncio.sleep(0.005)
        shadows.close()
        capture.close()

    asyncio.run(play())
    return counters


def test_flips_are_counted_request_by_request(settings: Settings, packages: Packages) -> None:
    records = requests(60)
    first, second = (expected_scores(packages[0], digest, records) for digest in packages[1:])
    counts = {key.arm: found for key, found in mirrored(settings, shelf_of(packages), records).arms.items()}
    shadow, champion = counts["shadow"], counts["mirrored"]
    expected = sum((a >= 0.5) != (b >= 0.5) for a, b in zip(first, second, strict=True))
    assert 0 < expected < 60
    assert (shadow.compared, shadow.flips, shadow.requests, champion.requests, shadow.errors) == (60, expected, 60, 60, 0)
    assert (sum(shadow.latency), sum(champion.latency)) == (60, 60)


def test_what_finds_no_room_is_dropped_and_counted(settings: Settings, packages: Packages) -> None:
    counts = {key.arm: found for key, found in mirrored(settings, shelf_of(packages), requests(30), rows_max=10).arms.items()}
    assert counts["shadow"].dropped == 20  # offered in one go: the loop had no turn to score any
    assert counts["shadow"].requests == 10


def test_a_record_that_the_candidate_refuses_is_its_refusal(settings: Settings, packages: Packages) -> None:
    shelf = shelf_of(packages)
    loaded = shelf.serving["late"].mirror.shadow.loaded  # type: ignore[union-attr] - it is there
    loaded.fields.pop("carrier")  # a candidate that does not know a field of the champion's requests
    counts = {key.arm: found for key, found in mirrored(settings, shelf, requests(5)).arms.items()}
    assert (counts["shadow"].refusals, counts["shadow"].compared) == (5, 0)


def test_shadow_rows_are_apart_from_the_predictions(settings: Settings, packages: Packages) -> None:
    mirrored(settings, shelf_of(packages), requests(12))
    compact(settings, lake_from(settings))
    assert load_predictions(settings, "late", MOMENT.replace(year=2000), MOMENT.replace(year=2030)).is_empty()
    rows = rows_of_generation(settings, "late", 3, MOMENT, ("shadow",))
    assert (rows.height, rows["_arm"].unique().to_list()) == (12, ["shadow"])
    assert rows_of_generation(settings, "late", 4, MOMENT, ("shadow",)).is_empty()


def test_a_mirror_that_hangs_delays_no_reply(settings: Settings, packages: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr("interlock.serving.shadowing._score", lambda *_: (released.wait(60), _Scored())[1])
    endpoint = Endpoint(shelf_of(packages), Capture(settings.folder("capture"), 0, Limits()), Counters(), Limits())

    async def answer() -> float:
        serving = endpoint.shelf.serving["late"]
        began = time.monotonic()
        for one in requests(20):
            await endpoint.predict(serving, 1, lambda one=one: check_records(serving, [one]))  # type: ignore[misc]
        return time.monotonic() - began

    async def play() -> float:
        try:
            return await answer()
        finally:
            endpoint.shadows.close()
            released.set()

    assert asyncio.run(play()) < 30


def an_entity_keeps_its_arm(packages: Packages) -> None:
    """A hundred customers with 20 requests each see one arm each; about half of them the candidate."""
    changes = {"candidate_mode": "share", "candidate_percent": 50, "sticky_key": "sex", "sticky_salt": "release-1"}
    serving = shelf_of(packages, **changes).serving["late"]
    seen = {customer: {serving.arm_of(f"r{customer}-{n}", {"sex": f"c{customer}"}).name for n in range(20)}  # type: ignore[union-attr]
            for customer in range(100)}
    assert all(len(arms) == 1 for arms in seen.values())
    assert 30 <= sum(arms == {"candidate"} for arms in seen.values()) <= 70


def test_an_entity_keeps_its_arm(packages: Packages) -> None:
    an_entity_keeps_its_arm(packages)


def test_an_assignment_by_request_is_caught(packages: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_module.Serving, "arm_of", lambda serving, request_id, record: serving.arm_for(request_id))
    with pytest.raises(AssertionError):
        an_entity_keeps_its_arm(packages)


def test_another_release_draws_other_entities(packages: Packages) -> None:
    changes = {"candidate_mode": "share", "candidate_percent": 50, "sticky_key": "sex"}
    arms = [[shelf_of(packages, **changes, sticky_salt=salt).serving["late"].arm_of("r", {"sex": f"c{n}"}).name  # type: ignore[union-attr]
             for n in range(200)] for salt in ("release-1", "release-2")]
    assert 60 <= sum(a == b for a, b in zip(*arms, strict=True)) <= 140  # as often as two coins agree


def test_without_the_field_the_request_id_decides(packages: Packages) -> None:
    changes = {"candidate_mode": "share", "candidate_percent": 50, "sticky_key": "sex", "sticky_salt": "release-1"}
    serving = shelf_of(packages, **changes).serving["late"]
    assert len({serving.arm_of(f"r{n}", {"sex": None}).name for n in range(40)}) == 2  # type: ignore[union-attr]


@pytest.mark.end_to_end
def test_the_mirror_on_a_real_server(packages: Packages, start_server: Callable[..., Running]) -> None:
    """Replies name the champion alone, the counts hold every mirrored request, and the metrics tell them from answers."""
    server = start_server(workers=2)
    server.client.converge(server.route(1, packages[1]))
    server.client.converge(server.route(2, packages[1], candidate=packages[2], percent=100, candidate_mode="shadow"))
    answers = [answer for part in range(8) for answer in server.client.predict("late", requests(64)[part * 8:][:8])["predictions"]]
    assert {answer["arm"] for answer in answers} == {"champion"}
    assert [answer["score"] for answer in answers] == pytest.approx(expected_scores(packages[0], packages[1], requests(64)), abs=1e-6)

    def arms() -> dict[str, Any]:
        found: dict[str, Any] = server.client.stats("late")["generations"][-1]["arms"]
        return found

    server.wait(lambda: arms().get("shadow", {}).get("requests") == 64)
    assert (arms()["mirrored"]["answered"], arms()["champion"]["answered"], arms()["shadow"]["compared"]) == (64, 64, 64)
    text = server.client.metrics()
    assert re.search(r'interlock_mirrored_total\{use_case="late",version="2"\} 64', text)
    assert 'arm="shadow"' not in text
    assert 'arm="mirrored"' not in text
