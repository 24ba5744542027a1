"""A release runs to its end under the use-case file that was approved, whatever is written into the file meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from interlock.control.decisions import actions
from interlock.control.evidence import validation
from interlock.control.releases import deploying
from interlock.errors import DataError, DecisionRefused, StaleState, Unavailable, UseCaseError
from interlock.records import policies
from interlock.records.ids import new_id
from interlock.records.tables import Alert, Decision, EvidenceRow
from interlock.rules.evidence import Evidence
from interlock.settings import Settings
from interlock.spec.load import find_use_case, spec_digest
from tests.control.conftest import GOOD, NAME, slot

World = Any  # tests/control/conftest.py
FAILING = replace(GOOD, errors=40)  # 10 % of its answers; the approved limit is 1 %


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Each test reads the kept files anew, as a keeper does that was started just now."""
    policies._read.cache_clear()
    yield
    policies._read.cache_clear()


def file_of(world: World) -> Path:
    return Path(world.settings.usecases_dir) / f"{NAME}.toml"


def edit(world: World, old: str, new: str) -> None:
    text = file_of(world).read_text()
    assert old in text
    file_of(world).write_text(text.replace(old, new))


def in_the_first_step(world: World) -> str:
    """Version 1 is live; version 2 answers 10 %, approved with 10 % and 50 %."""
    world.make_live(1)
    release = str(world.approve(world.candidate(2)).release_id)
    world.run(release)
    assert (world.release(release).state, world.route.candidate_percent) == ("canary", 10)
    return release


def on(world: World, release: str, arms: tuple[Any, ...] = (GOOD, GOOD), after_s: float = 61) -> str:
    """What the keeper says to these arms, and the run that follows."""
    world.endpoint.arms = arms
    world.clock.forward(after_s)
    said = world.keep(release)
    world.run(release)
    return str(said)


def titles(world: World) -> list[str]:
    with world.store.reading() as session:
        return list(session.scalars(select(Alert.title).order_by(Alert.created_at)))


def a_limit_that_was_loosened_does_not_count(world: World) -> None:
    release = in_the_first_step(world)
    edit(world, "[rollout]\n", "[rollout]\nerror_rate_max = 0.9\n")
    on(world, release, (GOOD, FAILING))
    assert (world.release(release).state, world.route.champion, world.route.candidate) == ("rolled_back", slot(1), None)


def test_a_limit_that_was_loosened_does_not_count(world: World) -> None:
    a_limit_that_was_loosened_does_not_count(world)


def test_a_release_under_the_present_file_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "kept", lambda settings, digest: find_use_case(settings, NAME)[1])
    with pytest.raises(AssertionError):
        a_limit_that_was_loosened_does_not_count(world)


def test_the_steps_are_the_approved_ones_and_people_are_told_once_per_edit(world: World) -> None:
    release = in_the_first_step(world)
    edit(world, "percent = 50, bake_s = 60", "percent = 99, bake_s = 0")
    told = f"version 2 of {NAME} goes on as approved: its use-case file was changed"
    assert on(world, release).startswith("step 1 passed")
    assert (world.release(release).step, world.route.candidate_percent) == (2, 50)
    assert on(world, release, after_s=30) == ""  # 60 s to bake, not 0
    assert titles(world).count(told) == 1
    edit(world, "percent = 99", "percent = 98")
    assert on(world, release, after_s=31).startswith("step 2 passed")
    assert (world.release(release).state, titles(world).count(told)) == ("probation", 2)


def test_on_probation_the_approved_limits_count_and_the_ways_out_are_told(world: World) -> None:
    release = in_the_first_step(world)
    for _ in range(2):
        on(world, release)
    edit(world, "probation_s = 120", "probation_s = 1")
    assert on(world, release, after_s=60) == ""
    assert world.release(release).state == "probation"
    assert on(world, release, after_s=61) == "live, confirmed"
    with world.store.reading() as session:
        bodies = list(session.scalars(select(Alert.body)))
    assert any(body.endswith(f"To end it: interlock rollback {NAME}") for body in bodies)


def test_a_file_that_is_gone_or_broken_stops_no_release(world: World) -> None:
    release = in_the_first_step(world)
    file_of(world).write_text("this is no TOML [")
    assert on(world, release).startswith("step 1 passed")
    file_of(world).unlink()
    assert on(world, release).startswith("step 2 passed")
    assert on(world, release, after_s=121) == "live, confirmed"


def test_before_the_first_step_an_edit_still_ends_the_release(world: World) -> None:
    world.make_live(1)
    release = str(world.approve(world.candidate(2)).release_id)
    edit(world, "percent = 50", "percent = 60")
    assert world.keep(release) == "the use-case file changed since the decision"
    assert world.release(release).state == "failed"


