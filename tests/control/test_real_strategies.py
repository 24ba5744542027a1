"""Shadow, linear, blue/green and A/B against the real prediction server, with real packages, traffic and labels."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from interlock.control.decisions import actions
from interlock.control.embedded import EmbeddedEndpoint
from interlock.control.keeping.keeper import Keeper
from interlock.control.releases import deploying
from interlock.records import ledger
from interlock.records.compaction import compact, load_predictions
from interlock.records.ids import new_id
from interlock.records.lake import lake_from
from interlock.records.step_rows import rows_of_generation
from interlock.records.store import utc_now
from interlock.serving.client import ServingClient
from tests.control.conftest import STAGED
from tests.control.test_real_server import NAME, Fake, build, until
from tests.control.test_real_server import server as server

World = Any  # tests/control/conftest.py
Server = Callable[[], subprocess.Popen[bytes]]
pytestmark = pytest.mark.end_to_end
LIMITS = "score_shift_max = 5.0\nlatency_p99_ratio_max = 50\nwait_max_s = 600\nprobation_s = 0.2\n"


class Stage:
    """Version 1 live on the real server, version 2 approved, and customers who ask."""

    def __init__(self, world: World, rollout: str, make_world: Callable[..., World]) -> None:
        text = (world.settings.usecases_dir / f"{NAME}.toml").read_text()
        head, _, tail = text.partition("steps =")
        self.world = make_world(head + rollout + "\n" + LIMITS + "\n[approval]" + tail.partition("[approval]")[2])
        self.world.clock = utc_now
        root = self.world.settings.folder("packages")
        self.first, self.second = build(root, 1), build(root, 2)
        self.endpoint = EmbeddedEndpoint(self.world.settings)
        self.client = ServingClient(self.world.settings)
        self.keeper = Keeper(self.world.settings, self.world.store, self.endpoint, compact=lambda: None)
        self.keeper.dispatcher = Fake(self.world, self.endpoint)  # type: ignore[assignment]
        self.asked = 0

    def begin(self, server: Server) -> str:
        """Version 1 confirmed live; version 2 in its first step."""
        server()
        release = str(self.world.approve(self.world.candidate(1, package=self.first)).release_id)
        self.keep_until(lambda: self.endpoint.observed(NAME).generation == 1)
        self.ask(1)
        self.keep_until(lambda: self.state(release) == "live")
        release = str(self.world.approve(self.world.candidate(2, package=self.second)).release_id)
        self.keep_until(lambda: self.state(release) not in {"planned", "staged"})
        return release

    def ask(self, count: int, age: Callable[[int], float] = lambda n: 20 + n % 50) -> list[dict[str, Any]]:
        """Answers to that many requests, each of one customer; `age` tells who."""
        start, self.asked = self.asked, self.asked + count
        records = [{"id": f"q{n}", "age": age(n), "income": 40 + n % 90} for n in range(start, start + count)]
        answers: list[dict[str, Any]] = []
        for place in range(0, count, 50):
            answers += self.client.predict(NAME, records[place:place + 50])["predictions"]
        return answers

    def state(self, release: str) -> str:
        return str(self.world.release(release).state)

    def steps(self, release: str) -> list[dict[str, Any]]:
        return [item for item in self.world.release(release).analysis if item.get("step") and not item.get("interim")]

    def keep_until(self, condition: Callable[[], Any]) -> None:
        until(lambda: self.keeper.run_once() or condition())

    def compact(self) -> None:
        compact(self.world.settings, lake_from(self.world.settings))

    def close(self) -> None:
        for one in (self.keeper, self.endpoint, self.client):
            one.close()  # type: ignore[attr-defined] - each has one


@pytest.fixture
def staged(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Stage]]:
    made: list[Stage] = []
    monkeypatch.setattr(deploying, "rehearse", lambda *_: STAGED)

    def make(rollout: str) -> Stage:
        made.append(Stage(make_world(), rollout, make_world))
        return made[-1]

    yield make
    for stage in made:
        stage.close()


@contextmanager
def route_as_seen(stage: Stage) -> Iterator[Any]:
    """What the server itself says that it does."""
    yield stage.endpoint.observed(NAME)


def test_shadow(staged: Callable[[str], Stage], server: Server) -> None:
    """Nobody is answered by the candidate; flips are those of the two models; shadow rows are no predictions; then it is live."""
    stage = staged('strategy = "shadow"\nshadow_s = 0.2\nshadow_requests_min = 150')
    release = stage.begin(server)
    with route_as_seen(stage) as seen:
        assert (stage.state(release), seen.candidate_mode, seen.candidate_percent) == ("shadow", "shadow", 100)
    answers = stage.ask(200)
    assert {answer["digest"] for answer in answers} == {stage.first}
    stage.keep_until(lambda: stage.state(release) == "probation")
    told = stage.steps(release)[-1]
    flips = next(measure for measure in told["measures"] if measure["name"] == "flips")
    assert told["arms"]["candidate"]["requests"] == told["arms"]["champion"]["requests"] == flips["n"]
    assert told["arms"]["candidate"].get("flips", 0) == round(flips["value"] * flips["n"])
    assert stage.ask(1)[0]["digest"] == stage.second
    stage.compact()
    rows = rows_of_generation(stage.world.settings, NAME, told["generation"], utc_now(), ("shadow",))
    assert rows.height >= 150
    served = load_predictions(stage.world.settings, NAME, utc_now().replace(year=2000), utc_now().replace(year=2099))
    assert set(served["_arm"]) == {"champion"}
    again = dict(zip(rows["_request_id"], rows["_prediction"], strict=True))
    other = {answer["id"]: str(answer["prediction"]) for answer in answers}
    if flips["n"] == 200:
        assert sum(again[name] != said for name, said in other.items() if name in again) == told["arms"]["candidate"].get("flips", 0)


def test_linear(staged: Callable[[str], Stage], server: Server) -> None:
    stage = staged('strategy = "linear"\npercent_start = 40\npercent_step = 40\ninterval_s = 0.2\nrequests_min = 30')
    release = stage.begin(server)
    shares = []
    while stage.state(release) == "canary":
        step = stage.world.release(release).step
        with route_as_seen(stage) as seen:
            shares.append(seen.candidate_percent)
        answers = stage.ask(200)
        share = sum(answer["digest"] == stage.second for answer in answers) / 200
        assert share == pytest.approx(shares[-1] / 100, abs=0.15)
        stage.keep_until(lambda step=step: stage.world.release(release).step != step or stage.state(release) != "canary")
    assert (shares, stage.state(release)) == ([40, 80], "probation")
    assert [item["verdict"] for item in stage.steps(release)] == ["pass", "pass"]
    latency = next(measure for measure in stage.steps(release)[0]["measures"] if measure["name"] == "latency")
    assert latency["low"] <= latency["value"] <= latency["high"]


def test_blue_green(staged: Callable[[str], Stage], server: Server) -> None:
    """Loaded and looked at by its version's address, then everything at once, and back at once."""
    stage = staged('strategy = "blue_green"\npreview_s = 1.5')
    release = stage.begin(server)
    assert {answer["digest"] for answer in stage.ask(60)} == {stage.first}
    reply = stage.client._predictions(f"/v2/models/{NAME}/versions/2/infer", {"inputs": [
        {"name": name, "shape": [1], "datatype": "FP64", "data": [30.0]} for name in ("age", "income")]})
    assert reply["parameters"]["digest"] == stage.second
    stage.keep_until(lambda: stage.state(release) == "probation")
    assert {answer["digest"] for answer in stage.ask(60)} == {stage.second}
    rolled = actions.rollback(stage.world.settings, stage.world.store, actor="cas", use_case=NAME, reason="complaints", nonce=new_id(),
                              expected_generation=stage.world.route.generation)
    assert rolled.observed is not None
    assert rolled.observed.champion.digest == stage.first
    assert {answer["digest"] for answer in stage.ask(60)} == {stage.first}


