"""Artifact keys are ones that Prefect takes; data cannot write Markdown of its own."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.artifacts import artifact_key, links_of, markdown
from interlock.settings import Settings


@pytest.mark.parametrize(("parts", "key"), [
    (("ingest", "flight_delays"), "ingest-flight-delays"), (("Costs", "A B"), "costs-a-b"), (("tick", "all"), "tick-all")])
def test_keys(parts: tuple[str, ...], key: str) -> None:
    assert artifact_key(*parts) == key


@given(st.text(), st.text(min_size=1))
def test_a_key_has_only_what_prefect_takes(first: str, second: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]*", artifact_key(first, second))


def test_a_table_with_links() -> None:
    assert markdown("Rows", {"rows": "1,989"}, {"Data": "http://127.0.0.1:8501/data"}) == (
        "# Rows\n\n| what | value |\n| --- | --- |\n| rows | 1,989 |\n\n- [Data](http://127.0.0.1:8501/data)\n")


def test_data_stays_data() -> None:
    text = markdown("T", {"a|b": "[x](javascript:alert(1)) <img src=x>\n| new | row |"}, {})
    assert "\n| new" not in text
    assert "<img" not in text
    assert "[x](" not in text.replace("\\[", "").replace("\\]", "")


def test_a_huge_value_is_cut() -> None:
    assert len(markdown("T", {"a": "x" * 1_000_000}, {})) < 1_000


def test_links_lead_to_this_installation(settings: Settings) -> None:
    assert list(links_of(settings, "drift").values()) == [
        f"http://127.0.0.1:{settings.dashboard_port}/drift", settings.mlflow_url, f"{settings.control_url}/routes"]
