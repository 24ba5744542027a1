"""One captured answer looked at: explained in a process apart as in this one, by who may see rows, without a model in the caller."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from interlock.control.access.people import Person
from interlock.control.answers import looking
from interlock.control.answers.explaining import explain_request
from interlock.errors import DataError, DecisionRefused, Unavailable
from interlock.records.ids import made_at, new_id
from interlock.records.store import Store
from interlock.settings import Settings
from tests.control.traffic import Traffic, copy_package, spec

ANN, VERA = Person("Ann"), Person("Vera")


@pytest.fixture
def traffic(settings: Settings, store: Store, package: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Traffic]:
    for name in ("home", "usecases_dir"):
        monkeypatch.setenv(f"INTERLOCK_{name.upper()}", str(getattr(settings, name)))
    copy_package(*package, settings)
    found = Traffic(settings, store, package[1], spec())
    yield found
    found.segment.close()


def test_a_child_finds_what_this_process_finds(traffic: Traffic) -> None:
    request = str(traffic.serve(0)["_request_id"][3])
    apart = looking.explain_apart(traffic.settings, ANN, traffic.use_case, request)
    here = explain_request(traffic.settings, traffic.use_case, request).as_json()
    assert (apart["score"], apart["waterfall"], apart["inputs"]) == (here["score"], here["waterfall"], here["inputs"])
    assert sorted(apart["inputs"]) == ["event_time", "income", "region", "sex"]
    assert apart["waterfall"][-1]["probability_after"] == pytest.approx(apart["score"], abs=1e-5)


def test_an_unknown_id_and_a_slow_child_are_said(traffic: Traffic) -> None:
    traffic.serve(0)
    with pytest.raises(DataError, match="no prediction with this id was captured"):
        looking.explain_apart(traffic.settings, ANN, traffic.use_case, "nobody")
    with pytest.raises(Unavailable, match="not made in time"):
        looking.explain_apart(traffic.settings, ANN, traffic.use_case, "nobody", timeout_s=0.01)


def test_only_who_may_see_rows_looks(settings: Settings) -> None:
    settings = settings.model_copy(update={"people": {"Ann": ["analyst"], "Vera": ["viewer"]}})
    with pytest.raises(DecisionRefused, match="Vera may not see rows"):
        looking.explain_apart(settings, VERA, spec(), "any")
    with pytest.raises(DecisionRefused, match="Vera may not see rows"):
        looking.what_if(settings, VERA, "small_loans", {})


def test_two_at_once_and_no_more(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_turns", threading.BoundedSemaphore(1))
    with looking._turns, pytest.raises(Unavailable, match="right now"):
        looking.explain_apart(settings, ANN, spec(), "any")


def test_a_server_that_is_not_there_is_said(settings: Settings) -> None:
    with pytest.raises(Unavailable):
        looking.what_if(settings, ANN, "small_loans", {"income": 1.0})


def test_the_caller_holds_no_model_library() -> None:
    code = "import sys, interlock.control.answers.looking; print([n for n in ('xgboost', 'shap', 'sklearn', 'polars') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_an_id_tells_its_time() -> None:
    now = datetime.now(UTC)
    made = made_at(new_id())
    assert made is not None
    assert abs((made - now).total_seconds()) < 5
    assert made_at("customer-7") is None
    assert made_at("6ba7b810-9dad-11d1-80b4-00c04fd430c8") is None  # version 1
