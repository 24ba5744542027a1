"""Every bound of the prediction server in one place (law 9)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from interlock.settings import Settings

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """Bounds of one server. Those that an installation may change are settings named `serving_…`."""

    body_bytes_max: int = 4 * MIB         # larger bodies: 413
    rows_max: int = 10_000                # more records in one request: 413
    inflight_max: int = 128               # requests at work in one worker; more: 503 with Retry-After
    inflight_bytes_max: int = 64 * MIB    # their bodies together; more: 503 with Retry-After
    connections_max: int = 2_048          # open connections of one worker
    body_timeout_s: float = 10.0          # a body must have arrived by then: 408
    inline_rows_max: int = 64             # larger batches are scored in a thread, so that the loop goes on
    capture_timeout_s: float = 5.0        # a disk that takes longer counts as failed
    capture_queue_bytes_max: int = 32 * MIB
    segment_bytes_max: int = 64 * MIB
    segment_age_s: float = 3_600.0
    workers: int = 1                      # processes that share what a use case or a key may ask per second
    batches_at_work: int = 2              # large batches scored at the same time in one worker
    batches_waiting_max: int = 32         # large batches of one use case that wait for that; more: 503 with Retry-After
    deadline_ms_max: int = 600_000        # the longest deadline that a request may name
    models_max: int = 256                 # packages loaded at once
    models_bytes_max: int = 2_048 * MIB   # their memory together in one worker, as estimated; a route that does not fit: 422
    load_timeout_s: float = 60.0          # an older version that is asked for is proven and loaded by then: else 503
    probe_timeout_s: float = 60.0         # golden rows in a child process
    prepare_timeout_s: float = 30.0       # a worker that has not loaded a route by then is restarted
    switch_timeout_s: float = 1.0         # a worker that has not switched by then is restarted
    start_timeout_s: float = 30.0
    beat_s: float = 0.25                  # workers push their counters this often
    silence_s: float = 10.0               # a worker not heard of for this long is restarted
    backoff_s: float = 0.1                # first pause before a restart; doubles
    backoff_max_s: float = 5.0
    leave_s: float = 0.5                  # a stopping server says so in every answer for this long, then takes no connection any more
    drain_s: float = 5.0                  # requests at work may end when a worker stops
    log_lines_per_s: int = 20             # refusals and requests that one worker writes about; the rest is counted
    generations_kept: int = 32            # of the counters, per use case

    def to_json(self) -> str:
        """For a worker's command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Limits:
        return cls(**json.loads(text))

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        return cls(body_bytes_max=settings.serving_body_bytes_max, rows_max=settings.serving_rows_max,
                   inflight_max=settings.serving_inflight_max, workers=settings.serving_workers,
                   models_bytes_max=settings.serving_models_bytes_max)
