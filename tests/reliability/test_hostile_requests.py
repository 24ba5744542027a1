"""R6: random bodies and everything that schemathesis makes of the OpenAPI document: no 5xx, no dead worker, bounded memory."""

from __future__ import annotations

import http.client
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.hostile import request
from tests.reliability.installation import ROOT, Installation
from tests.reliability.test_promotion_kills import route_to

pytestmark = pytest.mark.end_to_end
CLIENTS, GROWTH_MB_MAX = 4, 128.0
TRUSTING = """
import interlock.serving.endpoint as endpoint
sound = endpoint.read_body
async def read_body(*given):
    data = await sound(*given)
    data.decode()  # whoever sends JSON sends UTF-8
    return data
endpoint.read_body = read_body
"""
HOARDING = """
import interlock.serving.endpoint as endpoint
sound, kept = endpoint.read_body, []
async def read_body(*given):
    data = await sound(*given)
    kept.append(b"x" * 1_000_000)
    return data
endpoint.read_body = read_body
"""


def serving(installation: Installation, **environment: str) -> str:
    """A server that answers with one model; the model's digest."""
    installation.start_server(**environment)
    digest = installation.candidate()[1]
    installation.client.converge(route_to(1, digest, None))
    return digest


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def send(port: int, seed: int, number: int) -> Counter[int]:
    """So many hostile requests over kept connections; how often each status came (0: the connection was closed without one)."""
    draw, statuses = random.Random(seed), Counter[int]()
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        for _ in range(number):
            method, path, body, headers = request(draw)
            try:
                connection.request(method, path, body, headers)
                with connection.getresponse() as answer:
                    answer.read()
                statuses[answer.status] += 1
                assert answer.status < 500, (answer.status, method, path, body[:500], headers)
            except (http.client.HTTPException, ConnectionError):
                statuses[0] += 1
                connection.close()
    return statuses


def attacked(installation: Installation, number: int) -> tuple[Counter[int], float, float]:
    """Statuses of so many requests, and the worker's memory after the first tenth and at the end, in MB."""
    port, before = installation.settings.predictions_port, workers(installation)
    memory, statuses = [], Counter[int]()
    for place, share in enumerate((number // 10, number - number // 10)):
        with ThreadPoolExecutor(CLIENTS) as threads:
            sent = [threads.submit(send, port, 100 * place + client, share // CLIENTS) for client in range(CLIENTS)]
        for done in sent:
            statuses += done.result()
        memory.append(rss_mb(before[0]))
    assert workers(installation) == before, "a worker died"
    assert memory[1] - memory[0] < GROWTH_MB_MAX, f"memory grew from {memory[0]:.0f} to {memory[1]:.0f} MB"
    return statuses, memory[0], memory[1]


def workers(installation: Installation) -> list[int]:
    return [worker["pid"] for worker in installation.client.health()["workers"]]


@pytest.mark.timeout(3_000)
def test_random_bodies_get_no_server_error(installation: Installation, count: Callable[..., int], measured: Callable[..., None]) -> None:
    digest = serving(installation)
    number = count(100_000, 1_000)
    statuses, before, after = attacked(installation, number)
    assert statuses[200] > 0
    assert sum(statuses.values()) == number
    installation.answers_whole({digest})
    measured("R6", "random bodies", requests=number, server_errors=0, worker_deaths=0, rss_mb_after_a_tenth=round(before),
             rss_mb_at_the_end=round(after), statuses={str(status): times for status, times in sorted(statuses.items())})


@pytest.mark.parametrize("code", [TRUSTING, HOARDING], ids=["a body that is no text", "bodies are kept"])
def test_a_server_that_trusts_its_callers_is_caught(installation: Installation, tmp_path: Path, code: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(code)
    serving(installation, PYTHONPATH=f"{tmp_path}:{ROOT}")
    with pytest.raises(AssertionError, match="500|memory grew"):
        attacked(installation, 400)


@pytest.mark.timeout(3_000)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::hypothesis.errors.NonInteractiveExampleWarning")
def test_schemathesis_finds_nothing(installation: Installation, count: Callable[..., int], measured: Callable[..., None]) -> None:
    """Every operation of the document, with data that fits it and data that does not; the replies must fit it too."""
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

    serving(installation)
    before = workers(installation)
    url = installation.settings.predictions_url
    checks: list[Any] = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    sent: Counter[str] = Counter()
    for found in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(max_examples=count(500, 6), deadline=None, derandomize=True, database=None, phases=[Phase.generate],
                  suppress_health_check=list(HealthCheck))
        def ask(case: Any) -> None:
            case.headers.pop("X-Request-Deadline-Ms", None)  # with 1 ms the server rightly says 504
            case.call_and_validate(checks=checks)
            sent[case.path] += 1

        ask()
    assert workers(installation) == before
    assert len(sent) >= 5
    measured("R6", "schemathesis", operations=len(sent), requests=sum(sent.values()), failures=0, worker_deaths=0,
             version=schemathesis.__version__)
