"""`tritonclient[http]`, a public client of the Open Inference Protocol, against the real server: what it asks for and how it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

from interlock.settings import load_settings
from interlock.spec.serving import Abstention, Serving
from tests.serving.described import described


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, running: type, free_ports: Callable[[int], list[int]],
           build_package: Callable[..., str]) -> Iterator[Any]:
    """`late` in two versions, `kind`, `bikes`, and `shy`, which abstains outside its training rows."""
    from interlock.serving.limits import Limits

    predictions, control = free_ports(2)
    settings = load_settings(home=tmp_path_factory.mktemp("home"), predictions_port=predictions, control_port=control, serving_workers=1)
    root = settings.folder("packages")
    started = running(settings, Limits()).start()
    started.client.converge(started.route(1, described(root, build_package(root, 1)), previous=described(root, build_package(root, 2))))
    for use_case, task in (("kind", "multiclass"), ("bikes", "regression"), ("shy", "binary")):
        options = Serving(abstention=Abstention(out_of_range=1)) if use_case == "shy" else Serving()
        digest = described(root, build_package(root, 3, use_case=use_case, task=task))
        started.client.converge(started.route(1, digest, use_case=use_case, serving=options))
    yield started
    started.kill()
    started.client.close()


@pytest.fixture
def client(server: Any) -> Iterator[Any]:
    found = triton.InferenceServerClient(f"127.0.0.1:{server.settings.predictions_port}")
    yield found
    found.close()


def tensors(distances: list[float], *, binary: bool) -> list[Any]:
    rows = len(distances)
    arrays = {"distance": ("FP64", np.array(distances)), "carrier": ("BYTES", np.array((["AA", "B6", "é"] * rows)[:rows], dtype=object)),
              "night": ("BOOL", np.array(([True, False] * rows)[:rows])), "sex": ("BYTES", np.array([b"f"] * rows, dtype=object)),
              "event_time": ("BYTES", np.array([b"2013-05-04T14:03:00Z"] * rows, dtype=object))}
    found = []
    for name, (kind, values) in arrays.items():
        tensor = triton.InferInput(name, list(values.shape), kind)
        tensor.set_data_from_numpy(values, binary_data=binary)
        found.append(tensor)
    return found


def rows_of(distances: list[float | None]) -> list[dict[str, Any]]:
    return [{"distance": distance, "carrier": ["AA", "B6", "é"][place % 3], "night": place % 2 == 0,
             "event_time": "2013-05-04T14:03:00Z"} for place, distance in enumerate(distances)]


def test_health_metadata_and_index(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert [client.is_model_ready(*of) for of in (("late",), ("late", "2"), ("late", "9"), ("nobody",))] == [True, True, False, False]
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("kind")
    assert {(one["name"], one["datatype"]) for one in metadata["outputs"]} == {
        ("score", "FP64"), ("prediction", "BYTES"), ("scores", "FP64")}
    assert client.get_model_metadata("late", "2")["versions"] == ["1", "2"]
    assert {(one["name"], one["version"]) for one in client.get_model_repository_index()} >= {("late", "1"), ("late", "2")}


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("got", [True, False, None])
def test_answers_are_the_models_own_in_every_form(server: Any, client: Any, expected_scores: Callable[..., Any], sent: bool,
                                                  got: bool | None) -> None:
    distances = [700.0, 120.0, 2_500.0, 900.0]
    wanted = None if got is None else [triton.InferRequestedOutput(name, binary_data=got) for name in ("prediction", "score")]
    observed = server.client.observed("late")
    for version, slot in (("", observed.champion), (str(observed.previous.version), observed.previous)):
        found = client.infer("late", tensors(distances, binary=sent), model_version=version, outputs=wanted, request_id="q")
        scores = expected_scores(server.settings.folder("packages"), slot.digest, rows_of(list(distances)))
        assert found.as_numpy("score").tolist() == scores
        assert found.as_numpy("prediction").tolist() == [int(score >= 0.5) for score in scores]
        assert found.get_response()["model_version"] == str(slot.version)
        assert found.get_response()["parameters"]["ids"] == ["q/0", "q/1", "q/2", "q/3"]


def test_binary_nan_is_a_missing_number(server: Any, client: Any, expected_scores: Callable[..., Any]) -> None:
    digest = server.client.observed("late").champion.digest
    found = client.infer("late", tensors([float("nan"), 900.0], binary=True))
    assert found.as_numpy("score").tolist() == expected_scores(server.settings.folder("packages"), digest, rows_of([None, 900.0]))


def test_other_number_types_classes_and_values(client: Any) -> None:
    whole = triton.InferInput("distance", [2, 1], "INT64")
    whole.set_data_from_numpy(np.array([[700], [120]]))
    rest = tensors([700.0, 120.0], binary=True)
    for model in ("kind", "bikes"):
        same = [client.infer(model, inputs).as_numpy("prediction").tolist() for inputs in (rest, [whole, *rest[1:]])]
        assert same[0] == same[1]
    found = client.infer("kind", rest)
    assert found.as_numpy("scores").shape == (2, 3)
    assert found.as_numpy("scores").sum(axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert set(found.as_numpy("prediction")) <= {b"early", b"late", b"never"}
    assert client.infer("bikes", rest).as_numpy("prediction").dtype == np.float64


def test_abstention_and_reasons_are_tensors(client: Any) -> None:
    found = client.infer("shy", tensors([700.0, 4_000.0], binary=True), parameters={"explain": True})
    assert found.as_numpy("abstained").tolist() == [False, True]
    assert found.as_numpy("answered_by").tolist() == [b"model", b"person"]
    assert np.isnan(found.as_numpy("score")).tolist() == [False, True]
    assert found.as_numpy("prediction")[1] == -1
    assert [bool(text) for text in found.as_numpy("reasons")] == [True, False]


def test_refusals_reach_the_caller_with_field_and_status(client: Any) -> None:
    wrong = tensors([700.0], binary=True)
    for inputs, words in ((wrong[:1], "'carrier': is missing"), ([*wrong, triton.InferInput("speed", [1], "FP64")], "tensor 'speed'")):
        with pytest.raises(InferenceServerException, match=words) as caught:
            client.infer("late", inputs)
        assert caught.value.status() == "422"
    with pytest.raises(InferenceServerException, match="no use case"):
        client.infer("nobody", wrong)
