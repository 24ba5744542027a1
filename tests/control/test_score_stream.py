"""Streams: answers in order by whatever is live, each record once, poison set aside, replays without effect; laws with broken variants."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from interlock.control.scoring import spool as spooling
from interlock.control.scoring import stream
from interlock.control.scoring.capture_out import CapturedPieces
from interlock.control.scoring.spool import LocalSpool, Message, Polled
from interlock.control.scoring.stream import Streamed
from interlock.errors import SettingsError, SourceError, StoreError
from interlock.records.store import Store
from interlock.records.tables import RouteRow
from interlock.settings import settings_environment
from tests.control.scoring_world import NAME, Lender, applicants, requests
from tests.control.test_backup import Server, with_ports
from tests.control.test_real_server import until
from tests.control.test_scoring import lender, two_models  # noqa: F401 - fixtures
from tests.control.test_scoring_kills import all_captured, drop, take


def run(world: Lender, folder: Path, **options: Any) -> Streamed:
    return stream.run(world.settings, world.store, NAME, folder, **({"once": True, "records_max": 20} | options))


def records(seed: int, rows: int) -> list[str]:
    return [json.dumps(record) for record in requests(applicants(rows, seed))]


def test_answers_are_the_servers_in_the_order_of_the_records(lender: Lender, tmp_path: Path) -> None:  # noqa: F811
    drop(tmp_path, "b.jsonl", records(4, 30))
    drop(tmp_path, "a.jsonl", records(3, 30))
    done = run(lender, tmp_path)
    settings = with_ports(lender.settings)
    with Server(settings) as client:
        client.converge(lender.route_to(1))
        served = [one for seed in (3, 4) for one in client.predict(NAME, requests(applicants(30, seed)))["predictions"]]
    found = take(tmp_path)
    assert [{name: value for name, value in row.items() if name != "source"} for row in found] == served
    assert (done.answered, done.refused, done.files, done.steps) == (60, 0, 2, 4)
    assert [row["source"]["offset"] for row in found[:2]] == [0, len(records(3, 30)[0]) + 1]


def test_poison_is_set_aside_with_reasons_and_hinders_nobody(lender: Lender, tmp_path: Path) -> None:  # noqa: F811
    good = records(3, 3)
    drop(tmp_path, "a.jsonl", [good[0], "{half", "[1, 2]", "", json.dumps({"income": "much"}), '{"income": NaN}', "x" * (1 << 20), good[1],
                               json.dumps({**json.loads(good[2]), "colour": "red"})])
    assert (run(lender, tmp_path).answered, [row["id"] for row in take(tmp_path)]) == (2, ["k3-0", "k3-1"])
    refused = take(tmp_path, "quarantine")
    assert [row["reasons"][0].split(":")[0] for row in refused] == [
        "is not JSON", "is not a JSON object", "income", "is not JSON", "longer than 1,048,576 bytes", "colour"]
    assert refused[0]["raw"] == "{half"
    assert len(refused[4]["raw"]) == 4_000
    assert "debt: is missing" in " ".join(refused[2]["reasons"])


def test_the_same_content_again_changes_nothing_under_any_name(lender: Lender, tmp_path: Path) -> None:  # noqa: F811
    drop(tmp_path, "a.jsonl", records(3, 30))
    run(lender, tmp_path)
    drop(tmp_path, "a.jsonl", records(3, 30))
    drop(tmp_path, "z.jsonl", records(3, 30))
    again = run(lender, tmp_path)
    assert (again.answered, again.replays, again.steps) == (0, 2, 0)
    assert len(take(tmp_path)) == 30
    assert list((tmp_path / "in").iterdir()) == []
    assert len(list((tmp_path / "done").iterdir())) == 1


def test_a_swap_takes_effect_between_two_steps_and_each_answer_names_its_model(lender: Lender, tmp_path: Path) -> None:  # noqa: F811
    drop(tmp_path, "a.jsonl", records(3, 100))
    steps = [0]

    def swap(step: str) -> None:
        if step == "committed":
            steps[0] += 1
            if steps[0] == 2:
                lender.route_to(2, generation=2)

    run(lender, tmp_path, after=swap)
    found = take(tmp_path)
    assert [row["version"] for row in found] == [1] * 40 + [2] * 60
    assert {(row["version"], row["digest"]) for row in found} == {(1, lender.digests[0]), (2, lender.digests[1])}


def test_a_new_champion_that_cannot_be_loaded_leaves_the_old_one_answering(lender: Lender, tmp_path: Path) -> None:  # noqa: F811
    drop(tmp_path, "a.jsonl", records(3, 60))
    said: list[str] = []

    def break_it(step: str) -> None:
        model = lender.settings.folder("packages") / lender.digests[1].removeprefix("sha256:") / "model.ubj"
        model.chmod(0o600)
        model.write_bytes(b"broken")
        lender.route_to(2, generation=2)

    run(lender, tmp_path, after=break_it, say=said.append)
    assert {row["version"] for row in take(tmp_path)} == {1}
    assert [text for text in said if "goes on" in text] == [said[1]]  # once, not at every step


def test_without_a_champion_nothing_is_taken_from_the_stream(lender: Lender, tmp_path: Path) -> None:  # noqa: F811
    with lender.store.writing() as session:
        session.query(RouteRow).delete()
    drop(tmp_path, "a.jsonl", records(3, 10))
    with pytest.raises(StoreError, match="nothing answers"):
        run(lender, tmp_path)
    assert (tmp_path / "in" / "a.jsonl").is_file()
    lender.route_to(1)
    assert run(lender, tmp_path).answered == 10


def test_sigterm_ends_it_after_the_step_at_work(lender: Lender, tmp_path: Path) -> None:  # noqa: F811
    drop(tmp_path, "a.jsonl", records(3, 50))
    process = subprocess.Popen([sys.executable, "-m", "interlock.cli.main", "score-stream", NAME, str(tmp_path)], text=True,
                               env=os.environ | settings_environment(lender.settings), stdout=subprocess.PIPE)
    assert process.stdout is not None
    until(lambda: list((tmp_path / "done").glob("*")))
    drop(tmp_path, "b.jsonl", records(4, 50))
    until(lambda: len(list((tmp_path / "done").glob("*"))) == 2)
    process.send_signal(signal.SIGTERM)
    said = process.stdout.read()
    assert process.wait(20) == 0
    process.stdout.close()
    assert said.splitlines()[-1] == "100 answered, 0 in quarantine, files finished: 2"
    assert len(take(tmp_path)) == 100


def test_one_scorer_per_spool_and_a_changed_file_stops_it(lender: Lender, tmp_path: Path) -> None:  # noqa: F811
    drop(tmp_path, "a.jsonl", records(3, 60))
    one = LocalSpool(tmp_path)
    with pytest.raises(SettingsError, match="another scorer"):
        LocalSpool(tmp_path)
    polled = one.poll(20)
    assert polled is not None
    one.commit(polled, [], [])
    (tmp_path / "in" / "a.jsonl").write_text("{}\n")
    with pytest.raises(SourceError, match="changed or removed"):
        one.poll(20)
    one.close()
    with pytest.raises(SourceError, match="changed or removed"):
        run(lender, tmp_path)
    drop(tmp_path, "a.jsonl", records(3, 60))
    assert run(lender, tmp_path).answered == 40


def test_another_stream_needs_only_poll_and_commit(lender: Lender) -> None:  # noqa: F811
    class Listed:
        """A stream in memory: what a queue in a cloud would be."""

        name, step = "listed", 0

        def __init__(self) -> None:
            self.waiting = [Message("sha256:" + "0" * 64, number, line.encode()) for number, line in enumerate(records(3, 25))]
            self.answers: list[dict[str, Any]] = []

        def poll(self, limit: int) -> Polled | None:
            return Polled(self.waiting[:limit], "sha256:" + "0" * 64, "-", 0, False) if self.waiting else None

        def commit(self, polled: Polled, answers: Iterable[dict[str, Any]], refused: Iterable[dict[str, Any]]) -> None:
            self.answers += answers
            self.waiting = self.waiting[len(polled.messages):]
            self.step += 1

    queue = Listed()
    done = stream.work(lender.settings, lender.store, NAME, queue, threading.Event(), once=True, capture=True, records_max=10,
                       say=lambda text: None, after=lambda step: None)
    assert (done.answered, done.steps) == (25, 3)
    assert [row["id"] for row in queue.answers] == [f"k3-{number}" for number in range(25)]
    assert len(all_captured(lender)) == 25


def crashes_lose_and_double_nothing(world: Lender, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Law 8 for streams: the process dies at each write of a step once; distinct answers, and all answers, of 60 records."""
    drop(folder, "a.jsonl", records(3, 60))
    for call in range(1, 7):
        calls = [0]

        def dying(*_: Any, calls: list[int] = calls, call: int = call, **__: Any) -> None:
            calls[0] += 1
            if calls[0] == call:
                raise KeyboardInterrupt

        with monkeypatch.context() as crash:
            for name in ("write_durably", "sync_folder"):
                honest = getattr(spooling, name)
                crash.setattr(spooling, name, lambda *given, honest=honest, dying=dying: (honest(*given), dying())[0])
            with contextlib.suppress(KeyboardInterrupt):
                run(world, folder, capture=True)
    run(world, folder, capture=True)
    ids = [row["id"] for row in take(folder)]
    return len(set(ids)), len(ids)


