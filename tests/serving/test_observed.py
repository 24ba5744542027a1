"""What a server says about itself: request ids, log lines without data, metrics that parse, traces that continue the caller's."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from interlock.serving.access_log import AccessLog, Bounded, JsonLines, TextLines, place_of
from interlock.serving.limits import Limits

SECRET = "tail-number-N12345"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Collector:
    """An OTLP/HTTP collector that keeps the spans it is sent."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        found = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                found.extend(span for resource in body["resourceSpans"] for scope in resource["scopeSpans"] for span in scope["spans"])
                self.send_response(200 if self.path == "/v1/traces" else 404)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(30)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.close()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, two_packages: tuple[Path, str, str], running: Any,
            free_ports: Callable[[int], list[int]], collector: Collector) -> Iterator[Any]:
    """A server that logs every request and traces those whose caller wants it."""
    import shutil

    from interlock.settings import load_settings

    home = tmp_path_factory.mktemp("watched")
    predictions, control = free_ports(2)
    settings = load_settings(home=home, predictions_port=predictions, control_port=control)
    shutil.copytree(two_packages[0], settings.folder("packages"), dirs_exist_ok=True)
    server = running(settings, Limits(log_lines_per_s=1_000))
    server.log = home / "server.log"
    with server.log.open("w") as log:
        server.start(log, INTERLOCK_SERVING_ACCESS_LOG_SHARE="1", INTERLOCK_SERVING_TRACE_URL=collector.url,
                     INTERLOCK_SERVING_TRACE_SHARE="0")
        server.client.converge(server.route(1, two_packages[1]))
        yield server
        server.kill()
    server.client.close()


def post(server: Any, record: Any, path: str = "/v1/late/predict", **headers: str) -> httpx.Response:
    return httpx.post(server.settings.predictions_url + path, json={"records": [record]}, headers=headers, trust_env=False)


def lines_about(server: Any, request_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def there() -> bool:
        found[:] = [line for text in server.log.read_text().splitlines() if (line := json.loads(text)).get("request_id") == request_id]
        return bool(found)

    server.wait(there, 5)
    return found


def test_a_request_id_comes_back(watched: Any, record: Callable[..., Any]) -> None:
    assert post(watched, record(), **{"x-request-id": "order-7"}).headers["x-request-id"] == "order-7"
    assert post(watched, record(), traceparent=f"00-{TRACE}-00f067aa0ba902b7-00").headers["x-request-id"] == TRACE
    assert "x-request-id" not in post(watched, record()).headers
    assert len(post(watched, {"distance": 1}).headers["x-request-id"]) == 16, "a refused request gets an id to ask about"
    for hostile in ("a b", "x" * 129, "<script>", ""):
        assert post(watched, record(), **{"x-request-id": hostile}).headers.get("x-request-id") is None


def test_a_line_says_what_happened_and_holds_no_data(watched: Any, record: Callable[..., Any]) -> None:
    key = "ilk_" + "0" * 12 + "_" + "k" * 43
    post(watched, record(carrier=SECRET), **{"x-request-id": "good", "authorization": f"Bearer {key}"})
    post(watched, record(distance=SECRET), f"/v1/late/predict?{SECRET}", **{"x-request-id": "bad"})
    post(watched, record(), f"/v1/{SECRET}/predict", **{"x-request-id": "lost"})
    [good], [bad], [lost] = (lines_about(watched, name) for name in ("good", "bad", "lost"))
    assert (good["status"], good["use_case"], good["version"], good["arm"], good["rows"]) == (200, "late", 1, "champion", 1)
    assert (good["path"], good["method"], good["level"], good["process"]) == ("/v1/late/predict", "POST", "info", "worker 0")
    assert 0 < good["ms"] < 10_000
    assert (bad["status"], bad["reason"], bad["use_case"]) == (422, "invalid", "late")
    assert (lost["status"], lost["reason"], "path" in lost) == (404, "unknown", False)
    text = watched.log.read_text()
    assert SECRET not in text
    assert key not in text


def test_every_line_is_one_json_object(watched: Any, record: Callable[..., Any]) -> None:
    post(watched, record(), **{"x-request-id": "line"})
    lines_about(watched, "line")
    lines = [json.loads(text) for text in watched.log.read_text().splitlines()]
    assert all({"at", "level", "process", "logger", "message"} <= line.keys() for line in lines)


def test_an_exception_is_logged_without_its_text() -> None:
    try:
        float(SECRET)
    except ValueError as error:
        found = place_of(error)
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "it failed", None, (type(error), error, error.__traceback__))
    assert found.startswith("ValueError at test_observed.py:")
    line = json.loads(JsonLines("worker 1").format(record))
    assert (line["message"], line["process"]) == ("it failed", "worker 1")
    assert SECRET not in found + json.dumps(line)


