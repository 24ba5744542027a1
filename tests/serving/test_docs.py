"""The curl examples of docs/serving.md do what the page says."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "serving.md"


def commands() -> list[str]:
    """Every curl command of the page, in order."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [f"curl{part}" for block in blocks for part in re.split(r"(?:^|\n)curl", block) if part.strip()]


def test_every_curl_example_is_answered(packages: tuple[Path, str, str], start_server: Callable[..., Any]) -> None:
    server = start_server()
    server.client.converge(server.route(1, packages[1]))
    server.client.converge(server.route(2, packages[2], previous=packages[1]))
    settings = server.settings
    replies = []
    for command in commands():
        mine = command.replace(":7070/", f":{settings.predictions_port}/").replace(":7071/", f":{settings.control_port}/")
        mine = mine.replace("var/run/", f"{settings.folder('run')}/")
        done = subprocess.run(["bash", "-c", mine], capture_output=True, text=True, check=True)
        replies.append(done.stdout if "/metrics" in command else json.loads(done.stdout))
    answered, labelled, metadata, inferred, health, metrics, route, stats, rolled_back = replies
    assert answered["captured"] is True
    assert answered["predictions"][0]["flags"] == []
    assert labelled == {"accepted": 1, "captured": True}
    assert [item["name"] for item in metadata["outputs"]] == ["score", "prediction"]
    assert inferred["outputs"][0]["data"][0] == answered["predictions"][0]["score"]
    assert health["status"] == "ok"
    assert "interlock_predictions_total" in metrics
    assert route["champion"]["digest"] == packages[2]
    assert stats["generations"][0]["arms"]["champion"]["answered"] == 2
    assert (rolled_back["champion"]["digest"], rolled_back["override_id"]) == (packages[1], "night-1")


@pytest.mark.parametrize("name", ["serving_body_bytes_max", "serving_rows_max", "serving_inflight_max", "serving_workers"])
def test_every_serving_setting_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE.read_text()
