"""The Ledger page: search, one entry by its address, and the bundle for whom it is meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from interlock.control.bundle.checking import check_bundle
from interlock.control.readmodel.book import entry, lines
from interlock.records.store import Store
from interlock.settings import Settings

VIEW = Path(__file__).resolve().parents[2] / "dashboard" / "views" / "ledger.py"


def opened(**address: str) -> AppTest:
    app = AppTest.from_file(str(VIEW), default_timeout=60)
    for name, value in address.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, [one.message for one in app.exception]
    return app


def test_every_word_must_stand_in_the_entry_and_signs_are_no_wildcards(world: Settings, store: Store) -> None:
    every = lines(store)
    named = lines(store, words="grace APPROVER")
    assert 0 < len(named) < len(every)
    assert all("Grace Approver" in str(one.body) for one in named)
    assert lines(store, words="grace nobody") == []
    assert lines(store, words="%") == []
    assert [one.seq for one in lines(store, words=every[0].hash)] == [every[0].seq]


def test_one_entry_is_found_by_its_number_alone(world: Settings, store: Store) -> None:
    assert entry(store, 10_000) is None
    app = opened(entry="2", words="nothing has these words")
    assert "**Entry 2**" in [one.value.split(" · ")[0] for one in app.markdown]


def test_an_auditor_makes_a_bundle_that_holds(world: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_PEOPLE", '{"Grace Approver": ["auditor"]}')
    app = opened()
    app.text_input[0].set_value("yearly audit")
    next(one for one in app.button if one.label == "Make the bundle").click().run()
    assert "interlock\\-all" in app.success[0].value
    (made,) = (world.home / "bundles").glob("*.zip")
    report = check_bundle(made)
    assert report.manifest["made_by"] == "Grace Approver"
    assert report.entries > 0


def test_nobody_else_is_offered_one(world: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_PEOPLE", '{"Grace Approver": ["approver"]}')
    assert "Compliance bundle" not in [one.label for one in opened().expander]