def test_a_plain_line_holds_the_fields_and_is_one_line() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "request", None, None)
    record.fields = {"status": 404, "path": "/v2/models/late/versions/1\n2026 worker 0 ERROR made up"}  # type: ignore[attr-defined]
    line = TextLines("worker 0").format(record)
    assert "\n" not in line
    assert line.endswith('worker 0 INFO request {"status": 404, "path": "/v2/models/late/versions/1\\n2026 worker 0 ERROR made up"}')
    try:
        float(SECRET)
    except ValueError as error:
        failed = logging.LogRecord("x", logging.ERROR, "f", 1, "it failed", None, (type(error), error, error.__traceback__))
    assert SECRET not in TextLines("worker 0").format(failed)


def test_lines_of_the_http_library_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr("interlock.serving.access_log.time.monotonic", lambda: now[0])
    bounded = Bounded(3)
    lines = [logging.LogRecord("uvicorn.error", logging.WARNING, "f", 1, "Invalid HTTP request received.", None, None) for _ in range(9)]
    assert [bounded.filter(line) for line in lines[:8]] == [True] * 3 + [False] * 5
    assert bounded.filter(logging.LogRecord("interlock.serving", logging.ERROR, "f", 1, "ours", None, None))
    now[0] = 11.0
    assert bounded.filter(lines[8])
    assert lines[8].getMessage() == "Invalid HTTP request received. (and 5 lines that were left out)"


