"""The examples of docs/requests.md do what the page says, with the page's own `[serving]` section."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from interlock.spec.serving import Abstention, Serving
from tests.serving.described import described

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "requests.md").read_text()


def test_every_example_is_answered_as_the_page_says(packages: tuple[Path, str, str], start_server: Callable[..., Any]) -> None:
    [section] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    options = Serving.model_validate(tomllib.loads(section)["serving"])
    server = start_server()
    server.client.converge(server.route(1, described(packages[0], packages[1]), serving=options))
    replies = []
    for command in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL):
        mine = command.replace(":7070/", f":{server.settings.predictions_port}/")
        replies.append(json.loads(subprocess.run(["bash", "-c", mine], capture_output=True, text=True, check=True).stdout))
    each, explained, ruled = replies
    good, wrong = each["predictions"]
    assert (good["id"], good["abstained"], good["answered_by"], each["refused"]) == ("good", False, "model", 1)
    assert wrong["problems"][0]["allowed"] == "AA, B6, UA"
    assert wrong["problems"][0]["problem"] in PAGE
    assert explained["predictions"][0]["reasons"]["direction"] == "down"
    [told] = ruled["predictions"]
    assert (told["prediction"], told["score"], told["answered_by"]) == (1, None, "rule")
    assert told["reason"] in PAGE
    assert json.dumps(told["flags"]) in PAGE


def test_the_python_example_runs(packages: tuple[Path, str, str], start_server: Callable[..., Any]) -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    server = start_server()
    server.client.converge(server.route(1, packages[1]))
    printed: list[Any] = []
    exec(code.replace("7070", str(server.settings.predictions_port)), {"print": printed.append})  # noqa: S102 - the page's own example
    assert printed[0].shape == (2,)


def test_every_key_is_on_the_page() -> None:
    elsewhere = {"inflight_share", "requests_per_s", "body_bytes_max", "versions", "capture", "abstention"}
    keys = [name for name in (*Serving.model_fields, *Abstention.model_fields) if name not in elsewhere]
    assert [key for key in keys if f"`{key}`" not in PAGE and f"`{key} =" not in PAGE] == []
