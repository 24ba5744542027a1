"""Questions "what if" to a real server: answered and explained, by the model that was named, and never part of production traffic."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from interlock.errors import DataError, PackageError, StaleState, Unavailable
from interlock.serving.asking import Asking
from interlock.serving.crew import Crew
from reports.answer_scale import probability, with_probabilities


@pytest.fixture
def server(packages: tuple[Path, str, str], start_server: Callable[..., Any]) -> Any:
    """Version 2 is champion, version 1 previous."""
    running = start_server()
    running.client.converge(running.route(1, packages[1]))
    running.client.converge(running.route(2, packages[2], previous=packages[1]))
    return running


def answered(server: Any) -> int:
    """Answers that the server counted, over all arms."""
    return sum(arm["answered"] for one in server.client.stats("late", 0)["generations"] for arm in one["arms"].values())


def frames(server: Any) -> int:
    """Bytes that the workers wrote down."""
    return sum(path.stat().st_size for path in server.settings.folder("capture").rglob("*") if path.is_file())


def test_a_question_gets_the_answer_of_a_customer_and_leaves_no_trace(server: Any, record: Callable[..., dict[str, Any]]) -> None:
    asked = record(distance=1200.0)
    customer = server.client.predict("late", [asked])["predictions"][0]
    before = answered(server), frames(server)
    found = server.client.what_if("late", asked)
    assert (found["score"], found["prediction"], found["version"]) == (customer["score"], customer["prediction"], 2)
    assert (found["captured"], found["counted"], found["arm"]) == (False, False, "champion")
    assert found["waterfall"][-1]["after"] == pytest.approx(found["reasons"]["margin"], abs=1e-5)
    assert found["waterfall"][-1]["probability_after"] == pytest.approx(found["score"], abs=1e-5)
    assert (answered(server), frames(server)) == before == (1, before[1])
    server.client.predict("late", [asked])  # the broken variant: a question that goes the customers' way is counted and captured
    assert answered(server) == 2
    assert frames(server) > before[1]


def test_another_version_answers_when_it_is_named_and_one_that_is_gone_is_said(
        server: Any, packages: tuple[Path, str, str], record: Callable[..., dict[str, Any]],
        expected_scores: Callable[..., list[float]]) -> None:
    found = server.client.what_if("late", record(), packages[1])
    assert (found["version"], found["arm"]) == (1, "previous")
    assert found["score"] == pytest.approx(expected_scores(packages[0], packages[1], [record()])[0])
    with pytest.raises(PackageError, match="not loaded in the server") as caught:
        server.client.what_if("late", record(), "sha256:" + "0" * 64)
    assert caught.value.allowed == "version 2, version 1"


def test_fields_tell_kind_value_and_levels(server: Any, record: Callable[..., dict[str, Any]]) -> None:
    fields = {one["name"]: one for one in server.client.what_if("late", record())["fields"]}
    assert sorted(fields) == ["carrier", "distance", "night"]  # the sensitive context is no feature
    assert fields["carrier"]["levels"] == ["AA", "B6", "UA"]
    assert (fields["distance"]["kind"], fields["distance"]["value"], fields["distance"]["low"]) == ("numeric", 700.0, None)


@pytest.mark.parametrize(("changes", "said"), [({"distance": "far"}, "wrong type"), ({"pilot": 1}, "not a field of this model")])
def test_a_value_that_does_not_fit_is_refused_in_words(server: Any, record: Callable[..., dict[str, Any]], changes: dict[str, Any],
                                                       said: str) -> None:
    with pytest.raises(DataError, match=said):
        server.client.what_if("late", record(**changes))


def test_nobody_asks_without_the_token_or_about_an_unknown_use_case(server: Any, record: Callable[..., dict[str, Any]]) -> None:
    reply = httpx.post(f"{server.settings.control_url}/what-if/late", json={"record": record()}, trust_env=False)
    assert reply.status_code == 401
    with pytest.raises(StaleState):
        server.client.what_if("nobody", record())


class SlowCrew:
    """Workers that answer after a while, or never."""

    def __init__(self, reply: dict[str, Any] | None, workers: int = 1) -> None:
        self.live, self.reply, self.asked = [object()] * workers, reply, 0

    async def ask(self, worker: object, op: str, timeout_s: float, **content: Any) -> dict[str, Any] | None:
        self.asked += 1
        await asyncio.sleep(0.01)
        return self.reply


def asking(crew: SlowCrew, now: list[float]) -> Asking:
    stood_in: Crew = crew  # type: ignore[assignment]
    return Asking(stood_in, lambda: now[0])


def test_more_questions_than_the_bucket_holds_are_turned_away_until_it_fills() -> None:
    """Ten at once, then five a second: after 0.2 s one more."""
    crew, now = SlowCrew({"ok": True, "found": {"score": 0.5}}), [0.0]
    many = asking(crew, now)
    for _ in range(10):
        assert asyncio.run(many.ask("late", {}, None)) == {"score": 0.5}
    with pytest.raises(Unavailable, match="too many what-if questions"):
        asyncio.run(many.ask("late", {}, None))
    now[0] = 0.2
    assert asyncio.run(many.ask("late", {}, None)) == {"score": 0.5}
    assert crew.asked == 11


def test_few_may_wait_and_silence_or_no_worker_is_said() -> None:
    async def crowd() -> list[Any]:
        many = asking(SlowCrew({"ok": True, "found": {}}), [0.0])
        return list(await asyncio.gather(*(many.ask("late", {}, None) for _ in range(6)), return_exceptions=True))

    assert [isinstance(one, Unavailable) for one in asyncio.run(crowd())] == [False] * 4 + [True] * 2
    with pytest.raises(Unavailable, match="in time"):
        asyncio.run(asking(SlowCrew(None), [0.0]).ask("late", {}, None))
    with pytest.raises(Unavailable, match="no worker"):
        asyncio.run(asking(SlowCrew(None, workers=0), [0.0]).ask("late", {}, None))


def test_a_way_in_probability_adds_up_to_the_probability_of_the_margin() -> None:
    """Margins 0, then +ln 3 = 1.0986: probabilities 1/2 and 3/4."""
    steps = with_probabilities([{"contribution": 0.0, "after": 0.0}, {"contribution": 1.0986123, "after": 1.0986123}], "binary")
    assert [round(one["probability_step"], 6) for one in steps] == [0.5, 0.25]
    assert steps[-1]["probability_after"] == pytest.approx(0.75)
    assert with_probabilities([{"contribution": 1.0, "after": 1.0}], "regression")[0]["probability_after"] is None
    assert probability(1e6) == 1.0
    assert 0 < probability(-1e6) < 1e-300