def test_a_flood_of_refusals_does_not_fill_the_disk(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr("interlock.serving.access_log.time.monotonic", lambda: now[0])
    log = AccessLog(0.0, Limits(log_lines_per_s=3))
    assert [log.wants(200), log.wants(204), log.wants(400), log.wants(503)] == [False, False, True, True]
    with caplog.at_level(logging.INFO, "interlock.serving.requests"):
        for _ in range(1_000):
            log.write(503, {})
        assert len(caplog.records) == 3
        now[0] += 1
        log.write(503, {})
    assert caplog.records[3].fields == {"left_out": 997}  # type: ignore[attr-defined]
    assert len(caplog.records) == 5


def test_metrics_follow_the_conventions(watched: Any, record: Callable[..., Any]) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    post(watched, record())
    post(watched, {"distance": 1})
    families = {family.name: family for family in text_string_to_metric_families(watched.client.metrics())}
    assert all(family.documentation and family.type in {"counter", "gauge", "histogram"} for family in families.values())
    for name, family in families.items():
        assert name.startswith("interlock_")
        assert not name.endswith(("_ms", "_kb", "_count")), "base units"
        assert all(sample.name == f"{name}_total" for sample in family.samples if family.type == "counter")
    assert families["interlock_build_info"].samples[0].labels.keys() == {"version", "python", "xgboost"}
    refusals = {tuple(sample.labels.values()): sample.value for sample in families["interlock_request_refusals"].samples}
    assert refusals["late", "invalid"] >= 1
    labels = {"use_case": "late", "version": "1", "arm": "champion"}
    buckets = [sample for sample in families["interlock_prediction_latency_seconds"].samples if sample.name.endswith("_bucket")]
    assert {key: value for key, value in buckets[0].labels.items() if key != "le"} == labels
    assert [sample.value for sample in buckets] == sorted(sample.value for sample in buckets)
    assert families["interlock_worker_resident_memory_bytes"].samples[0].value > 20e6
    pinned = {sample.labels["kind"]: sample.value for sample in families["interlock_models_bytes"].samples}
    assert 256 * 1024 < pinned["pinned"] < 2e6
    assert pinned["older"] == 0


def test_versions_are_few_series() -> None:
    from types import SimpleNamespace

    from interlock.serving.counters import ArmKey, Counters
    from interlock.serving.metrics import VERSIONS_MAX, _arms

    totals = Counters()
    for version in range(1, 101):
        totals.of(ArmKey("late", 0, "", "champion", version, f"sha256:{version}"), "unit").refused(2)
    found = _arms(SimpleNamespace(totals=totals))  # type: ignore[arg-type]
    assert len(found) == VERSIONS_MAX + 1
    by_version = {labels["version"]: counts.requests for labels, counts in found}
    assert (by_version["older"], by_version["100"], sum(by_version.values())) == (2 * (100 - VERSIONS_MAX), 2, 200)


def spans_of(watched: Any, collector: Collector, trace: str, count: int) -> list[dict[str, Any]]:
    watched.wait(lambda: len([span for span in collector.spans if span["traceId"] == trace]) >= count, 10)
    return [span for span in collector.spans if span["traceId"] == trace]


def test_a_trace_continues_the_callers_and_its_decision_is_followed(watched: Any, collector: Collector, record: Callable[..., Any]) -> None:
    wanted, unwanted = "a" * 32, "b" * 32
    post(watched, record(carrier=SECRET), traceparent=f"00-{unwanted}-{'2' * 16}-00")
    post(watched, record())  # nobody decides, and the share is 0
    post(watched, record(carrier=SECRET), traceparent=f"00-{wanted}-{'1' * 16}-01")
    spans = {span["name"]: span for span in spans_of(watched, collector, wanted, 3)}
    server, score, capture = spans["POST late"], spans["encode+score"], spans["capture"]
    assert (server["parentSpanId"], server["kind"]) == ("1" * 16, 2)
    assert score["parentSpanId"] == capture["parentSpanId"] == server["spanId"]
    times = [int(span[f"{end}TimeUnixNano"]) for span, end in ((server, "start"), (score, "start"), (score, "end"), (capture, "end"),
                                                                 (server, "end"))]
    assert times == sorted(times)
    attributes = {item["key"]: next(iter(item["value"].values())) for item in server["attributes"]}
    assert attributes["interlock.use_case"] == "late"
    assert (attributes["http.response.status_code"], attributes["interlock.version"]) == ("200", "1")
    assert {span["traceId"] for span in collector.spans} == {wanted}
    assert SECRET not in json.dumps(collector.spans)


def test_the_share_decides_where_the_caller_does_not() -> None:
    from interlock.serving.admission import Notes
    from interlock.serving.traces import Traces

    sent: list[Any] = []

    class Kept:
        def export(self, spans: Any) -> Any:
            sent.extend(spans)

        def shutdown(self) -> None:
            """Nothing to close."""

        def force_flush(self, timeout_millis: int = 0) -> bool:
            return True

    for share, least, most in ((0.0, 0, 0), (1.0, 400, 400), (0.5, 140, 260)):  # binomial(400, ½): standard deviation 10
        sent.clear()
        traces = Traces(Kept(), share)  # type: ignore[arg-type]
        for _ in range(400):
            traces.request({"method": "POST"}, Notes(use_case="late"), None, "", 1, 200, 0.001)
        traces.close()
        assert least <= len(sent) <= most


def test_without_an_address_the_sdk_is_not_imported() -> None:
    import subprocess
    import sys

    code = "import interlock.serving.worker, sys; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
