"""Calibrated probabilities and intervals over HTTP: the very numbers that the package gives in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from interlock.modeling.boosting import load_xgboost
from interlock.modeling.calibrator import Calibration, Curve
from interlock.modeling.intervals import Intervals
from interlock.modeling.package import golden_rows, read_package, write_package
from interlock.modeling.probe import golden_answers, probe_package
from interlock.settings import load_settings

MOMENT = datetime(2013, 5, 4, 14, 3, tzinfo=UTC)
CURVE = Curve(x=[-2.0, 0.0, 2.0], y=[0.1, 0.2, 0.7])


def rewritten(root: Path, digest: str, quantiles: bytes | None = None, **changes: Any) -> str:
    """The package with further manifest fields, its golden rows answered anew; checked by the probe."""
    package = read_package(root, digest)
    manifest = package.manifest.model_copy(update={**changes, "files": {}})
    files = {"model.ubj": package.files["model.ubj"]} | ({"quantiles.ubj": quantiles} if quantiles else {})
    twin = type(package)("", manifest, {**package.files, **files})
    records, times, margins = package.golden()
    answers = {name: found for name, found in golden_answers(twin).items() if name != "margins"}
    made = write_package(root, booster_ubj=files["model.ubj"], quantiles_ubj=quantiles, manifest=manifest,
                         golden=golden_rows(records, times, margins, **answers), profile_json=package.profile_json)
    return probe_package(root, made).digest


def quantile_booster(space: Any) -> bytes:
    draw = np.random.default_rng(4)
    rows = [{"distance": float(draw.integers(100, 3000)), "carrier": "AA", "night": bool(draw.integers(2))} for _ in range(300)]
    matrix, _ = space.encode_records(rows, [MOMENT] * 300)
    xgboost = load_xgboost()
    data = xgboost.DMatrix(matrix, label=draw.normal(50, 20, 300), feature_types=space.feature_types, enable_categorical=True)
    settings = {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.9], "nthread": 1}
    return bytes(xgboost.train(settings, data, num_boost_round=5).save_raw("ubj"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, running: type, free_ports: Callable[[int], list[int]],
           build_package: Callable[..., str]) -> Iterator[Any]:
    from interlock.serving.limits import Limits

    predictions, control = free_ports(2)
    settings = load_settings(home=tmp_path_factory.mktemp("home"), predictions_port=predictions, control_port=control, serving_workers=1)
    root = settings.folder("packages")
    late = rewritten(root, build_package(root, 1), calibration=Calibration(kind="isotonic", curves=[CURVE], rows=9, source="validation"))
    plain = build_package(root, 3, use_case="bikes", task="regression")
    bikes = rewritten(root, plain, quantile_booster(read_package(root, plain).manifest.features),
                      intervals=Intervals(levels=[0.1, 0.9], correction=1.5, conformal=True, rows=9))
    started = running(settings, Limits()).start()
    started.client.converge(started.route(1, late))
    started.client.converge(started.route(1, bikes, use_case="bikes"))
    started.digests = {"late": late, "bikes": bikes}
    yield started
    started.kill()
    started.client.close()


@pytest.fixture
def post(server: Any) -> Callable[..., dict[str, Any]]:
    def send(path: str, body: Any) -> dict[str, Any]:
        answer = httpx.post(server.settings.predictions_url + path, content=json.dumps(body).encode(), timeout=10, trust_env=False)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    return send


def test_served_probability_is_the_calibrated_one(server: Any, post: Callable[..., Any], record: Callable[..., Any]) -> None:
    records = [record(distance=d) for d in (200.0, 900.0, 2500.0)]
    served = [item["score"] for item in post("/v1/late/predict", {"records": records})["predictions"]]
    package = read_package(server.settings.folder("packages"), server.digests["late"])
    model = package.open_model()
    matrix, _ = package.manifest.features.encode_records(records, [MOMENT] * 3)
    assert served == [float(value) for value in model.score(matrix)]
    assert np.allclose(served, np.interp(model.margin(matrix), CURVE.x, CURVE.y), atol=1e-6)


def test_served_interval_holds_the_value(server: Any, post: Callable[..., Any], record: Callable[..., Any]) -> None:
    found = post("/v1/bikes/predict", {"records": [record(), record(distance=2500.0)]})["predictions"]
    package = read_package(server.settings.folder("packages"), server.digests["bikes"])
    model = package.open_model()
    matrix, _ = package.manifest.features.encode_records([record(), record(distance=2500.0)], [MOMENT] * 2)
    assert [item["interval"] for item in found] == model.interval(matrix, model.score(matrix)).tolist()
    assert all(item["interval"][0] <= item["prediction"] <= item["interval"][1] for item in found)


def test_open_inference_names_and_sends_the_interval(server: Any, post: Callable[..., Any]) -> None:
    tensors = [{"name": "distance", "datatype": "FP64", "shape": [2], "data": [700.0, 2500.0]},
               {"name": "carrier", "datatype": "BYTES", "shape": [2], "data": ["AA", "B6"]},
               {"name": "night", "datatype": "BOOL", "shape": [2], "data": [False, True]}]
    outputs = {one["name"]: one for one in post("/v2/models/bikes/infer", {"inputs": tensors})["outputs"]}
    assert outputs["interval"]["shape"] == [2, 2]
    assert len(outputs["interval"]["data"]) == 4
    described = httpx.get(f"{server.settings.predictions_url}/v2/models/bikes", timeout=10, trust_env=False).json()["outputs"]
    assert next(one for one in described if one["name"] == "interval")["parameters"] == {"levels": [0.1, 0.9]}


def test_models_without_intervals_send_none(post: Callable[..., Any], record: Callable[..., Any]) -> None:
    assert "interval" not in post("/v1/late/predict", {"records": [record()]})["predictions"][0]
