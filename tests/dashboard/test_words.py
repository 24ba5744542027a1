"""Values as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.components.embed import sandboxed
from dashboard.components.words import age, interval, moment, number, plain, short, size, usd

NOON = datetime(2013, 5, 4, 14, 3, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("sched_dep_time", "sched\\_dep\\_time"),
        ("[a](http://x)", "\\[a\\]\\(http\u2060://x\\)"),
        ("<b>", "\\<b\\>"),
        (":red[x]", ":\u2060red\\[x\\]"),
        ("two\nlines", "two lines"),
        ("www.evil.org", "www\u2060\\.evil\\.org"),
        ("ann@x", "ann\u2060@x"),
    ],
)
def test_foreign_text_comes_out_letter_by_letter(text: str, written: str) -> None:
    assert plain(text) == written


def test_times_are_in_utc_and_say_so() -> None:
    assert moment(NOON) == "2013-05-04 14:03 UTC"
    assert moment(None) == "never"


@pytest.mark.parametrize(
    ("seconds", "words"), [(59, "just now"), (60, "1 minute"), (7200, "2 hours"), (86_400, "1 day"), (200_000, "2 days")]
)
def test_ages_are_rounded_down_to_one_unit(seconds: int, words: str) -> None:
    assert age(NOON - timedelta(seconds=seconds), NOON) == words


def test_numbers_keep_what_they_mean() -> None:
    assert [number(0.91234), number(12345.6, "rows"), number(None), number(float("nan"))] == ["0.912", "12,346 rows", "–", "–"]
    assert [usd(0.0042), usd(12.3), usd(0.0), usd(None)] == ["$0.0042", "$12.30", "$0.00", "–"]
    assert [size(999), size(40_000_000)] == ["999 B", "40 MB"]
    assert interval(0.1, None) == ""
    assert short("sha256:0123456789abcdef") == "0123456789ab"


def test_a_report_is_framed_without_our_origin_and_without_network() -> None:
    page = sandboxed('<script>alert("x")</script>')
    assert 'sandbox="allow-scripts"' in page
    assert "allow-same-origin" not in page
    assert "default-src &#x27;none&#x27;" in page
    assert "<script>" not in page
