"""Prometheus text (exposition format 0.0.4) of a supervisor and its workers.

Names and units as Prometheus recommends: base units, `_total` for counters, `_seconds`, `_bytes`. Labels have few values: use cases,
at most `VERSIONS_MAX` versions of each, statuses, reasons.
"""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Iterable
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path

from interlock.serving.counters import LATENCY_EDGES_MS, ArmCounts
from interlock.serving.crew import Worker
from interlock.serving.supervisor import Supervisor

Labels = dict[str, str]
Sample = tuple[Labels, float]
STARTED = int(time.time())  # the supervisor's process imports this when it starts
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
VERSIONS_MAX = 32
MIRRORED = ("shadow", "mirrored")  # arms of mirrored requests: no customer was answered by them
BUILD = {"version": version("interlock-control"), "python": platform.python_version(), "xgboost": version("xgboost")}


def exposition(supervisor: Supervisor) -> str:
    """All metrics. Counters never fall while the supervisor lives, whatever happens to workers and routes."""
    return "".join([*_processes(supervisor), *_requests(supervisor), *_models(supervisor), *_routes(supervisor), *_capture(supervisor)])


def _processes(supervisor: Supervisor) -> list[str]:
    crew = supervisor.crew
    return [
        _block("interlock_build_info", "gauge", "Versions of the server and of what it answers with; always 1.", [(BUILD, 1)]),
        _block("interlock_up_seconds", "gauge", "Seconds since the supervisor started.", [({}, time.monotonic() - supervisor.began)]),
        _block("interlock_start_time_seconds", "gauge", "When the supervisor started, in Unix time.", [({}, STARTED)]),
        _block("interlock_cpu_seconds_total", "counter", "CPU seconds of supervisor and workers.", [({}, cpu_seconds(supervisor))]),
        _block("interlock_workers", "gauge", "Workers wanted.", [({}, crew.size)]),
        _block("interlock_workers_live", "gauge", "Workers that answer.", [({}, len(crew.live))]),
        _block("interlock_worker_restarts_total", "counter", "Workers started again.", [({}, crew.restarts)]),
        _block("interlock_worker_resident_memory_bytes", "gauge", "Resident memory of a worker.",
               [({"worker": str(worker.index)}, resident_bytes(worker)) for worker in crew.live]),
        _block("interlock_worker_last_heard_seconds", "gauge", "Seconds since a worker was heard of.",
               [({"worker": str(worker.index)}, max(0.0, time.monotonic() - worker.heard)) for worker in crew.live]),
    ]


def _requests(supervisor: Supervisor) -> list[str]:
    live = supervisor.crew.live
    names = sorted(supervisor.tracks.all)
    arms = [(labels, counts) for labels, counts in _arms(supervisor) if labels["arm"] not in MIRRORED]
    mirrored = [({name: labels[name] for name in ("use_case", "version")}, counts) for labels, counts in _arms(supervisor)
                if labels["arm"] == "shadow"]
    return [
        _block("interlock_requests_inflight", "gauge", "Requests at work.", [({}, _sum(live, "inflight"))]),
        _block("interlock_use_case_requests_inflight", "gauge", "Requests at work, by use case.",
               [({"use_case": name}, sum(worker.report.get("inflight_of", {}).get(name, 0) for worker in live)) for name in names]),
        _block("interlock_batches_waiting", "gauge", "Large batches that wait for a thread.", [({}, _sum(live, "waiting"))]),
        _block("interlock_http_responses_total", "counter", "Answers of the predictions port.",
               [({"status": status}, number) for status, number in sorted(supervisor.statuses.items())]),
        _block("interlock_request_refusals_total", "counter", "Requests not answered, by reason: busy, share, rate, queue, client_rate, "
               "deadline, unauthenticated, forbidden, invalid and others; use_case is empty where there is none of that name.",
               [({"use_case": name, "reason": reason}, number) for (name, reason), number in sorted(supervisor.refused.items())]),
        _block("interlock_predictions_total", "counter", "Records received, by model.", [(labels, c.requests) for labels, c in arms]),
        _block("interlock_prediction_refusals_total", "counter", "Records that did not fit.", [(labels, c.refusals) for labels, c in arms]),
        _block("interlock_prediction_errors_total", "counter", "Records a model failed on.", [(labels, c.errors) for labels, c in arms]),
        _block("interlock_abstentions_total", "counter", "Records that a model left to a fallback, by reason.",
               [(labels | {"reason": kind}, number) for labels, c in arms for kind, number in sorted(c.abstentions.items())]),
        _block("interlock_mirrored_total", "counter", "Records that a candidate scored in the shadow; nobody saw its answers.",
               [(labels, c.requests) for labels, c in mirrored]),
        _block("interlock_mirrored_flips_total", "counter", "Those with another decision than the champion's.",
               [(labels, c.flips) for labels, c in mirrored]),
        _block("interlock_mirrored_dropped_total", "counter", "Records not mirrored because too many waited.",
               [(labels, c.dropped) for labels, c in mirrored]),
        _histogram("interlock_prediction_latency_seconds", "Time from a request's whole body to its durable answer, once per record.",
                   [(labels, c.latency, c.latency_sum_ms) for labels, c in arms]),
    ]


