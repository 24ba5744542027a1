"""What the predictions and control ports answer, on one real server for all tests of this file."""

from __future__ import annotations

import json
import os
import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from interlock.settings import Settings, load_settings

LIMITS = {"body_bytes_max": 200_000, "rows_max": 1_000, "body_timeout_s": 1.0}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, running: type, free_ports: Callable[[int], list[int]],
           build_package: Callable[..., str]) -> Iterator[Any]:
    """One worker with three use cases: binary `late`, multiclass `kind`, regression `bikes`; and `empty` without a champion."""
    from interlock.serving.limits import Limits

    predictions, control = free_ports(2)
    settings = load_settings(home=tmp_path_factory.mktemp("home"), predictions_port=predictions, control_port=control, serving_workers=1)
    root = settings.folder("packages")
    started = running(settings, Limits(**LIMITS)).start()
    started.client.converge(started.route(1, build_package(root, 1), previous=build_package(root, 2)))
    for use_case, task in (("kind", "multiclass"), ("bikes", "regression")):
        started.client.converge(started.route(1, build_package(root, 3, use_case=use_case, task=task), use_case=use_case))
    started.client.converge(started.route(1, None, use_case="empty"))
    yield started
    started.kill()
    started.client.close()


@pytest.fixture
def post(http: httpx.Client) -> Callable[..., httpx.Response]:
    def send(path: str, body: Any, **options: Any) -> httpx.Response:
        return http.post(path, content=body if isinstance(body, bytes) else json.dumps(body).encode(), **options)

    return send


@pytest.fixture
def get(http: httpx.Client) -> Callable[[str], httpx.Response]:
    return http.get


def test_a_record_is_answered_with_score_version_and_digest(server: Any, post: Callable[..., Any], record: Callable[..., Any],
                                                            expected_scores: Callable[..., Any]) -> None:
    champion = server.client.observed("late").champion
    body = post("/v1/late/predict", {"records": [record(id="a"), record(distance=None)]}).json()
    scores = expected_scores(server.settings.folder("packages"), champion.digest, [record(), record(distance=None)])
    assert [item["score"] for item in body["predictions"]] == scores
    assert [item["prediction"] for item in body["predictions"]] == [int(score >= 0.5) for score in scores]
    assert (body["use_case"], body["version"], body["digest"], body["generation"], body["captured"]) == (
        "late", champion.version, champion.digest, 1, True)
    assert body["predictions"][0]["id"] == "a"
    assert len(body["predictions"][1]["id"]) == 36  # a UUID was made for the record without an id


def test_other_tasks_answer_in_their_own_terms(post: Callable[..., Any], record: Callable[..., Any]) -> None:
    found = post("/v1/kind/predict", {"records": [record()]}).json()["predictions"][0]
    assert found["prediction"] in {"early", "late", "never"}
    assert found["score"] == max(found["scores"])
    assert sum(found["scores"]) == pytest.approx(1, abs=1e-5)
    value = post("/v1/bikes/predict", {"records": [record()]}).json()["predictions"][0]
    assert value["prediction"] == value["score"]


def test_an_unseen_category_is_answered_and_flagged(post: Callable[..., Any], record: Callable[..., Any]) -> None:
    assert post("/v1/late/predict", {"records": [record(carrier="ZZ")]}).json()["predictions"][0]["flags"] == ["unseen:carrier"]


@pytest.mark.parametrize(("changes", "field", "allowed"), [
    ({"distance": "far"}, "distance", "a number or null"), ({"distance": True}, "distance", "a number or null"),
    ({"night": "yes"}, "night", "true, false or null"), ({"carrier": 1.5}, "carrier", "a text, a whole number"),
    ({"carrier": ["AA"]}, "carrier", "a text, a whole number"), ({"sex": {"is": "f"}}, "sex", "a text, a number"),
    ({"carier": "AA"}, "carier", "distance"), ({"event_time": "yesterday"}, "event_time", "ISO 8601 with a zone"),
    ({"event_time": "2013-05-04T14:03:00"}, "event_time", "ISO 8601 with a zone"), ({"id": ""}, "id", "a text of 1 to 200"),
    ({"event_time": "0001-01-01T00:00:00+23:00"}, "event_time", "1990-01-01 to one day from now"),
    ({"event_time": "1989-12-31T23:59:59Z"}, "event_time", "1990-01-01 to one day from now"),
    ({"event_time": "9999-12-31T23:59:59Z"}, "event_time", "1990-01-01 to one day from now"),
    ({"id": "x" * 201}, "id", "a text of 1 to 200"), ({"sex": "\ud800"}, "sex", "a text")])
