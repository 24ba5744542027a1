"""The server alone goes back to any version that answered on it before: verified and loaded first, retired and unknown ones refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from interlock.errors import PackageError, StaleState
from interlock.serving.token import ROLLBACK_NAME
from tests.serving.conftest import build_package

Packages = tuple[Path, str, str]


@pytest.fixture
def three(packages: Packages, start_server: Callable[..., Any]) -> tuple[Any, list[str]]:
    """Versions 1, 2 and 3 answered, one after the other; 3 answers now, 2 is the way back, 1 is not loaded any more."""
    root, one, two = packages
    digests = [one, two, build_package(root, 3)]
    server = start_server()
    server.client.converge(server.route(1, one))
    server.client.converge(server.route(2, two, previous=one))
    server.client.converge(server.route(3, digests[2], previous=two))
    return server, digests


def answers(server: Any, record: Callable[..., Any]) -> str:
    return str(server.client.predict("late", [record()])["predictions"][0]["digest"])


def test_a_version_that_is_not_loaded_any_more_answers_again(three: tuple[Any, list[str]], record: Callable[..., Any]) -> None:
    server, digests = three
    observed = server.client.rollback("late", "ana", "2 and 3 are wrong", "incident-1", to_version=1, expected_generation=3)
    assert (observed.champion.digest, observed.previous.digest, observed.override_at is not None) == (digests[0], digests[2], True)
    assert answers(server, record) == digests[0]
    again = server.client.rollback("late", "ana", "2 and 3 are wrong", "incident-1", to_version=1)  # the pager sends it twice
    assert again.champion == observed.champion
    with pytest.raises(StaleState, match="has been rolled back already"):
        server.client.rollback("late", "ben", "me too", "incident-2", to_version=2)
    server.kill()
    server.start()  # the override and what it needs survive the server
    assert answers(server, record) == digests[0]


def test_the_previous_version_by_its_number_is_the_instant_way(three: tuple[Any, list[str]], packages: Packages,
                                                               tmp_path: Path) -> None:
    """It is loaded: no proof in a child process, and nothing is read, so it works with its package out of reach."""
    server, digests = three
    there = packages[0] / digests[1].removeprefix("sha256:")
    there.rename(tmp_path / "away")
    try:
        observed = server.client.rollback("late", "ana", "why", "incident-1", to_version=2)
    finally:
        (tmp_path / "away").rename(there)
    assert observed.champion.digest == digests[1]


@pytest.mark.parametrize(("version", "told"), [(3, "answers already"), (4, "never answered customers on this server")])
def test_other_versions_are_refused(three: tuple[Any, list[str]], version: int, told: str) -> None:
    server, digests = three
    with pytest.raises(StaleState, match=told):
        server.client.rollback("late", "ana", "why", "incident-1", to_version=version)
    assert server.client.observed("late").champion.digest == digests[2]


def test_a_candidate_never_counts_as_one_that_served(packages: Packages, start_server: Callable[..., Any]) -> None:
    _, one, two = packages
    server = start_server()
    server.client.converge(server.route(1, one, candidate=two, percent=50))
    server.client.converge(server.route(2, one))
    with pytest.raises(StaleState, match="never answered"):
        server.client.rollback("late", "ana", "why", "incident-1", to_version=2)


def damaged_is_refused(server: Any, digests: list[str], record: Callable[..., Any]) -> None:
    folder = server.settings.folder("packages") / digests[0].removeprefix("sha256:")
    booster = next(folder.glob("*.ubj"))
    booster.write_bytes(booster.read_bytes()[:-1] + b"\x00")
    with pytest.raises(PackageError):
        server.client.rollback("late", "ana", "why", "incident-1", to_version=1)
    observed = server.client.observed("late")
    assert (observed.champion.digest, observed.override) == (digests[2], False)
    assert answers(server, record) == digests[2]


def test_a_package_that_changed_meanwhile_is_refused_and_nothing_changes(three: tuple[Any, list[str]], record: Callable[..., Any]) -> None:
    damaged_is_refused(*three, record)


def test_a_retired_version_is_refused_and_so_is_one_whose_package_is_gone(three: tuple[Any, list[str]]) -> None:
    server, digests = three
    server.client.withdraw("late", 1)
    with pytest.raises(StaleState, match="or is retired"):
        server.client.rollback("late", "ana", "why", "incident-1", to_version=1)
    server.client.converge(server.route(4, digests[0], previous=digests[2]))
    shutil.rmtree(server.settings.folder("packages") / digests[1].removeprefix("sha256:"))
    with pytest.raises(PackageError):
        server.client.rollback("late", "ana", "why", "incident-2", to_version=2)


def test_a_pager_holds_a_token_that_opens_nothing_else(three: tuple[Any, list[str]]) -> None:
    server, digests = three
    token = (server.settings.folder("run") / ROLLBACK_NAME).read_text()
    head = {"authorization": f"Bearer {token}"}
    body = {"actor": "pager", "reason": "error rate", "override_id": "incident-7f3a", "to_version": 1}
    control = server.settings.control_url
    assert httpx.post(f"{control}/converge", json=server.route(9, None).model_dump(mode="json"), headers=head).status_code == 401
    assert httpx.post(f"{control}/rollback/late", json=body, headers={"authorization": "Bearer another"}).status_code == 401
    answered = httpx.post(f"{control}/rollback/late", json=body, headers=head, timeout=60)
    assert (answered.status_code, answered.json()["champion"]["digest"]) == (200, digests[0])
    assert (server.settings.folder("run") / ROLLBACK_NAME).stat().st_mode & 0o077 == 0
