"""The page asked for before signing in: told once, to the same browser, within minutes; only pages of this control room."""

from __future__ import annotations

import pytest

from dashboard.asked import BROWSERS_MAX, COOKIE, KEPT_S, Asked, Remembered, browser_of

LINK = Asked("approvals", (("use_case", "flight_delays"),))
TOKEN = bytes(range(16))


def cookie(mask: bytes, token: bytes = TOKEN) -> dict[str, str]:
    """As Streamlit sends it: each letter of the token under its letter of the mask."""
    masked = bytes(letter ^ mask[place % 4] for place, letter in enumerate(token))
    return {COOKIE: f"2|{mask.hex()}|{masked.hex()}|1700000000"}


def test_a_page_is_told_once_and_to_the_browser_that_asked() -> None:
    remembered = Remembered(lambda: 0.0)
    remembered.keep("mine", LINK)
    assert remembered.take("another") is None
    assert remembered.take("mine") == LINK
    assert remembered.take("mine") is None


def test_it_is_forgotten_after_a_quarter_of_an_hour() -> None:
    now = [0.0]
    remembered = Remembered(lambda: now[0])
    remembered.keep("mine", LINK)
    now[0] = KEPT_S - 1
    assert remembered.take("mine") == LINK
    remembered.keep("mine", LINK)
    now[0] += KEPT_S
    assert remembered.take("mine") is None


def test_the_plain_overview_replaces_nothing_and_a_new_page_replaces_the_old_one() -> None:
    remembered = Remembered(lambda: 0.0)
    remembered.keep("mine", LINK)
    remembered.keep("mine", Asked(""))
    assert remembered.take("mine") == LINK
    remembered.keep("mine", LINK)
    remembered.keep("mine", Asked("", (("use_case", "loans"),)))  # the Overview with a query is a page like any other
    assert remembered.take("mine") == Asked("", (("use_case", "loans"),))


def test_people_who_never_sign_in_fill_no_memory() -> None:
    remembered = Remembered(lambda: 0.0)
    for place in range(BROWSERS_MAX + 1):
        remembered.keep(str(place), LINK)
    assert remembered.take("0") is None
    assert remembered.take("1") == LINK


def test_a_browser_without_a_token_is_not_remembered_as_if_all_were_one() -> None:
    remembered = Remembered(lambda: 0.0)
    remembered.keep("", LINK)
    assert remembered.take("") is None


def test_the_same_browser_has_another_mask_at_each_request() -> None:
    assert browser_of(cookie(b"\x00\x00\x00\x00")) == browser_of(cookie(b"\x9a\x01\xff\x42")) == TOKEN.hex()
    assert browser_of(cookie(b"\x00\x00\x00\x00", bytes(16))) != TOKEN.hex()


OTHER_VERSION = f"1|00000000|{TOKEN.hex()}|0"


@pytest.mark.parametrize("value", [None, "", "2", "2|00|00|0", "2|zz|00|0", OTHER_VERSION, "2|00000000|0011|0", "a|b|c|d|e"])
def test_a_cookie_that_is_none_names_no_browser(value: str | None) -> None:
    assert browser_of({} if value is None else {COOKIE: value}) == ""