def test_ab(staged: Callable[[str], Stage], server: Server) -> None:
    """Customers keep their arm; labels say that the candidate's are late far less often, and the test stops for it by itself."""
    # these small models know nothing: the candidate's loss on such labels is 8 to 15 % higher, by the draw of the arms; not the point here
    stage = staged('strategy = "ab"\ninterval_s = 0.2\nrequests_min = 50\nlabel_loss_increase_max = 1.0\n'
                   'ab = { key = "age", samples_max = 5000 }')
    release = stage.begin(server)
    answers = stage.ask(400, age=lambda n: float(n % 200))  # 200 customers, two requests each
    arms: dict[int, set[str]] = {}
    for n, answer in enumerate(answers):
        arms.setdefault((n + 1) % 200, set()).add(answer["arm"])
    assert all(len(seen) == 1 for seen in arms.values())
    assert {arm for seen in arms.values() for arm in seen} == {"champion", "candidate"}
    stage.compact()
    stage.keeper.run_once()
    assert stage.state(release) == "canary"                             # answers alone decide nothing
    late = [{"id": answer["id"], "label": int(answer["arm"] == "champion" or int(answer["id"][1:]) % 10 == 0)} for answer in answers]
    assert stage.client.send_labels(NAME, late)["accepted"] == 400
    stage.compact()
    stage.keep_until(lambda: stage.state(release) == "probation")
    test = stage.steps(release)[-1]["ab"]
    assert test["state"] == "benefit"
    assert test["n"] + test["n_champion"] == 200                        # each customer counted once
    assert test["high"] < -0.3
    assert ledger.verify(stage.world.store).ok