@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_without_the_approved_file_a_person_is_asked(world: World, harm: str) -> None:
    release = in_the_first_step(world)
    kept, = (path for path in world.settings.folder("policies").iterdir() if path.stem in _approved(world, release))
    kept.unlink() if harm == "gone" else kept.write_text(kept.read_text() + "# more\n")
    policies._read.cache_clear()
    plan = deploying.load(world.settings, world.store, release)
    assert (plan.unsealed, plan.edited) == ("", False)  # the present file is still the approved one
    edit(world, "bake_s = 60", "bake_s = 1")
    what = "is not on record" if harm == "gone" else "was changed on disk"
    assert f"the approved use-case file {what}, and the use-case file is another one by now" in on(world, release)
    assert (world.release(release).state, world.route.candidate_percent) == ("paused", 0)
    with pytest.raises(StaleState, match="cannot go on as it was approved"):
        actions.resume(world.settings, world.store, actor="cas", release_id=release, reason="go on", nonce=new_id(), clock=world.clock,
                       expected_generation=world.route.generation, endpoint=world.endpoint)
    actions.abort(world.settings, world.store, actor="cas", release_id=release, reason="anew", nonce=new_id(), clock=world.clock,
                  expected_generation=world.route.generation, endpoint=world.endpoint)
    assert world.release(release).state == "rolled_back"


def test_a_run_takes_no_step_without_the_approved_file(world: World) -> None:
    release = in_the_first_step(world)
    world.endpoint.arms = (GOOD, GOOD)
    world.clock.forward(61)
    assert world.keep(release).startswith("step 1 passed")
    for path in world.settings.folder("policies").iterdir():
        path.unlink()
    policies._read.cache_clear()
    edit(world, "percent = 50", "percent = 60")
    assert world.run(release).sentence.endswith("the keeper asks a person")
    assert (world.release(release).step, world.route.candidate_percent) == (1, 10)
    assert "not on record" in world.keep(release)
    assert world.release(release).state == "paused"


def test_a_paused_release_resumes_under_what_was_approved(world: World) -> None:
    release = in_the_first_step(world)
    on(world, release, (GOOD, replace(GOOD, requests=0)), after_s=601)
    assert world.release(release).state == "paused"
    edit(world, "percent = 10", "percent = 40")
    actions.resume(world.settings, world.store, actor="cas", release_id=release, reason="traffic is back", nonce=new_id(),
                   expected_generation=world.route.generation, endpoint=world.endpoint, clock=world.clock)
    assert world.route.candidate_percent == 10


def test_a_file_that_cannot_be_kept_is_no_approval(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.make_live(1)
    evidence, before = world.candidate(2), decided(world)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    edit(world, 'title = "Small loans"', 'title = "Loans"')
    evidence = world.candidate(3)
    with monkeypatch.context() as broken:
        broken.setattr(policies.os, "fsync", full)
        with pytest.raises(Unavailable, match="cannot be kept: No space left"):
            world.approve(evidence)
    assert decided(world) == before
    assert world.approve(evidence).release_id is not None


def test_an_edit_at_the_moment_of_the_approval_is_no_approval(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = world.candidate(1)
    monkeypatch.setattr(policies, "keep", lambda settings, path: "sha256:another")
    with pytest.raises(DecisionRefused, match="at this very moment"):
        world.approve(evidence)
    assert decided(world) == 0


def test_what_is_kept_is_the_file_byte_for_byte(settings: Settings, tmp_path: Path, make_world: Callable[..., World]) -> None:
    world = make_world()
    digest = policies.keep(world.settings, file_of(world))
    kept = world.settings.folder("policies") / f"{digest.removeprefix('sha256:')}.toml"
    assert kept.read_bytes() == file_of(world).read_bytes()
    assert policies.kept(world.settings, digest) == find_use_case(world.settings, NAME)[1]
    assert policies.keep(world.settings, file_of(world)) == digest
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
    for unknown in (None, "sha256:" + "0" * 64):
        with pytest.raises(UseCaseError, match="not on record"):
            policies.kept(world.settings, unknown)


def _approved(world: World, release: str) -> str:
    with world.store.reading() as session:
        return str(session.get_one(Decision, world.release(release).decision_id).policy_digest)


def decided(world: World) -> int:
    with world.store.reading() as session:
        return int(session.scalar(select(func.count()).select_from(Decision)) or 0)


def what_is_sealed_is_what_judged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is edited while the reports are made: the evidence names the file whose gates judged."""
    def edited_meanwhile(*_: Any) -> Any:
        edit(world, "steps = [", "# loosened\nsteps = [")
        raise DataError("no rows")

    evidence = world.candidate(1)
    before = spec_digest(file_of(world))
    monkeypatch.setattr(validation, "open_case", edited_meanwhile)
    with world.store.reading() as session:
        candidate = session.get_one(EvidenceRow, evidence).candidate_id
    sealed = validation.validate_candidate(world.settings, world.store, candidate)
    assert (sealed.policy_digest, spec_digest(file_of(world)) == before) == (before, False)
    assert policies.kept(world.settings, sealed.policy_digest).name == NAME


def test_what_is_sealed_is_what_judged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    what_is_sealed_is_what_judged(world, monkeypatch)


def test_a_seal_on_the_file_of_the_end_is_caught(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Late:
        """The digest is taken where the evidence is made, after the reports."""

        def __new__(cls, **given: Any) -> Any:
            return Evidence(**{**given, "policy_digest": spec_digest(file_of(world))})

    monkeypatch.setattr(validation, "Evidence", Late)
    with pytest.raises(AssertionError):
        what_is_sealed_is_what_judged(world, monkeypatch)
