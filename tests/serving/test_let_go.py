"""What was prepared and does not come is not kept; a version retired while it is loaded does not answer; a slow worker delays no other."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from interlock.errors import PackageError, StaleState, Unavailable
from interlock.rules.routes import Route, Slot
from interlock.serving.crew import Crew
from interlock.serving.crew import Worker as Seen
from interlock.serving.limits import Limits
from interlock.serving.options import WorkerOptions
from interlock.serving.shelf import Shelf
from interlock.serving.supervisor import Supervisor
from interlock.serving.worker import Worker

Packages = tuple[Path, str, str]
NAME = "late"


class Line:
    """A channel that keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)


def worker_of(shelf: Shelf) -> Worker:
    worker = Worker.__new__(Worker)
    worker._channel, worker._endpoint = Line(), SimpleNamespace(shelf=shelf)  # type: ignore[assignment]
    return worker


def refused_is_not_kept(packages: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    root, one, two = packages
    shelf = Shelf(root, Limits())
    shelf.put(shelf.read(NAME, [one]))
    shelf.switch(Route(use_case=NAME, generation=1, champion=Slot(version=1, digest=one)), None)
    before, worker = shelf.pinned_bytes, worker_of(shelf)

    def damaged(use_case: str, digests: list[str]) -> Any:
        assert shelf.pinned_bytes > before, "while it is read it has its place"
        raise PackageError("the package is damaged")

    monkeypatch.setattr(shelf, "read", damaged)
    asyncio.run(worker._prepare({"n": 7, "use_case": NAME, "digests": [two, one]}))
    assert [(one["n"], one["ok"]) for one in worker._channel.sent] == [(7, False)]  # type: ignore[attr-defined]
    assert (shelf.pinned_bytes, shelf.pinned) == (before, {one})


def test_a_refused_preparation_is_not_kept(packages: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    refused_is_not_kept(packages, monkeypatch)


def test_one_that_is_kept_is_caught(packages: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shelf, "let_go", lambda self, use_case, digests: None)
    with pytest.raises(AssertionError):
        refused_is_not_kept(packages, monkeypatch)


def test_only_what_was_prepared_for_the_refused_route_is_let_go(packages: Packages) -> None:
    root, one, two = packages
    shelf = Shelf(root, Limits())
    shelf.hold(NAME, [two])
    shelf.let_go(NAME, [one])
    shelf.let_go("other", [two])
    assert shelf.pinned == {two}
    worker_of(shelf)._obey({"op": "let_go", "use_case": NAME, "digests": [two]})
    assert shelf.pinned == set()


def supervisor_in(tmp_path: Path) -> Supervisor:
    """One whose workers answer yes to everything and say what they are told."""
    made = Supervisor(packages=tmp_path / "packages", capture=tmp_path / "capture", run=tmp_path / "run", host="127.0.0.1", port=0,
                      workers=1, limits=Limits())
    made.crew.workers[0] = Seen(0, SimpleNamespace(pid=1), Line(), state="live")  # type: ignore[arg-type]

    async def yes(*_: Any, **__: Any) -> Any:
        return {"ok": True}

    made._prover.prove = yes  # type: ignore[method-assign]
    made.crew.ask = yes  # type: ignore[method-assign]
    return made


def slot(number: int) -> Slot:
    return Slot(version=number, digest=f"sha256:{number:064d}")


def told(supervisor: Supervisor) -> list[str]:
    return [message["op"] for message in supervisor.crew.workers[0].channel.sent]  # type: ignore[attr-defined]


async def live(supervisor: Supervisor) -> None:
    for number in (1, 2, 3):
        await supervisor.converge(Route(use_case=NAME, generation=number, champion=slot(number),
                                        previous=slot(number - 1) if number > 1 else None))


def retired_while_it_loads(tmp_path: Path) -> None:
    """Version 1 is loaded for a rollback; meanwhile it is retired, after which its package may be put away."""
    supervisor = supervisor_in(tmp_path)
    with closing(supervisor.listening):

        async def scenario() -> None:
            await live(supervisor)
            sound = supervisor._prepare

            async def slow(route: Route) -> None:
                await sound(route)
                await supervisor.withdraw(NAME, 1)

            supervisor._prepare = slow  # type: ignore[method-assign]
            with pytest.raises(StaleState, match="or is retired"):
                await supervisor.rollback(NAME, actor="ana", reason="errors", override_id="incident-1", to_version=1)

        asyncio.run(scenario())
        observed = supervisor.observed(NAME)
        assert (observed.champion, observed.override, told(supervisor)[-1]) == (slot(3), False, "let_go")


def test_a_version_retired_while_it_loads_does_not_answer(tmp_path: Path) -> None:
    retired_while_it_loads(tmp_path)


def test_a_rollback_that_does_not_look_again_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Supervisor._overrule

    async def blind(self: Supervisor, track: Any, actor: str, reason: str, override_id: str, to: Any, expected: int | None) -> Any:
        self.served._withdrawn.clear()  # as if nobody had looked
        return await sound(self, track, actor, reason, override_id, to, expected)

    monkeypatch.setattr(Supervisor, "_overrule", blind)
    with pytest.raises(pytest.fail.Exception):
        retired_while_it_loads(tmp_path)


def test_a_route_that_cannot_be_written_down_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = supervisor_in(tmp_path)
    with closing(supervisor.listening):

        async def full(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        async def scenario() -> None:
            await live(supervisor)
            monkeypatch.setattr(supervisor.tracks, "install", full)
            with pytest.raises(Unavailable, match="cannot write the route down"):
                await supervisor.converge(Route(use_case=NAME, generation=4, champion=slot(4), previous=slot(3)))

        asyncio.run(scenario())
        assert told(supervisor)[-1] == "let_go"


def test_only_a_use_case_that_is_there_can_have_versions_withdrawn(tmp_path: Path) -> None:
    supervisor = supervisor_in(tmp_path)
    with closing(supervisor.listening):

        async def scenario() -> None:
            await live(supervisor)
            with pytest.raises(StaleState, match="no route for 'lates'") as refused:
                await supervisor.withdraw("lates", 1)
            assert refused.value.allowed == NAME
            assert await supervisor.withdraw(NAME, 1) == ["2", "3"]

        asyncio.run(scenario())
        assert sorted(path.name for path in (tmp_path / "run" / "served").iterdir()) == [f"{NAME}.json"]


def a_slow_worker_delays_no_other(tmp_path: Path) -> None:
    """Two workers are behind; the first never answers. The second is brought in line, and the first is asked once."""
    wanted = {NAME: (Route(use_case=NAME, generation=1), None)}
    with socket.socket() as listening:
        crew = Crew(2, listening, {}, Limits(), lambda: wanted, lambda *_: None, lambda _: {}, None, WorkerOptions())  # type: ignore[arg-type]
        asked: list[int] = []

        async def give(worker: Seen, use_case: str) -> bool:
            asked.append(worker.index)
            if worker.index == 0:
                await asyncio.Event().wait()
            worker.serving[use_case] = (1, None)
            return True

        crew._give = give  # type: ignore[method-assign]

        async def scenario() -> None:
            for index in (0, 1):
                crew.workers[index] = Seen(index, SimpleNamespace(pid=1), Line(), state="live")  # type: ignore[arg-type]
            for _ in range(3):
                done = crew.look_after()  # type: ignore[func-returns-value]
                if done is not None:
                    await asyncio.wait_for(done, 0.2)
                await asyncio.sleep(0)
            assert (asked, crew.workers[1].serving) == ([0, 1], {NAME: (1, None)})
            for task in crew._aligning.values():
                task.cancel()

        asyncio.run(scenario())


def test_a_slow_worker_delays_no_other(tmp_path: Path) -> None:
    a_slow_worker_delays_no_other(tmp_path)


def test_workers_brought_in_line_one_after_the_other_are_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def in_turn(self: Crew) -> None:
        for worker in self.live:
            await self._align(worker)

    monkeypatch.setattr(Crew, "look_after", in_turn)
    with pytest.raises((AssertionError, TimeoutError)):
        a_slow_worker_delays_no_other(tmp_path)


def test_importing_the_worker_keeps_what_only_a_worker_process_does_without() -> None:
    assert [name for name in ("pandas", "sklearn") if sys.modules.get(name, sys) is None] == []
