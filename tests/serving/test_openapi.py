"""The OpenAPI document and its page: valid, true to what the server answers, and harmless whatever a use case is called."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from interlock.settings import load_settings
from interlock.spec.serving import Abstention, Serving
from tests.serving.described import described

STRICT = Serving(missing="refuse", out_of_range="refuse", unseen="refuse", batch="each", abstention=Abstention(out_of_range=1))
TASKS = {"late": "binary", "strict": "binary", "kind": "multiclass", "bikes": "regression"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, running: type, free_ports: Callable[[int], list[int]],
           build_package: Callable[..., str]) -> Iterator[Any]:
    from interlock.serving.limits import Limits

    predictions, control = free_ports(2)
    settings = load_settings(home=tmp_path_factory.mktemp("home"), predictions_port=predictions, control_port=control, serving_workers=1)
    root = settings.folder("packages")
    started = running(settings, Limits(rows_max=500)).start()
    for use_case, task in TASKS.items():
        plain = build_package(root, 1, use_case=use_case, task=task)
        digest = described(root, plain) if use_case in ("late", "strict") else plain
        started.client.converge(started.route(1, digest, use_case=use_case, serving=STRICT if use_case == "strict" else Serving()))
    started.client.converge(started.route(1, None, use_case="empty"))
    yield started
    started.kill()
    started.client.close()


@pytest.fixture
def document(http: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = http.get("/openapi.json").json()
    return found


def _checked(document: dict[str, Any], name: str, value: Any) -> None:
    """Hold a value against a schema of the document."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    jsonschema.validate(value, schema, cls=jsonschema.Draft202012Validator)


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"] == "3.1.0"
    assert not any("empty" in path for path in document["paths"])  # nothing answers there yet


@pytest.mark.parametrize("use_case", sorted(TASKS))
def test_examples_fit_their_schemas_and_are_answered_as_documented(http: httpx.Client, document: dict[str, Any], use_case: str) -> None:
    schemas = document["components"]["schemas"]
    for name, path, answer in (("Predict", f"/v1/{use_case}/predict", "Reply"), ("Labels", f"/v1/{use_case}/labels", ""),
                               ("Infer", f"/v2/models/{use_case}/infer", "InferReply")):
        [example] = schemas[f"{use_case}.{name}"]["examples"]
        _checked(document, f"{use_case}.{name}", example)
        reply = http.post(path, json=example)
        assert reply.status_code == 200, reply.text
        if answer:
            _checked(document, answer if answer == "InferReply" else f"{use_case}.{answer}", reply.json())
    explained = http.post(f"/v1/{use_case}/predict", json=schemas[f"{use_case}.Predict"]["examples"][0] | {"explain": True}).json()
    _checked(document, f"{use_case}.Reply", explained)
    assert explained["predictions"][0]["reasons"]["codes"] is not None


@pytest.mark.parametrize(("changes", "fits"), [
    ({}, True), ({"carrier": None}, True), ({"distance": 5_001}, False), ({"carrier": "ZZ"}, False), ({"distance": None}, False),
    ({"speed": 1}, False), ({"night": "no"}, False), ({"id": ""}, False), ({"event_time": "1980-01-01T00:00:00Z"}, False),
    ({"event_time": "2013-05-04"}, False)])
def test_the_schema_of_a_record_says_what_the_server_does(http: httpx.Client, document: dict[str, Any], record: Callable[..., Any],
                                                          changes: dict[str, Any], fits: bool) -> None:
    one = record() | changes
    reply = http.post("/v1/strict/predict", json={"records": [one]}).json()
    assert (reply["refused"] == 0) is fits
    try:
        _checked(document, "strict.Record", one)
    except jsonschema.ValidationError:
        assert not fits
    else:
        assert fits
    _checked(document, "strict.Reply", reply)


def test_refusals_have_the_documented_shape(http: httpx.Client, document: dict[str, Any], record: Callable[..., Any]) -> None:
    for path, content in (("/v1/late/predict", b"{"), ("/v1/late/predict", json.dumps({"records": [record(speed=1)]}).encode()),
                          ("/v1/late/predict", json.dumps({"records": [record()] * 501}).encode()), ("/v1/nobody/predict", b"{}")):
        reply = http.post(path, content=content)
        assert str(reply.status_code) in document["paths"]["/v1/late/predict"]["post"]["responses"]
        _checked(document, "Error", reply.json())
    assert http.put("/v1/late/predict").headers["allow"] == "POST"
    assert http.post("/openapi.json").status_code == http.post("/docs").status_code == 405


def test_the_document_follows_the_route(server: Any, http: httpx.Client, build_package: Callable[..., str]) -> None:
    assert "/v1/soon/predict" not in http.get("/openapi.json").json()["paths"]
    server.client.converge(server.route(1, build_package(server.settings.folder("packages"), 1, use_case="soon"), use_case="soon"))
    assert "/v1/soon/predict" in http.get("/openapi.json").json()["paths"]


def test_the_page_is_whole_by_itself_and_every_text_is_escaped(http: httpx.Client) -> None:
    reply = http.get("/docs")
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.headers["content-security-policy"].startswith("default-src 'none'")
    page = reply.text
    assert "Late &lt;flights&gt;" in page
    assert "Miles &lt;flown&gt;" in page
    assert not any(tag in page for tag in ("<flights>", "<flown>", "<script", "http://", "https://"))
    assert page.count("<h2>") == page.count("<code>POST /v1/") + 1


def test_the_index_names_every_version(http: httpx.Client) -> None:
    found = http.post("/v2/repository/index").json()
    assert {"name": "late", "version": "1", "state": "READY", "reason": ""} in found
    assert http.get("/v2/repository/index").status_code == 405
