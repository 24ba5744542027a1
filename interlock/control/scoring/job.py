"""`interlock score`: answers for a whole source, exactly once, by the server's own path; killed anywhere, the same call goes on.

    source → chunks → answers and refused rows → target (a chunk counts whole) → captured frames, where asked for → ledger, manifest

What could differ from one attempt to the next is settled when a job begins and kept under `scoring/<job>/`: the event time of rows that
have none, and the online tables that feature views are looked up in.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from interlock.control.scoring.capture_out import CapturedPieces
from interlock.control.scoring.file_rows import FileRows
from interlock.control.scoring.results import Done, Head, Target, answers_frame, counted, refusals, refused_frame
from interlock.control.scoring.rows import CHUNK_ROWS, SnapshotRows, Source, chunks
from interlock.control.scoring.versions import approved_route, champion_route, prove
from interlock.errors import SettingsError, StaleState
from interlock.modeling.package import Manifest
from interlock.records import ledger
from interlock.records.online import table_path
from interlock.records.pointer import write_durably
from interlock.records.store import Store, utc_now
from interlock.rules.canonical import digest, iso
from interlock.rules.routes import Route
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

KIND = "scoring.finished"
Progress = Callable[[int, int | None], None]  # rows done, rows in all (None: not known)
MakeTarget = Callable[[str], Target]          # from the model's task


@dataclass(frozen=True)
class Summary:
    """What a batch came to. `resumed`: chunks that an earlier attempt had done; `repeated`: all of them were."""

    job: str
    use_case: str
    version: int
    digest: str
    source_digest: str
    rows: int
    answered: int
    refused: int
    reasons: dict[str, int]
    chunks: int
    resumed: int
    captured: bool

    @property
    def repeated(self) -> bool:
        return self.chunks == self.resumed > 0


def score(settings: Settings, store: Store, use_case: UseCase, source: str, to: MakeTarget, *, version: int | None = None,
          capture: bool = False, id_column: str | None = None, actor: str, chunk_rows: int = CHUNK_ROWS,
          progress: Progress = lambda done, rows: None, after: Callable[[str], None] = lambda step: None) -> Summary:
    """Score a snapshot (`sha256:…`) or a CSV or Parquet file with the champion, or with an approved version.

    Rows that cannot be answered are kept with their reasons. `capture`: answers also count as predictions in monitoring; champion only.
    Raises `SourceError` or `DataError` where the source cannot be used, `DecisionRefused` for a version that may not answer, `StaleState`
    where the target holds another batch or the same batch runs already. `after` is told each step by name (crash tests).
    """

    champion = None if version is not None and not capture else champion_route(settings, store, use_case.name)
    route = champion if version is None and champion else approved_route(settings, store, use_case.name, int(version or 0))
    if capture and champion is not None and champion.champion != route.champion:
        raise SettingsError("only the champion's answers can be captured: monitoring judges what customers get", value=version,
                            next_step="leave --capture away")
    slot = route.slots()[0]
    manifest = prove(settings, slot.digest)
    target = to(manifest.task)
    try:
        rows, head = _begin(settings, store, use_case, source, target, route, manifest, id_column, capture, chunk_rows)
        with _alone(settings, head.job):
            done = _work(settings, head, route, manifest, rows, target, CapturedPieces(settings, use_case.name, f"job-{head.job[7:23]}")
                         if capture else None, progress, after)
            summary = _summary(head, done, capture)
            _tell(store, head, summary, actor)
            after("ledger")
            target.finish(head, {name: value for name, value in summary.__dict__.items() if name != "resumed"})
        return summary
    finally:
        target.close()


def _begin(settings: Settings, store: Store, use_case: UseCase, source: str, target: Any, route: Route, manifest: Manifest,
           id_column: str | None, capture: bool, chunk_rows: int) -> tuple[Source, Head]:
    """The source and the job's head: read back where the job began before, else settled now and kept."""
    slot, now = route.slots()[0], utc_now()
    opened = _open_source(settings, store, use_case, source, manifest, now, id_column)
    job = digest({"use_case": use_case.name, "package": slot.digest, "route": route.serving.model_dump(mode="json"),
                  "source": opened.digest, "id": id_column, "chunk_rows": chunk_rows, "capture": capture, "to": target.name})
    folder = job_folder(settings, job)
    path = folder / "job.json"
    with _alone(settings, job):  # of two that begin at once one settles it, and the other one reads it
        if path.is_file():
            head = Head(**json.loads(path.read_bytes()))
            return _open_source(settings, store, use_case, source, manifest, datetime.fromisoformat(head.moment), id_column), head
        for view in manifest.views:
            table, own = table_path(settings.home.resolve(), view.view), table_path(folder, view.view)
            own.parent.mkdir(parents=True, exist_ok=True)
            if table.is_file():
                shutil.copyfile(table, own)
        head = Head(job, use_case.name, slot.version, slot.digest, opened.name, opened.digest, chunk_rows, iso(now))
        write_durably(path, json.dumps(head.to_json(), indent=1).encode())
        return opened, head


