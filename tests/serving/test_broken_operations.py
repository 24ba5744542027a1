"""Laws 7 and 9 in operation: each guard passes on the real code and fails on a deliberately broken variant."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from interlock.rules.routes import Route, Slot
from interlock.serving import access_log, keys
from interlock.serving.admission import NOTES, Admission, Notes, TurnedAway
from interlock.serving.keys import Key, Keys, new_secret, write_keys
from interlock.serving.limits import Limits
from interlock.serving.older import Older
from interlock.serving.served_here import Served
from interlock.serving.shelf import Shelf
from interlock.serving.wire import Refusal
from interlock.spec.serving import Serving

Packages = tuple[Path, str, str]


def a_flood_leaves_places() -> None:
    """Law 9: whatever one use case takes, another still gets in."""
    admission, refused = Admission(Limits(inflight_max=8)), False
    for _ in range(100):
        try:
            admission.enter("flooded", Serving(), 2, paced=True)
        except TurnedAway:
            refused = True
    assert refused
    admission.enter("other", Serving(), 2, paced=True)


def test_places_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    a_flood_leaves_places()

    def first_come_first_served(self: Admission, use_cases: int) -> None:
        self._use_cases = use_cases

    monkeypatch.setattr(Admission, "_divide", first_come_first_served)
    with pytest.raises(TurnedAway):
        a_flood_leaves_places()


def only_what_served_is_loaded(shelf: Shelf, versions: dict[str, str]) -> None:
    """A package that lies beside the others, but never answered, is not loaded for who asks for its number."""
    shelf.older.know("late", versions)

    async def ask() -> None:
        async with shelf.older.lent("late", "2"):
            assert shelf.serving["late"].arm_of_version("2") is None

    asyncio.run(ask())


def test_a_version_that_never_served_is_not_loaded(packages: Packages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, one, two = packages
    route = Route(use_case="late", generation=1, champion=Slot(version=1, digest=one), candidate=Slot(version=2, digest=two),
                  candidate_percent=1)
    taken_off = route.model_copy(update={"candidate": None, "generation": 2})

    def after(served: Served) -> dict[str, str]:
        for step in (route, taken_off):
            served.note(step)
        return served.of("late")

    shelf = Shelf(root, Limits())
    shelf.hold("late", [one])
    shelf.put(shelf.read("late", [one]))
    shelf.switch(taken_off, None, {})
    only_what_served_is_loaded(shelf, after(Served(tmp_path)))
    monkeypatch.setattr("interlock.serving.served_here.Served.note", lambda self, found: self._all.setdefault("late", {}).update(
        {str(slot.version): slot.digest for slot in found.slots()}))  # a candidate counts as released
    with pytest.raises(AssertionError):
        only_what_served_is_loaded(shelf, after(Served(tmp_path / "broken")))


def memory_stays_bounded(root: Path, digests: tuple[str, str]) -> None:
    """Law 9: older versions never take more than what is left."""
    bound = max(Shelf(root, Limits()).size_of(digest) for digest in digests)
    shelf = Shelf(root, Limits(models_bytes_max=bound + 10))
    shelf.switch(Route(use_case="late", generation=1), None, {"1": digests[0], "2": digests[1]})

    async def ask() -> None:
        for version in ("1", "2"):
            async with shelf.older.lent("late", version):
                pass

    asyncio.run(ask())
    assert shelf.older.size <= bound + 10


def test_the_cache_is_bounded(packages: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    memory_stays_bounded(packages[0], packages[1:])
    monkeypatch.setattr(Older, "shrink", lambda self, room: True)  # never drops anything
    with pytest.raises(AssertionError):
        memory_stays_bounded(packages[0], packages[1:])


def a_revoked_key_opens_nothing(run: Path) -> None:
    key_id, secret, hash_ = new_secret()
    now = datetime.now(UTC)
    write_keys(run, [Key(id=key_id, client="shop", use_cases=["late"], hash=hash_, created_at=now, revoked_at=now)])
    with pytest.raises(Refusal, match="revoked"):
        Keys(run, 1).admit({"headers": [(b"x-api-key", secret.encode())]}, "late")


def a_guess_opens_nothing(run: Path) -> None:
    key_id, _, hash_ = new_secret()
    write_keys(run, [Key(id=key_id, client="shop", use_cases=["late"], hash=hash_, created_at=datetime.now(UTC))])
    guess = f"ilk_{key_id}_{'A' * 43}"
    with pytest.raises(Refusal, match="not known"):
        Keys(run, 1).admit({"headers": [(b"x-api-key", guess.encode())]}, "late")


def test_keys_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_revoked_key_opens_nothing(tmp_path)
    a_guess_opens_nothing(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(Key, "state", lambda self, now: "valid")
        with pytest.raises(pytest.fail.Exception):
            a_revoked_key_opens_nothing(tmp_path)
    real = hmac.compare_digest
    monkeypatch.setattr(keys.hmac, "compare_digest", lambda one, other: isinstance(one, str) or real(one, other))  # the id is enough
    with pytest.raises(pytest.fail.Exception):
        a_guess_opens_nothing(tmp_path)


def late_work_is_refused() -> None:
    with pytest.raises(TurnedAway):
        Notes(deadline=1e-9).check()


def test_deadlines_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    late_work_is_refused()
    monkeypatch.setattr(Notes, "check", lambda self: None)
    with pytest.raises(pytest.fail.Exception):
        late_work_is_refused()


def an_exception_is_written_without_its_text() -> None:
    try:
        int("tail-number-N12345")
    except ValueError as error:
        found = (type(error), error, error.__traceback__)
    line = access_log.JsonLines("worker 0").format(logging.LogRecord("x", logging.ERROR, "f", 1, "it failed", None, found))
    assert "N12345" not in json.dumps(json.loads(line))


def test_the_log_holds_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    an_exception_is_written_without_its_text()
    monkeypatch.setattr(access_log, "place_of", repr)
    with pytest.raises(AssertionError):
        an_exception_is_written_without_its_text()


def test_notes_of_one_request_do_not_reach_another() -> None:
    """Each request runs in a context of its own, so a deadline of one never refuses another."""
    async def one(deadline: float | None, found: list[Any]) -> None:
        NOTES.set(Notes(deadline=deadline))
        await asyncio.sleep(0)
        notes = NOTES.get()
        found.append(None if notes is None else notes.deadline)

    async def both() -> list[Any]:
        found: list[Any] = []
        await asyncio.gather(*(asyncio.create_task(one(deadline, found)) for deadline in (1.0, None, 2.0)))
        return found

    assert asyncio.run(both()) == [1.0, None, 2.0]