def test_a_wrong_field_is_named_with_value_and_what_is_allowed(post: Callable[..., Any], record: Callable[..., Any],
                                                               changes: dict[str, Any], field: str, allowed: str) -> None:
    reply = post("/v1/late/predict", {"records": [record(), record(**changes)]})
    assert reply.status_code in (400, 422), reply.text
    if reply.status_code == 422:
        problem = reply.json()["problems"][0]
        assert (problem["record"], problem["field"]) == (1, field)
        assert allowed in problem["allowed"]
        assert f"'{field}'" in reply.json()["error"]


def test_all_problems_are_told_at_once(post: Callable[..., Any]) -> None:
    problems = post("/v1/late/predict", {"records": [{"distance": "far", "carier": "AA", "sex": "f"}]}).json()["problems"]
    assert [(item["field"], item["problem"].split(";")[0]) for item in problems] == [
        ("distance", "has a value of the wrong type"), ("carier", "is not a field of this model"), ("carrier", "is missing"),
        ("night", "is missing")]
    assert "did you mean 'carrier'?" in problems[1]["problem"]


def test_refusals_have_their_status(post: Callable[..., Any], get: Callable[..., Any], record: Callable[..., Any]) -> None:
    records = {"records": [record()]}
    assert post("/v1/nobody/predict", records).status_code == 404
    empty = post("/v1/empty/predict", records)
    assert (empty.status_code, empty.headers["retry-after"]) == (503, "5")
    assert post("/v1/late/predict", {"records": []}).status_code == 422
    assert post("/v1/late/predict", {"records": [record()] * 1_001}).status_code == 413
    assert post("/v1/late/predict", {"records": [record(sex="x" * 250_000)]}).status_code == 413
    assert post("/v1/late/predict", records, headers={"content-encoding": "gzip"}).status_code == 415
    assert get("/v1/late/predict").status_code == 405
    assert get("/nothing").status_code == 404
    assert all("error" in reply.json() for reply in (empty, get("/nothing"), get("/v1/late/predict")))


def test_labels_are_accepted_and_checked(server: Any, post: Callable[..., Any]) -> None:
    found = server.client.send_labels("late", [
        {"id": "a", "label": 1}, {"id": "b", "label": False, "label_seen_time": "2013-05-05T00:00:00Z"}])
    assert found == {"accepted": 2, "captured": True}
    assert post("/v1/kind/labels", {"labels": [{"id": "a", "label": "never"}]}).json()["accepted"] == 1
    assert post("/v1/bikes/labels", {"labels": [{"id": "a", "label": 17.5}]}).json()["accepted"] == 1
    for use_case, label in (("late", 2), ("late", "1"), ("late", None), ("kind", "sometimes"), ("bikes", True), ("bikes", "17")):
        reply = post(f"/v1/{use_case}/labels", {"labels": [{"id": "a", "label": label}]})
        assert (reply.status_code, reply.json()["problems"][0]["field"]) == (422, "label")
    assert post("/v1/late/labels", {"labels": [{"label": 1}]}).json()["problems"][0]["field"] == "id"
    assert post("/v1/late/labels", {"labels": [{"id": 2**63, "label": 1}]}).json()["problems"][0]["field"] == "id"  # no prediction has it