def job_folder(settings: Settings, job: str) -> Path:
    """Where a job keeps what it settled when it began."""
    return settings.home.resolve() / "scoring" / job.removeprefix("sha256:")[:32]


def _open_source(settings: Settings, store: Store, use_case: UseCase, source: str, manifest: Manifest, moment: datetime,
                 id_column: str | None) -> Source:
    if source.startswith("sha256:"):
        return SnapshotRows(settings, store, use_case, source, manifest)
    return FileRows(use_case, Path(source).resolve(), manifest, moment, id_column)


def _work(settings: Settings, head: Head, route: Route, manifest: Manifest, source: Source, target: Target, pieces: CapturedPieces | None,
          progress: Progress, after: Callable[[str], None]) -> tuple[dict[int, Done], int]:
    """Score what is not done; every chunk, and how many an earlier attempt had done."""
    from interlock.serving.offline import Offline

    done = target.open(head)
    resumed, rows = len(done), 0
    if pieces is not None:
        pieces.settle(done.__contains__)
    model = Offline(_packages(settings, head), route)
    for chunk in chunks(source, head.chunk_rows):
        if chunk.index not in done:
            found = model.answer(chunk.records)
            refused = refusals(chunk, found)
            if pieces is not None:
                pieces.stage(chunk.index, model.captured(found))
                after(f"staged {chunk.index}")
            done[chunk.index] = target.write(head, counted(chunk, refused, len(found.answers)), answers_frame(chunk, found, manifest.task),
                                             refused_frame(refused))
            after(f"wrote {chunk.index}")
            if pieces is not None:
                pieces.publish(chunk.index)
                after(f"published {chunk.index}")
        rows += chunk.rows
        progress(rows, source.rows)
    return done, resumed


def _packages(settings: Settings, head: Head) -> Path:
    """The folder of packages, beside the online tables that this job began with."""
    link = job_folder(settings, head.job) / "packages"
    if not link.is_symlink():
        link.symlink_to(settings.folder("packages"), target_is_directory=True)
    return link


def _summary(head: Head, work: tuple[dict[int, Done], int], captured: bool) -> Summary:
    done, resumed = work
    reasons: dict[str, int] = {}
    for chunk in done.values():
        for reason, count in chunk.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
    answered, refused = sum(one.answered for one in done.values()), sum(one.refused for one in done.values())
    return Summary(head.job, head.use_case, head.version, head.digest, head.source_digest, answered + refused, answered, refused,
                   dict(sorted(reasons.items())), len(done), resumed, captured)


def _tell(store: Store, head: Head, summary: Summary, actor: str) -> None:
    """One entry in the ledger per job, however often it is repeated."""
    with store.writing() as session:
        told = ledger.entries(session, use_case=head.use_case, kinds=[KIND], limit=1_000)
        if not any(ledger.body_of(entry)["job"] == head.job for entry in told):
            ledger.append(session, KIND, {
                "sentence": f"{actor} had {summary.rows:,} rows of {head.source} answered by version {head.version}: "
                            f"{summary.answered:,} answers, {summary.refused:,} rows refused",
                "actor": actor, "job": head.job, "source": head.source_digest, "package": head.digest, "version": head.version,
                "rows": summary.rows, "answered": summary.answered, "refused": summary.refused, "captured": summary.captured},
                head.use_case)


@contextmanager
def _alone(settings: Settings, job: str) -> Iterator[None]:
    """One attempt at a time; the kernel frees the lock when a process dies."""
    folder = job_folder(settings, job)
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise StaleState("this batch is being scored already", value=job, next_step="wait for it") from error
    finally:
        os.close(handle)
