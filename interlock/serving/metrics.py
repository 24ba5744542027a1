"""Prometheus text (exposition format 0.0.4) of a supervisor and its workers."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path

from interlock.serving.counters import LATENCY_EDGES_MS
from interlock.serving.supervisor import Supervisor

Sample = tuple[dict[str, str], float]
STARTED = int(time.time())  # the supervisor's process imports this when it starts
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def exposition(supervisor: Supervisor) -> str:
    """All metrics. Counters never fall while the supervisor lives, whatever happens to workers and routes."""
    crew, tracks = supervisor.crew, supervisor.tracks.all
    arms = [({"use_case": key.use_case, "version": str(key.version), "arm": key.arm}, counts)
            for key, counts in sorted(supervisor.totals.arms.items())]
    blocks = [
        _block("interlock_up_seconds", "gauge", "Seconds since the supervisor started.", [({}, time.monotonic() - supervisor.began)]),
        _block("interlock_start_time_seconds", "gauge", "When the supervisor started, in Unix time.", [({}, STARTED)]),
        _block("interlock_cpu_seconds_total", "counter", "CPU seconds of supervisor and workers.", [({}, cpu_seconds(supervisor))]),
        _block("interlock_workers", "gauge", "Workers wanted.", [({}, crew.size)]),
        _block("interlock_workers_live", "gauge", "Workers that answer.", [({}, len(crew.live))]),
        _block("interlock_worker_restarts_total", "counter", "Workers started again.", [({}, crew.restarts)]),
        _block("interlock_requests_inflight", "gauge", "Requests at work.", [({}, sum(w.report.get("inflight", 0) for w in crew.live))]),
        _block("interlock_http_responses_total", "counter", "Answers of the predictions port.",
               [({"status": status}, number) for status, number in sorted(supervisor.statuses.items())]),
        _block("interlock_route_generation", "gauge", "Generation of the route.",
               [({"use_case": name}, track.route.generation) for name, track in tracks.items()]),
        _block("interlock_route_info", "gauge", "What is answered with.", [({
            "use_case": name, "slot": slot, "version": str(found.version), "digest": found.digest}, 1) for name, track in tracks.items()
            for slot in ("champion", "previous", "candidate") if (found := getattr(track.effective, slot)) is not None]),
        _block("interlock_candidate_percent", "gauge", "Share of requests the candidate answers.",
               [({"use_case": name}, track.effective.candidate_percent) for name, track in tracks.items()]),
        _block("interlock_override", "gauge", "1 while a rollback is not absorbed by the store.",
               [({"use_case": name}, int(track.override is not None)) for name, track in tracks.items()]),
        _block("interlock_workers_ready", "gauge", "Workers that answer with the current route.",
               [({"use_case": name}, crew.ready(name, (track.route.generation, track.override_id))) for name, track in tracks.items()]),
        _block("interlock_predictions_total", "counter", "Records received, by model.", [(labels, c.requests) for labels, c in arms]),
        _block("interlock_prediction_refusals_total", "counter", "Records that did not fit.", [(labels, c.refusals) for labels, c in arms]),
        _block("interlock_prediction_errors_total", "counter", "Records a model failed on.", [(labels, c.errors) for labels, c in arms]),
        *[_block(f"interlock_captured_{name}_total", "counter", help_text, [({"use_case": use_case}, figures[name])
          for use_case, figures in sorted(supervisor.capture.items())])
          for name, help_text in (("rows", "Records on disk."), ("lost", "Records not captured."), ("syncs", "fdatasync calls."))],
        _histogram("interlock_prediction_latency_seconds", "Time to a durable answer.",
                   [(labels, c.latency, c.latency_sum_ms) for labels, c in arms]),
    ]
    return "".join(blocks)


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


def _block(name: str, kind: str, help_text: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}", *(f"{name}{_labels(labels)} {value:g}" if isinstance(value, float)
             else f"{name}{_labels(labels)} {value}" for labels, value in samples)]
    return "\n".join(lines) + "\n"


def _histogram(name: str, help_text: str, series: Iterable[tuple[dict[str, str], list[int], float]]) -> str:
    lines = [f"# HELP {name} {help_text}", f"# TYPE {name} histogram"]
    for labels, counts, sum_ms in series:
        for place, total in list(enumerate(accumulate(counts)))[:-1:4]:
            lines.append(f"{name}_bucket{_labels(labels | {'le': f'{LATENCY_EDGES_MS[place] / 1000:.6g}'})} {total}")
        lines.append(f"{name}_bucket{_labels(labels | {'le': '+Inf'})} {sum(counts)}")
        lines.append(f"{name}_sum{_labels(labels)} {sum_ms / 1000:.6f}")
        lines.append(f"{name}_count{_labels(labels)} {sum(counts)}")
    return "\n".join(lines) + "\n"


def _labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
