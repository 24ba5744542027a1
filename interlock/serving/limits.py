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
    models_max: int = 256                 # packages loaded at once
    probe_timeout_s: float = 60.0         # golden rows in a child process
    prepare_timeout_s: float = 30.0       # a worker that has not loaded a route by then is restarted
    switch_timeout_s: float = 1.0         # a worker that has not switched by then is restarted
    start_timeout_s: float = 30.0
    beat_s: float = 0.25                  # workers push their counters this often
    silence_s: float = 10.0               # a worker not heard of for this long is restarted
    backoff_s: float = 0.1                # first pause before a restart; doubles
    backoff_max_s: float = 5.0
    drain_s: float = 5.0                  # requests at work may end when a worker stops
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
                   inflight_max=settings.serving_inflight_max)
