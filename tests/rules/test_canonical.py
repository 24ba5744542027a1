"""Canonical JSON: the same value always has the same bytes (RFC 8785, floats as decimal strings)."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.rules.canonical import _write, canonical, digest, digest_bytes, plain

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
                      lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20)


@given(values)
def test_reading_back_gives_the_same_value(value: object) -> None:
    assert json.loads(canonical(value)) == value


@given(st.dictionaries(texts, st.integers(-5, 5), min_size=2))
def test_order_of_keys_does_not_matter(value: dict[str, int]) -> None:
    assert canonical(dict(reversed(value.items()))) == canonical(value)


def test_a_literal_by_hand() -> None:
    text = b'{"a":[1,true,null,"0.1"],"at":"2013-05-04T14:03:00.000000Z","b":"\xc3\xa9"}'
    assert canonical({"b": "é", "at": datetime(2013, 5, 4, 14, 3, tzinfo=UTC), "a": [1, True, None, 0.1]}) == text
    assert digest_bytes(text) == "sha256:" + hashlib.sha256(text).hexdigest()


def test_keys_are_sorted_by_utf16_code_units() -> None:
    # U+10000 is the surrogate pair D800 DC00, which sorts before U+FB33; by code points it would come after.
    assert canonical({"\ufb33": 1, "\U00010000": 2}) == '{"\U00010000":2,"\ufb33":1}'.encode()


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=4), max_leaves=12))
def test_the_quick_way_writes_what_the_rule_says(value: object) -> None:
    assert canonical(value) == _write(plain(value)).encode()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_keep_every_bit(value: float) -> None:
    assert float(json.loads(canonical(value))) == value


def test_any_change_changes_the_digest() -> None:
    assert len({digest({"x": 1}), digest({"x": 2}), digest({"x": "1"}), digest({"x": 1.0}), digest({"y": 1})}) == 5


def test_a_time_without_zone_and_unknown_types_are_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        canonical(datetime(2013, 1, 1))
    with pytest.raises(TypeError, match="bytes"):
        canonical(b"raw")
