"""Separation of duties against a real git repository: who committed the use case may not approve its candidates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from interlock.control.access.authorship import author_of, committer_of
from interlock.errors import DecisionRefused
from tests.control.conftest import NAME, USE_CASE, World
from tests.control.repositories import commit

DECLARED = USE_CASE.replace("[approval]", '[approval]\nauthor = "Dee Major"')


def candidate_of_file(world: World, declared: str | None = None, started_by: str = "scheduler") -> str:
    """Evidence of a candidate whose author is what training records for the use-case file as it lies there."""
    author = author_of(world.settings.usecases_dir / f"{NAME}.toml", declared, started_by)
    return world.candidate(1, author=author, started_by=started_by)


@pytest.mark.parametrize("actor", ["ada.lee", "Ada Lee", "ada lee", "ada.lee@example.org", "Ada.Lee", "Ada Lee <ada.lee@example.org>"])
def test_the_last_committer_may_not_approve_under_any_of_their_names(world: World, actor: str) -> None:
    commit(world.settings.usecases_dir, "Ada Lee", "ada.lee@example.org")
    evidence = candidate_of_file(world)
    with pytest.raises(DecisionRefused, match=r"author of the use case \(Ada Lee <ada\.lee@example\.org>\)"):
        world.approve(evidence, actor=actor)
    assert world.approve(evidence, actor="ben").release_id


def test_the_committer_counts_not_whoever_wrote_the_change_first(world: World) -> None:
    commit(world.settings.usecases_dir, "Ada Lee", "ada@example.org", author="Cas Moor <cas@example.org>")
    evidence = candidate_of_file(world)
    with pytest.raises(DecisionRefused, match="author of the use case"):
        world.approve(evidence, actor="ada")
    assert world.approve(evidence, actor="cas").release_id


def test_a_commit_that_the_hosting_site_made_counts_as_its_authors(world: World) -> None:
    commit(world.settings.usecases_dir, "GitHub", "noreply@github.com", author="Cas Moor <12345+cas@users.noreply.github.com>")
    with pytest.raises(DecisionRefused, match="author of the use case"):
        world.approve(candidate_of_file(world), actor="cas")


def test_author_is_the_last_committer_unless_the_file_was_changed_since(tmp_path: Path) -> None:
    file = tmp_path / "case.toml"
    file.write_text("a = 1")
    assert (committer_of(file), author_of(file, None, "ben"), author_of(file, "risk", "ben")) == ("", "ben", "risk")
    commit(tmp_path, "Ada", "ada@example.org")
    assert committer_of(file) == author_of(file, "risk", "ben") == "Ada <ada@example.org>"
    file.write_text("a = 2")
    assert (committer_of(file), author_of(file, None, "ben")) == ("", "ben")


@pytest.mark.parametrize(("actor", "says"), [("ada", "author of the use case \\(Ada"), ("dee major", "author of the use case \\(Dee"),
                                             ("mira", "mira started the training")])
def test_declared_author_last_committer_and_starter_are_all_refused(make_world: Callable[..., World], actor: str, says: str) -> None:
    world = make_world(DECLARED)
    commit(world.settings.usecases_dir, "Ada", "ada@example.org")
    with pytest.raises(DecisionRefused, match=says):
        world.approve(candidate_of_file(world, "Dee Major", started_by="mira"), actor=actor)


def test_an_uncommitted_file_with_a_declared_author_may_be_approved_by_a_third_person(make_world: Callable[..., World]) -> None:
    world = make_world(DECLARED)
    assert world.approve(candidate_of_file(world, "Dee Major", started_by="Mira (ML team, demo)"), actor="root").release_id


def test_where_nobody_is_known_nobody_may_approve(world: World) -> None:
    with pytest.raises(DecisionRefused, match=r"nobody knows who wrote this: commit it or set \[approval\] author"):
        world.approve(candidate_of_file(world), actor="ben")


def test_a_declared_author_is_enough_to_know_somebody(make_world: Callable[..., World]) -> None:
    world = make_world(DECLARED)
    assert world.approve(candidate_of_file(world, "Dee Major"), actor="ben").release_id


def test_one_person_may_still_do_everything_where_the_installation_says_so(make_world: Callable[..., World]) -> None:
    world = make_world(single_person=True)
    commit(world.settings.usecases_dir, "Ada", "ada@example.org")
    assert world.approve(candidate_of_file(world, started_by="ada"), actor="ada").release_id
