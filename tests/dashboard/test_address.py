"""A page's state in its address: a link brings it back, a hand on the widget wins, what does not fit is said or dropped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.components.address import chosen, token
from interlock.errors import InterlockError
from interlock.rules.findings import State


def room() -> None:
    import streamlit as st

    from dashboard.components import address

    case = address.chosen("use_case", ["flights", "loans"], label="Use case", default="flights")
    days = [1, 2, 3] if case == "flights" else [2, 3, 4]
    window = address.chosen("window", days, label="Window", default=3, words=lambda day: f"day {day}")
    kind = address.chosen("kind", ["psi", "js"], label="Kind", default="psi", kind="segments")
    word = address.text("q", label="Search")
    many = address.several("owner", ["ann", "bob"], label="Owner")
    top = address.number("top", label="Top", default=5, low=1, high=10)
    cut = address.number("cut", label="Cut", default=0.5, low=0.0, high=1.0, kind="slider")
    raw = address.switch("raw", label="Raw")
    st.text(f"{case} {window} {kind} {word or '-'} {many} {top} {cut} {raw}")


@pytest.fixture
def open_room() -> Callable[..., AppTest]:
    def start(**asked: str) -> AppTest:
        page = AppTest.from_function(room, default_timeout=20)
        page.query_params.update(asked)
        return page.run()

    return start


def shown(page: AppTest) -> str:
    assert not page.exception
    return str(page.text[0].value)


def address_of(page: AppTest) -> dict[str, Any]:
    return {name: values[0] if isinstance(values, list) else values for name, values in dict(page.query_params).items()}


def test_a_clean_address_shows_the_defaults_and_stays_clean(open_room: Callable[..., AppTest]) -> None:
    page = open_room()
    assert shown(page) == "flights 3 psi - [] 5 0.5 False"
    assert address_of(page) == {}


def test_a_link_brings_every_value_back(open_room: Callable[..., AppTest]) -> None:
    asked = {"use_case": "loans", "window": "4", "kind": "js", "q": "late", "owner": "bob,ann", "top": "7", "cut": "0.25", "raw": "yes"}
    page = open_room(**asked)
    assert shown(page) == "loans 4 js late ['bob', 'ann'] 7 0.25 True"
    assert address_of(page) == asked


def test_what_people_choose_goes_into_the_address_and_the_default_leaves_it(open_room: Callable[..., AppTest]) -> None:
    page = open_room()
    page.selectbox[1].set_value(1).run()
    page.multiselect[0].set_value(["ann"]).run()
    page.number_input[0].set_value(7).run()
    assert address_of(page) == {"window": "1", "owner": "ann", "top": "7"}
    page.selectbox[1].set_value(3).run()
    assert address_of(page) == {"owner": "ann", "top": "7"}


def test_back_to_another_address_shows_what_it_says(open_room: Callable[..., AppTest]) -> None:
    page = open_room(window="1")
    page.query_params["window"] = "2"
    assert shown(page.run()).startswith("flights 2 ")
    del page.query_params["window"]
    page.session_state["address window last"] = None  # more than a second later
    assert shown(page.run()).startswith("flights ")


@pytest.mark.parametrize(
    ("name", "value"), [("window", "9"), ("kind", "<b>"), ("top", "11"), ("top", "many"), ("raw", "on"), ("q", "x" * 201)]
)
def test_what_is_not_to_be_had_is_said_until_somebody_chooses(open_room: Callable[..., AppTest], name: str, value: str) -> None:
    page = open_room(**{name: value})
    assert shown(page) == "flights 3 psi - [] 5 0.5 False"
    assert "is not to be had here" in page.warning[0].value
    assert len(page.run().warning) == 1
    assert address_of(page) == {name: value}


def test_a_choice_ends_the_warning(open_room: Callable[..., AppTest]) -> None:
    page = open_room(window="9")
    page.selectbox[1].set_value(1).run()
    assert not page.warning
    assert address_of(page) == {"window": "1"}


def test_another_use_case_drops_only_what_no_longer_fits(open_room: Callable[..., AppTest]) -> None:
    page = open_room(window="1", kind="js")
    page.selectbox[0].set_value("loans").run()
    assert shown(page).startswith("loans 3 js ")
    assert not page.warning
    assert address_of(page) == {"use_case": "loans", "kind": "js"}


def test_a_click_that_crossed_our_own_change_of_the_address_loses_nothing(open_room: Callable[..., AppTest]) -> None:
    """The second click left the browser before it heard of the new address: it carries the old one."""
    page = open_room()
    page.selectbox[1].set_value(1).run()
    del page.query_params["window"]
    page.number_input[0].set_value(7).run()
    assert shown(page) == "flights 1 psi - [] 7 0.5 False"
    assert address_of(page) == {"window": "1", "top": "7"}


def test_a_default_that_is_not_among_the_options_is_our_own_mistake() -> None:
    with pytest.raises(InterlockError, match="not among the choices"):
        chosen("x", [1], label="X", default=2)


def test_how_values_are_written() -> None:
    assert [token(None), token(3), token(State.OK), token(datetime(2013, 5, 4, tzinfo=UTC))] == [
        "None",
        "3",
        State.OK.value,
        "2013-05-04T00:00:00+00:00",
    ]
