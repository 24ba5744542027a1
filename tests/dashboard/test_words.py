"""Values as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from dashboard.components.embed import sandboxed
from dashboard.components.words import age, interval, moment, number, plain, short, size, span, usd
from dashboard.components.zone import sentence

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


def test_without_a_zone_times_are_in_utc_and_say_so() -> None:
    assert moment(NOON) == "2013-05-04 14:03 UTC"
    assert moment(None) == "never"
    assert span(NOON, NOON + timedelta(days=1)) == "2013-05-04 14:03 to 2013-05-05 14:03 UTC"
    assert sentence(NOON) == "Times are in UTC: your browser names no zone."


@pytest.mark.parametrize(
    ("zone", "written", "said"),
    [
        ("Europe/Berlin", "2013-05-04 16:03 (14:03 UTC)", "Times are in Europe/Berlin (UTC+2), UTC in brackets."),
        ("Asia/Tokyo", "2013-05-04 23:03 (14:03 UTC)", "Times are in Asia/Tokyo (UTC+9), UTC in brackets."),
        ("Pacific/Auckland", "2013-05-05 02:03 (4 May 14:03 UTC)", "Times are in Pacific/Auckland (UTC+12), UTC in brackets."),
        ("America/St_Johns", "2013-05-04 11:33 (14:03 UTC)", "Times are in America/St_Johns (UTC−2:30), UTC in brackets."),
        ("UTC", "2013-05-04 14:03 UTC", "Times are in UTC."),
        ("Africa/Abidjan", "2013-05-04 14:03 UTC", "Times are in UTC."),
        ("No/Where", "2013-05-04 14:03 UTC", "Times are in UTC: the zone 'No/Where' is not known here."),
        ("../../etc/passwd", "2013-05-04 14:03 UTC", "Times are in UTC: the zone '../../etc/passwd' is not known here."),
    ],
)
def test_times_are_in_the_viewers_zone_with_utc_beside(monkeypatch: pytest.MonkeyPatch, zone: str, written: str, said: str) -> None:
    monkeypatch.setattr("dashboard.components.zone.st.context", SimpleNamespace(timezone=zone))
    assert moment(NOON) == written
    assert sentence(NOON) == said


def test_a_span_of_utc_days_keeps_its_days_readable_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.components.zone.st.context", SimpleNamespace(timezone="America/New_York"))
    start = datetime(2013, 5, 4, tzinfo=UTC)
    assert span(start, start + timedelta(days=1)) == "2013-05-03 20:00 to 2013-05-04 20:00 (4 May 00:00 to 5 May 00:00 UTC)"


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