def test_open_inference_protocol(server: Any, post: Callable[..., Any], get: Callable[..., Any], record: Callable[..., Any],
                                 expected_scores: Callable[..., Any]) -> None:
    assert get("/v2/health/live").json() == {"live": True}
    assert get("/v2/health/ready").json() == {"ready": True}
    assert get("/v2").json()["name"] == "interlock"
    metadata = get("/v2/models/late").json()
    assert [(item["name"], item["datatype"]) for item in metadata["inputs"]] == [
        ("sex", "BYTES"), ("distance", "FP64"), ("carrier", "BYTES"), ("night", "BOOL"), ("id", "BYTES"), ("event_time", "BYTES")]
    inputs = [{"name": "distance", "shape": [2], "datatype": "FP64", "data": [700, None]},
              {"name": "carrier", "shape": [2, 1], "datatype": "BYTES", "data": [["AA"], ["UA"]]},
              {"name": "night", "shape": [2], "datatype": "BOOL", "data": [False, True]},
              {"name": "event_time", "shape": [2], "datatype": "BYTES", "data": ["2013-05-04T14:03:00Z"] * 2}]
    root, observed = server.settings.folder("packages"), server.client.observed("late")
    rows = [record(), record(distance=None, carrier="UA", night=True)]
    for path, slot in (("/v2/models/late/infer", observed.champion), ("/v2/models/late/versions/2/infer", observed.previous)):
        body = post(path, {"id": "q", "inputs": inputs}).json()
        assert body["outputs"][0]["data"] == expected_scores(root, slot.digest, rows)
        assert (body["model_version"], body["parameters"]["digest"], body["id"]) == (str(slot.version), slot.digest, "q")
        assert body["parameters"]["ids"] == ["q/0", "q/1"]
    wrong = inputs[:1] + [inputs[1] | {"shape": [3]}]
    assert "tensor 'carrier' has the wrong shape" in post("/v2/models/late/infer", {"inputs": wrong}).json()["error"]
    assert get("/v2/models/late/ready").json()["ready"] is True
    assert get("/v2/models/late/versions/9").status_code == 404
    assert get("/v2/models/empty/ready").status_code == 503
    assert post("/v2/health/live", b"").status_code == 405


def test_hostile_bodies_are_refused_and_the_worker_lives(server: Any, post: Callable[..., Any], record: Callable[..., Any]) -> None:
    pids = server.worker_pids()
    draw = random.Random(7)
    bodies = [draw.randbytes(draw.randrange(1, 400)) for _ in range(150)]
    bodies += [b"[" * 100_000, b'{"records":' + b'[{"a":' * 20_000, b"\xff\xfe", b"", b"null", b"{}", b'{"records": 1}',
               b'{"records": [1]}', b'{"records": [{}], "more": 1}', b'{"records": [{"distance": NaN}]}',
               b'{"records": [{"distance": 1e999}]}',
               json.dumps({"records": [{"id": {"a": 1}} for _ in range(500)]}).encode(), b'{"inputs": [{"name": "a"}]}']
    whole = json.dumps({"records": [record()]}).encode()
    bodies += [whole[:place] + draw.randbytes(1) + whole[place + 1:] for place in range(0, len(whole), 2)]
    statuses = {post(path, body).status_code for body in bodies for path in ("/v1/late/predict",)}
    statuses |= {post("/v2/models/late/infer", body).status_code for body in bodies[:170]}
    statuses |= {post("/v1/late/labels", body).status_code for body in bodies[:170]}
    assert statuses <= {200, 400, 413, 422}
    assert server.worker_pids() == pids
    assert post("/v1/late/predict", {"records": [record(distance=10**400)]}).status_code in (200, 400, 422)
    assert post("/v1/late/predict", {"records": [record(distance=1e300)]}).json()["predictions"][0]["flags"] == ["infinite:distance"]
    assert post("/v1/late/predict", {"records": [record(carrier=2**70)]}).status_code in (200, 400, 422)


