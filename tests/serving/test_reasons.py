"""Reasons on demand over HTTP: for every task, bounded, in the words of the use-case file, and withheld where they may not be told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from interlock.modeling.package import read_package
from interlock.settings import load_settings
from interlock.spec.serving import Abstention, Serving
from tests.serving.described import COLUMNS, described

MOMENT = datetime(2013, 5, 4, 14, 3, tzinfo=UTC)
USE_CASES = {"late": ("binary", Serving(explain_rows_max=3)), "kind": ("multiclass", Serving()), "bikes": ("regression", Serving()),
             "mute": ("binary", Serving(explain_rows_max=0)), "private": ("binary", Serving()),
             "shy": ("binary", Serving(abstention=Abstention(confidence_min=1.0)))}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, running: type, free_ports: Callable[[int], list[int]],
           build_package: Callable[..., str]) -> Iterator[Any]:
    from interlock.serving.limits import Limits

    predictions, control = free_ports(2)
    settings = load_settings(home=tmp_path_factory.mktemp("home"), predictions_port=predictions, control_port=control, serving_workers=1)
    root = settings.folder("packages")
    started = running(settings, Limits()).start()
    secret = COLUMNS | {name: COLUMNS[name] | {"role": "sensitive"} for name in ("distance", "carrier", "night")}
    for use_case, (task, options) in USE_CASES.items():
        changes = {"columns": secret} if use_case == "private" else {}
        digest = described(root, build_package(root, 3, use_case=use_case, task=task), **changes)
        started.client.converge(started.route(1, digest, use_case=use_case, serving=options))
    yield started
    started.kill()
    started.client.close()


@pytest.fixture
def ask(server: Any) -> Iterator[Callable[..., httpx.Response]]:
    with httpx.Client(base_url=server.settings.predictions_url, timeout=30, trust_env=False) as client:
        yield lambda use_case, *records: client.post(f"/v1/{use_case}/predict", json={"records": list(records), "explain": True})


@pytest.mark.parametrize("use_case", ["late", "kind", "bikes"])
def test_contributions_add_up_to_the_margin_of_the_answer(server: Any, ask: Callable[..., Any], record: Callable[..., Any],
                                                          use_case: str) -> None:
    rows = [record(), record(distance=None, carrier="B6"), record(distance=2_900.0, night=True)]
    found = ask(use_case, *rows).json()["predictions"]
    package = read_package(server.settings.folder("packages"), server.client.observed(use_case).champion.digest)
    matrix, _ = package.manifest.features.encode_records(rows, [MOMENT] * 3)
    margins = package.open_model().margin(matrix)
    for place, one in enumerate(found):
        reasons = one["reasons"]
        margin = margins[place][package.manifest.classes.index(one["prediction"])] if use_case == "kind" else margins[place]
        assert reasons["margin"] == pytest.approx(float(margin), abs=1e-4)
        assert len(reasons["codes"]) <= 4
        assert all(0 < code["share"] <= 1 for code in reasons["codes"])
        assert reasons["explained"] == {"late": "the probability of a yes", "kind": f"the class {one['prediction']}",
                                        "bikes": "the value"}[use_case]


def test_reasons_are_told_in_the_words_of_the_file(ask: Callable[..., Any], record: Callable[..., Any]) -> None:
    """1,500 is the usual distance: 2,900 is long, 100 is short."""
    texts = {code["text"] for distance in (100.0, 2_900.0) for night in (True, False) for carrier in ("AA", "UA")
             for code in ask("late", record(distance=distance, night=night, carrier=carrier)).json()["predictions"][0]["reasons"]["codes"]}
    assert texts & {"The flight is long", "The flight is short"}
    assert texts <= {"The flight is long", "The flight is short", "The carrier", "It is a night flight", "It is a day flight",
                     "The hour of the day of the request"}


def test_without_being_asked_none_are_given(server: Any, record: Callable[..., Any]) -> None:
    assert "reasons" not in server.client.predict("late", [record()])["predictions"][0]


def test_more_records_than_the_use_case_allows_and_a_use_case_that_gives_none(ask: Callable[..., Any], record: Callable[..., Any]) -> None:
    reply = ask("late", *[record()] * 4)
    assert (reply.status_code, reply.json()["allowed"]) == (413, "3 records")
    assert ask("mute", record()).status_code == 422


def test_a_principal_reason_that_may_not_be_told_makes_the_list_incomplete(ask: Callable[..., Any], record: Callable[..., Any]) -> None:
    found = [one["reasons"] for distance in (100.0, 900.0, 2_900.0) for one in ask(
        "private", record(distance=distance), record(distance=distance, night=True)).json()["predictions"]]
    partial = [one for one in found if not one["complete"]]
    assert partial
    assert all("it is a sensitive attribute" in one["note"] and "Do not send" in one["note"] for one in partial)
    assert not any(name in json.dumps(one["codes"]) for one in found for name in ("distance", "carrier", "night"))


def test_where_no_model_answers_there_is_no_reason(ask: Callable[..., Any], record: Callable[..., Any]) -> None:
    found = ask("shy", record()).json()["predictions"][0]
    assert (found["answered_by"], found.get("reasons")) == ("person", None)


def test_the_inference_protocol_gives_them_as_texts(server: Any, record: Callable[..., Any]) -> None:
    inputs = [{"name": "distance", "shape": [1], "datatype": "FP64", "data": [700]},
              {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["AA"]},
              {"name": "night", "shape": [1], "datatype": "BOOL", "data": [False]}]
    url = f"{server.settings.predictions_url}/v2/models/late/infer"
    with httpx.Client(trust_env=False) as client:
        for more in ({"parameters": {"explain": True}}, {"outputs": [{"name": "reasons"}]}):
            [told] = [one for one in client.post(url, json={"inputs": inputs} | more).json()["outputs"] if one["name"] == "reasons"]
            assert json.loads(told["data"][0])["direction"] == "down"
        assert client.post(url, json={"inputs": inputs, "parameters": {"explain": "yes"}}).status_code == 422


def test_workers_load_nothing_heavy_for_it(server: Any, ask: Callable[..., Any], record: Callable[..., Any]) -> None:
    assert ask("late", record()).status_code == 200
    for pid in server.worker_pids():
        maps = Path(f"/proc/{pid}/maps").read_text()
        assert not any(name in maps for name in ("/polars/", "/pandas/", "/shap/", "/sklearn/"))