def test_results_before_or_after_the_position_are_found_out(lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    assert crashes_lose_and_double_nothing(lender, tmp_path / "honest", monkeypatch) == (60, 60)
    assert len(all_captured(lender)) == 60

    def publish_first(self: LocalSpool, polled: Polled, answers: Iterable[dict[str, Any]], refused: Iterable[dict[str, Any]]) -> None:
        rows = list(answers)
        spooling.write_durably(self.folder / "out" / f"{os.urandom(6).hex()}.jsonl",
                               b"".join(json.dumps(row).encode() + b"\n" for row in rows))
        honest(self, polled, [], refused)

    honest = LocalSpool.commit
    with monkeypatch.context() as broken:
        broken.setattr(LocalSpool, "commit", publish_first)
        assert crashes_lose_and_double_nothing(lender, tmp_path / "doubling", monkeypatch)[1] > 60

    def results_last(self: LocalSpool, polled: Polled, answers: Iterable[dict[str, Any]], refused: Iterable[dict[str, Any]]) -> None:
        honest(self, polled, [], [])
        spooling.sync_folder(self.folder)
        spooling.write_durably(self.folder / "out" / f"{os.urandom(6).hex()}.jsonl",
                               b"".join(json.dumps(row).encode() + b"\n" for row in answers))

    with monkeypatch.context() as broken:
        broken.setattr(LocalSpool, "commit", results_last)
        assert crashes_lose_and_double_nothing(lender, tmp_path / "losing", monkeypatch)[0] < 60


def test_frames_published_before_they_count_are_found_out(lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """Broken on purpose: the segment is published when it is staged. A crash before the commit then captures the records twice."""
    stage = CapturedPieces.stage

    def eager(self: CapturedPieces, number: int, frames: list[dict[str, Any]]) -> None:
        stage(self, number, frames)
        self.publish(number)

    def crash(step: str) -> None:
        if step == "answered":
            raise KeyboardInterrupt

    monkeypatch.setattr("interlock.records.compaction.SEGMENT_KEPT_S", -1.0)
    for folder, staging, wanted in (("honest", stage, 20), ("broken", eager, 20 + 40)):
        drop(tmp_path / folder, "a.jsonl", records(3, 20))
        with monkeypatch.context() as patch:
            patch.setattr(CapturedPieces, "stage", staging)
            with pytest.raises(KeyboardInterrupt):
                run(lender, tmp_path / folder, capture=True, after=crash)
            all_captured(lender)
            all_captured(lender)  # the first pass removed the published segment, the second forgot its name
            run(lender, tmp_path / folder, capture=True)
        assert len(all_captured(lender)) == wanted


def test_the_store_going_down_does_not_stop_it(lender: Lender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    from interlock.errors import Unavailable

    drop(tmp_path, "a.jsonl", records(3, 60))
    said: list[str] = []

    def gone(self: Store) -> Any:
        raise Unavailable("the store does not answer")

    run(lender, tmp_path, after=lambda step: monkeypatch.setattr(Store, "reading", gone), say=said.append)
    assert len(take(tmp_path)) == 60
    assert sum("goes on" in text for text in said) == 1


def test_another_file_under_the_same_name_is_not_put_away_unread(tmp_path: Path) -> None:
    """A producer uses a name again while its first file is being answered."""
    with contextlib.closing(LocalSpool(tmp_path)) as spool:
        (tmp_path / "in" / "a.jsonl").write_text('{"n": 1}\n')
        first = spool.poll(10)
        assert first is not None
        (tmp_path / "new").write_text('{"n": 2}\n')
        (tmp_path / "new").replace(tmp_path / "in" / "a.jsonl")
        spool.commit(first, [{"n": 1}], [])
        second = spool.poll(10)
        assert second is not None
        assert [message.line for message in second.messages] == [b'{"n": 2}\n']
        spool.commit(second, [{"n": 2}], [])
        assert spool.poll(10) is None
        assert list((tmp_path / "in").iterdir()) == []