def _models(supervisor: Supervisor) -> list[str]:
    live = supervisor.crew.live
    workers = [(worker, {"worker": str(worker.index)}) for worker in live]
    kinds = [(worker, labels, kind) for worker, labels in workers for kind in ("pinned", "older")]
    blocks = [
        _block("interlock_models_loaded", "gauge", "Models in a worker's memory: pinned by a route, or older and asked for by number.",
               [(labels | {"kind": kind}, _models_of(worker, kind)[0]) for worker, labels, kind in kinds]),
        _block("interlock_models_bytes", "gauge", "Their memory as estimated from their packages.",
               [(labels | {"kind": kind}, _models_of(worker, kind)[1]) for worker, labels, kind in kinds]),
        _block("interlock_models_bytes_max", "gauge", "What the models of a worker may take.", [({}, supervisor.limits.models_bytes_max)]),
    ]
    texts = {"hits": "Requests for an older version that was loaded.", "loads": "Older versions loaded.",
             "evictions": "Older versions dropped for others."}
    return blocks + [_block(f"interlock_model_cache_{name}_total", "counter", text, [({}, supervisor.cache[name])])
                     for name, text in texts.items()]


def _routes(supervisor: Supervisor) -> list[str]:
    tracks, crew = supervisor.tracks.all, supervisor.crew
    return [
        _block("interlock_route_generation", "gauge", "Generation of the route.",
               [({"use_case": name}, track.route.generation) for name, track in tracks.items()]),
        _block("interlock_route_info", "gauge", "What is answered with; always 1.", [({
            "use_case": name, "slot": slot, "version": str(found.version), "digest": found.digest}, 1) for name, track in tracks.items()
            for slot in ("champion", "previous", "candidate") if (found := getattr(track.effective, slot)) is not None]),
        _block("interlock_candidate_percent", "gauge", "Share of requests the candidate answers.",
               [({"use_case": name}, track.effective.candidate_percent) for name, track in tracks.items()]),
        _block("interlock_override", "gauge", "1 while a rollback is not absorbed by the store.",
               [({"use_case": name}, int(track.override is not None)) for name, track in tracks.items()]),
        _block("interlock_workers_ready", "gauge", "Workers that answer with the current route.",
               [({"use_case": name}, crew.ready(name, (track.route.generation, track.override_id))) for name, track in tracks.items()]),
    ]


def _capture(supervisor: Supervisor) -> list[str]:
    texts = {"rows": "Records on disk.", "lost": "Records not captured.", "syncs": "fdatasync calls."}
    found = sorted(supervisor.capture.items())
    failing = {name for worker in supervisor.crew.live for name, state in worker.report.get("capture", {}).items() if state["failing"]}
    return [*[_block(f"interlock_captured_{name}_total", "counter", text, [({"use_case": use_case}, figures[name])
              for use_case, figures in found]) for name, text in texts.items()],
            _block("interlock_capture_failing", "gauge", "1 while a worker cannot record.",
                   [({"use_case": use_case}, int(use_case in failing)) for use_case, _ in found])]


def cpu_seconds(supervisor: Supervisor) -> float:
    """User and system time of this process, of the workers that ended and of those that live; of the last ones only where `/proc` is."""
    own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    total = own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime
    for worker in list(supervisor.crew.workers.values()):
        try:
            fields = Path(f"/proc/{worker.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended a moment ago and is counted above, or this system has no /proc
            continue
        total += (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    return total


def resident_bytes(worker: Worker) -> int:
    """Resident memory of a worker; 0 where it just ended or this system has no `/proc`."""
    try:
        return int(Path(f"/proc/{worker.process.pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:
        return 0


def _arms(supervisor: Supervisor) -> list[tuple[Labels, ArmCounts]]:
    """Counts by use case, version and arm; beyond the newest `VERSIONS_MAX` versions of a use case they are one series, `older`."""
    keys = sorted(supervisor.totals.arms)
    versions: dict[str, set[int]] = {}
    for key in keys:
        versions.setdefault(key.use_case, set()).add(key.version)
    newest = {name: set(sorted(found)[-VERSIONS_MAX:]) for name, found in versions.items()}
    found: dict[tuple[str, str, str], ArmCounts] = {}
    for key in keys:
        shown = str(key.version) if key.version in newest[key.use_case] else "older"
        counts = supervisor.totals.arms[key]
        found.setdefault((key.use_case, shown, key.arm), ArmCounts(counts.edges)).add(counts)
    return [({"use_case": use_case, "version": shown, "arm": arm}, counts) for (use_case, shown, arm), counts in found.items()]


def _models_of(worker: Worker, kind: str) -> tuple[int, int]:
    """Models of this kind in the worker and their estimated bytes."""
    report = worker.report
    if kind == "pinned":
        number, size = report.get("pinned", (0, 0))
        return int(number), int(size)
    older = report.get("older", {})
    return int(older.get("models", 0)), int(older.get("bytes", 0))


def _sum(workers: list[Worker], name: str) -> int:
    return sum(int(worker.report.get(name, 0)) for worker in workers)


def _block(name: str, kind: str, help_text: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}", *(f"{name}{_labels(labels)} {value!r}" for labels, value in samples)]
    return "\n".join(lines) + "\n"


def _histogram(name: str, help_text: str, series: Iterable[tuple[Labels, list[int], float]]) -> str:
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} histogram"]
    for labels, counts, sum_ms in series:
        for place, total in list(enumerate(accumulate(counts)))[:-1:4]:
            lines.append(f"{name}_bucket{_labels(labels | {'le': f'{LATENCY_EDGES_MS[place] / 1000:.6g}'})} {total}")
        lines.append(f"{name}_bucket{_labels(labels | {'le': '+Inf'})} {sum(counts)}")
        lines.append(f"{name}_sum{_labels(labels)} {sum_ms / 1000:.6f}")
        lines.append(f"{name}_count{_labels(labels)} {sum(counts)}")
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
