"""Abstention: when the model's own answer is not given, who answers instead, and what is captured and counted of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from interlock.records.segments import Frame, read_frames
from interlock.settings import load_settings
from interlock.spec.serving import Abstention, Rule, Serving
from tests.serving.described import described

RULE = Abstention(unseen_in=["carrier"], fallback="rule", otherwise=None, rules=[
    Rule(column="distance", operator=">=", value=2000, answer=1), Rule(column="night", operator="==", value=True, answer=1),
    Rule(column="carrier", operator="==", value="ZZ", answer=0)])
CASES = {"domain": Abstention(out_of_range=1, missing_in=["sex"]), "unsure": Abstention(confidence_min=0.999), "ruled": RULE,
         "sure": Abstention(confidence_min=0.5), "canary": Abstention(out_of_range=1, fallback="champion"),
         "mixed": Abstention(out_of_range=1, fallback="champion")}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, running: type, free_ports: Callable[[int], list[int]],
           build_package: Callable[..., str]) -> Iterator[Any]:
    """One worker. `canary` and `mixed` have a candidate that takes every request and knows a narrower range than its champion."""
    from interlock.serving.limits import Limits

    predictions, control = free_ports(2)
    settings = load_settings(home=tmp_path_factory.mktemp("home"), predictions_port=predictions, control_port=control, serving_workers=1)
    root = settings.folder("packages")
    started = running(settings, Limits()).start()
    for use_case, rules in CASES.items():
        champion = build_package(root, 1, use_case=use_case)  # no baseline profile: it knows no range and never abstains for one
        candidate = described(root, build_package(root, 2, use_case=use_case))
        slots = (champion, None, candidate, 100) if use_case in ("canary", "mixed") else (candidate,)
        started.client.converge(started.route(1, *slots, use_case=use_case, serving=Serving(abstention=rules)))
    kind = build_package(root, 3, use_case="kind", task="multiclass")
    started.client.converge(started.route(1, kind, use_case="kind", serving=Serving(abstention=Abstention(confidence_min=1.0))))
    yield started
    started.kill()
    started.client.close()


@pytest.fixture
def ask(http: httpx.Client) -> Callable[..., list[dict[str, Any]]]:
    def send(use_case: str, *records: Any) -> list[dict[str, Any]]:
        reply = http.post(f"/v1/{use_case}/predict", json={"records": list(records)})
        assert reply.status_code == 200, reply.text
        found: list[dict[str, Any]] = reply.json()["predictions"]
        return found

    return send


def test_outside_its_domain_the_model_gives_no_answer_and_a_person_is_asked(ask: Callable[..., Any], record: Callable[..., Any]) -> None:
    inside, far, empty = ask("domain", record(), record(distance=2_999.5), record(sex=None))
    assert (inside["abstained"], inside["answered_by"]) == (False, "model")
    assert inside["prediction"] in (0, 1)
    for found, kind, words in ((far, "out_of_range", "distance"), (empty, "missing", "sex")):
        assert (found["abstained"], found["answered_by"], found["score"], found["prediction"]) == (True, "person", None, None)
        assert words in found["reason"]
        assert found["flags"] == [f"abstained:{kind}", "answered_by:person"]


def test_below_the_stated_confidence_it_abstains_and_at_a_half_never(ask: Callable[..., Any], record: Callable[..., Any]) -> None:
    [found] = ask("unsure", record())
    assert (found["abstained"], found["answered_by"]) == (True, "person")
    assert "below 0.999" in found["reason"]
    assert [one["abstained"] for one in ask("sure", record(), record(distance=None), record(carrier="ZZ"))] == [False] * 3
    [found] = ask("kind", record())
    assert (found["prediction"], found["scores"], found["score"]) == (None, None, None)


@pytest.mark.parametrize(("changes", "prediction"), [({"distance": 2_000.0}, 1), ({"night": True}, 1), ({}, 0)])
def test_the_first_line_of_the_rule_that_fits_answers(ask: Callable[..., Any], record: Callable[..., Any], changes: dict[str, Any],
                                                      prediction: int) -> None:
    [found] = ask("ruled", record(carrier="ZZ") | changes)
    assert (found["answered_by"], found["prediction"], found["score"]) == ("rule", prediction, None)
    assert found["flags"] == ["unseen:carrier", "abstained:unseen", "answered_by:rule", f"rule_answer:{prediction}"]


def test_where_no_line_fits_a_person_is_asked(ask: Callable[..., Any], record: Callable[..., Any]) -> None:
    [found] = ask("ruled", record(carrier="YY", distance=None, night=None))
    assert (found["abstained"], found["answered_by"], found["prediction"]) == (True, "person", None)


def test_a_candidate_that_abstains_leaves_the_record_to_the_champion(server: Any, ask: Callable[..., Any], record: Callable[..., Any],
                                                                     expected_scores: Callable[..., Any]) -> None:
    observed = server.client.observed("canary")
    near, far = ask("canary", record(), record(distance=4_000.0))
    assert (near["arm"], near["answered_by"]) == ("candidate", "model")
    assert (far["arm"], far["answered_by"], far["abstained_version"]) == ("champion", "champion", observed.candidate.version)
    assert far["digest"] == observed.champion.digest
    assert far["score"] == expected_scores(server.settings.folder("packages"), observed.champion.digest, [record(distance=4_000.0)])[0]
    arms = server.client.stats("canary")["generations"][0]["arms"]
    assert arms["candidate"]["abstentions"] == {"out_of_range": 1}
    assert (arms["champion"]["answered"], arms["champion"]["abstentions"]) == (1, {})


def test_what_nobody_was_given_is_captured_and_marked(server: Any, ask: Callable[..., Any], record: Callable[..., Any]) -> None:
    ask("domain", record(id="gone-far", distance=4_500.0))
    rows = {row["_request_id"]: row for row in _captured(server, "domain")}
    row = rows["gone-far"]
    assert row["_flags"] == ["abstained:out_of_range", "answered_by:person"]
    assert 0 <= row["_score"] <= 1
    assert row["_prediction"] in ("0", "1")


def test_abstentions_are_counted_by_reason(server: Any, ask: Callable[..., Any], record: Callable[..., Any]) -> None:
    ask("ruled", *[record(carrier="ZZ")] * 3)
    counted = server.client.stats("ruled")["generations"][0]["arms"]["champion"]
    lines = [line for line in server.client.metrics().splitlines() if line.startswith("interlock_abstentions_total{use_case=\"ruled\"")]
    assert lines[0].endswith(f'reason="unseen"}} {counted["abstentions"]["unseen"]}')
    assert counted["abstentions"]["unseen"] >= 3


def test_the_inference_protocol_says_so_in_tensors_that_have_no_null(http: httpx.Client) -> None:
    inputs = [{"name": "distance", "shape": [2], "datatype": "FP64", "data": [700, 4_000]},
              {"name": "carrier", "shape": [2], "datatype": "BYTES", "data": ["AA", "AA"]},
              {"name": "night", "shape": [2], "datatype": "BOOL", "data": [False, False]},
              {"name": "sex", "shape": [2], "datatype": "BYTES", "data": ["f", "f"]}]
    found = {one["name"]: one["data"] for one in http.post("/v2/models/domain/infer", json={"inputs": inputs}).json()["outputs"]}
    assert found["abstained"] == [False, True]
    assert found["answered_by"] == ["model", "person"]
    assert (found["score"][1], found["prediction"][1]) == (None, -1)
    reply = http.post("/v2/models/domain/infer", json={"inputs": inputs, "parameters": {"binary_data_output": True}})
    head = int(reply.headers["inference-header-content-length"])
    told = json.loads(reply.content[:head])["outputs"][0]
    assert told["parameters"] == {"binary_data_size": 16}
    scores = np.frombuffer(reply.content[head:head + 16], dtype="<f8")
    assert scores[0] == found["score"][0]
    assert np.isnan(scores[1])


def test_an_inference_reply_names_who_answered_each_row(server: Any, http: httpx.Client) -> None:
    """Where the candidate answers one row and the champion another, the model is the one that was asked, whichever row comes first."""
    observed = server.client.observed("mixed")
    digests = {700: observed.candidate.digest, 4_000: observed.champion.digest}
    for distances in ([700, 4_000], [4_000, 700]):
        inputs = [{"name": "distance", "shape": [2], "datatype": "FP64", "data": distances},
                  {"name": "carrier", "shape": [2], "datatype": "BYTES", "data": ["AA", "AA"]},
                  {"name": "night", "shape": [2], "datatype": "BOOL", "data": [False, False]}]
        reply = http.post("/v2/models/mixed/infer", json={"inputs": inputs}).json()
        said = reply["parameters"]
        assert (reply["model_version"], said["digest"]) == (str(observed.candidate.version), observed.candidate.digest)
        assert said["digests"] == [digests[distance] for distance in distances]
    alone = [one | {"shape": [1], "data": one["data"][:1]} for one in inputs]
    reply = http.post("/v2/models/mixed/infer", json={"inputs": alone}).json()
    assert (reply["model_version"], reply["parameters"]["digest"]) == (str(observed.champion.version), observed.champion.digest)
    assert "digests" not in reply["parameters"]


def test_rows_of_a_model_without_the_output_are_empty_in_it() -> None:
    """A candidate with intervals leaves a row to a champion without: the tensor keeps its shape."""
    from interlock.serving.answering import Answer
    from interlock.serving.outcomes import ANSWERED, Outcome
    from interlock.serving.records import Row
    from interlock.serving.tensor_replies import _column

    slot = type("Slot", (), {"version": 1, "digest": "d"})()
    arm: Any = type("Arm", (), {"slot": slot, "name": "candidate"})()
    row = Row("a", None, {}, arm)  # type: ignore[arg-type]
    mine = Answer(row, 3.0, None, 3.0, [], [1.0, 5.0], ANSWERED)
    its = Answer(row, 2.0, None, 2.0, [], None, Outcome("out_of_range", "far", "champion", arm))
    assert _column("interval", "FP64", [-1, 2], [its, mine]) == [None, None, 1.0, 5.0]


def _captured(server: Any, use_case: str) -> list[dict[str, Any]]:
    """Predictions of the use case's segments."""
    bodies = [msgspec.msgpack.decode(item.payload) for path in sorted((server.settings.folder("capture") / use_case).glob("*.seg"))
              for item in read_frames(path) if isinstance(item, Frame)]
    return [row for body in bodies if body["kind"] == "predictions" for row in body["rows"]]