def test_a_body_that_never_comes_is_given_up(server: Any) -> None:
    with socket.create_connection((server.settings.host, server.settings.predictions_port), timeout=30) as client:
        client.sendall(b"POST /v1/late/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        assert client.recv(1_000).startswith(b"HTTP/1.1 408")


def test_control_changes_need_the_token(server: Any) -> None:
    url = server.settings.control_url
    token = server.settings.folder("run") / "control.token"
    assert token.stat().st_mode & 0o777 == 0o600
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Bearer"}):
        for path in ("/converge", "/rollback/late", "/overrides/late/absorbed"):
            assert httpx.post(url + path, json={}, headers=headers, trust_env=False).status_code == 401
    good = {"authorization": f"Bearer {token.read_text()}"}
    assert httpx.post(url + "/converge", json={"use_case": "late"}, headers=good, trust_env=False).status_code == 400
    assert httpx.post(url + "/converge", content=b"x" * 70_000, headers=good, trust_env=False).status_code == 400
    assert httpx.get(url + "/routes", headers={"host": "evil.example"}, trust_env=False).status_code == 421
    assert httpx.get(url + "/routes/nobody", trust_env=False).status_code == 404
    assert httpx.get(url + "/nothing", trust_env=False).status_code == 404
    assert {item["use_case"] for item in httpx.get(url + "/routes", trust_env=False).json()} == {"late", "kind", "bikes", "empty"}


def test_refused_records_are_counted_for_the_arm(server: Any, post: Callable[..., Any], record: Callable[..., Any]) -> None:
    def champion() -> dict[str, Any]:
        return server.client.stats("bikes")["generations"][0]["arms"]["champion"]

    post("/v1/bikes/predict", {"records": [record()]})
    before = champion()
    post("/v1/bikes/predict", {"records": [record(distance="far"), record(), record(night=3)]})
    after = champion()
    assert (after["refusals"] - before["refusals"], after["requests"] - before["requests"]) == (2, 2)
    assert sum(after["latency_ms"]["counts"]) == after["answered"] == before["answered"]
    assert 0 < after["latency_ms"]["p50"] <= after["latency_ms"]["p99"]


def test_metrics_are_prometheus_text(server: Any, post: Callable[..., Any], record: Callable[..., Any]) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    for use_case in ("late", "kind", "bikes"):
        post(f"/v1/{use_case}/predict", {"records": [record()]})
    families = {family.name: family for family in text_string_to_metric_families(server.client.metrics())}
    assert families["interlock_workers_live"].samples[0].value == 1
    assert {sample.labels["use_case"] for sample in families["interlock_predictions"].samples} >= {"late", "kind", "bikes"}
    assert families["interlock_prediction_latency_seconds"].type == "histogram"


def test_a_taken_port_is_named_with_its_owner(server: Any, settings: Settings) -> None:
    from interlock.errors import SettingsError
    from interlock.serving.sockets import listen

    with pytest.raises(SettingsError, match=f"process {server.process.pid}"):
        listen("127.0.0.1", server.settings.control_port, patience_s=0.1)


def test_a_full_server_asks_to_come_back(start_server: Callable[..., Any], packages: tuple[Path, str, str],
                                         record: Callable[..., Any]) -> None:
    server = start_server(inflight_max=1)
    server.client.converge(server.route(1, packages[1]))
    url = f"{server.settings.predictions_url}/v1/late/predict"
    with socket.create_connection((server.settings.host, server.settings.predictions_port), timeout=30) as slow:
        slow.sendall(b"POST /v1/late/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        server.wait(lambda: "inflight 1" in server.client.metrics())
        reply = httpx.post(url, json={"records": [record()]}, trust_env=False)
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
        assert httpx.get(f"{server.settings.predictions_url}/v2/health/ready", trust_env=False).status_code == 200
    server.wait(lambda: httpx.post(url, json={"records": [record()]}, trust_env=False).status_code == 200)


@pytest.mark.parametrize(("rule", "status"), [("serve", 200), ("refuse", 503)])
def test_a_capture_that_fails_is_told_or_refused(start_server: Callable[..., Any], packages: tuple[Path, str, str],
                                                 record: Callable[..., Any], rule: str, status: int) -> None:
    server = start_server()
    folder = server.settings.folder("capture")
    (folder / "late").write_text("a file where the folder should be")
    server.client.converge(server.route(1, packages[1], on_capture_failure=rule))
    url = f"{server.settings.predictions_url}/v1/late"
    reply = httpx.post(f"{url}/predict", json={"records": [record()]}, trust_env=False)
    assert reply.status_code == status
    assert reply.json().get("captured", False) is False
    assert "score" not in reply.text or rule == "serve"
    assert httpx.post(f"{url}/labels", json={"labels": [{"id": "a", "label": 1}]}, trust_env=False).status_code == 503
    os.unlink(folder / "late")
    server.wait(lambda: httpx.post(f"{url}/predict", json={"records": [record()]}, trust_env=False).json().get("captured") is True)


def test_a_page_of_another_site_sends_neither_records_nor_labels(post: Callable[..., httpx.Response], record: Callable[..., Any]) -> None:
    """A browser would send them to a loopback port without asking anybody; what it says of the page cannot be made up by the page."""
    for path, body in (("/v1/late/predict", {"records": [record()]}), ("/v1/late/labels", {"labels": [{"id": "x", "label": 1}]})):
        for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
            assert post(path, body, headers={"sec-fetch-site": site}).status_code == status
