"""OpenTelemetry traces of the predictions port: spans that continue the caller's `traceparent`, sampled, sent to an OTLP/HTTP collector.

Off unless an address is configured; the SDK is imported only then. A caller's sampling decision is followed; without one, the setting's
share is taken. Spans hold names and figures, no data: POST (server) with `encode+score` and `capture` inside. They are made after
the answer has gone out, from the moments noted on the way, so that a traced request costs its client nothing.
"""

from __future__ import annotations

import json
import logging
import urllib.request
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from interlock.serving.admission import Notes
from interlock.serving.wire import Scope

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

log = logging.getLogger("interlock.serving")
EXPORT_S = 5.0
QUEUE_MAX, BATCH_MAX, PAUSE_MS = 2_048, 512, 1_000
NAME = "interlock-serving"


class Traces:
    """Makes and sends the spans of one worker."""

    def __init__(self, exporter: SpanExporter, share: float) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        resource = Resource({"service.name": NAME, "service.version": version("interlock-control")})
        self._provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(share)), resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(
            exporter, max_queue_size=QUEUE_MAX, max_export_batch_size=BATCH_MAX, schedule_delay_millis=PAUSE_MS))
        self._tracer = self._provider.get_tracer(NAME)
        self._propagator = TraceContextTextMapPropagator()

    def request(self, scope: Scope, notes: Notes, parent: bytes | None, request_id: str, began_ns: int, status: int, took_s: float) -> None:
        """The spans of one request, if it is sampled."""
        from opentelemetry.trace import SpanKind, Status, StatusCode

        context = self._propagator.extract({"traceparent": parent.decode()}) if parent else None
        span = self._tracer.start_span(f"{scope['method']} {_address(notes)}", context, SpanKind.SERVER, start_time=began_ns)
        if not span.is_recording():
            return
        found = {"http.request.method": scope["method"], "http.response.status_code": status, "interlock.use_case": notes.use_case,
                 "interlock.version": notes.version, "interlock.arm": notes.arm, "interlock.rows": notes.rows,
                 "interlock.refusal": notes.reason, "interlock.request_id": request_id}
        span.set_attributes({name: value for name, value in found.items() if value not in ("", None, 0)})
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR, notes.reason or None))
        self._inner(span, notes, began_ns + int(took_s * 1e9))
        span.end(began_ns + int(took_s * 1e9))

    def close(self) -> None:
        """Send what waits, within `EXPORT_S`."""
        self._provider.force_flush(int(EXPORT_S * 1_000))
        self._provider.shutdown()

    def _inner(self, span: Span, notes: Notes, ended_ns: int) -> None:
        """The two parts; their moments are laid out back from the end of the request."""
        from opentelemetry.trace import set_span_in_context

        inside = set_span_in_context(span)
        for name, start, end in (("encode+score", notes.began, notes.scored), ("capture", notes.scored, notes.captured)):
            if start and end:
                part = self._tracer.start_span(name, inside, start_time=ended_ns - int((notes.ended - start) * 1e9))
                part.end(ended_ns - int((notes.ended - end) * 1e9))


def traces_to(url: str, share: float) -> Traces:
    """Traces sent to an OTLP/HTTP collector as JSON (OpenTelemetry protocol 1.x, `http/json`)."""
    return Traces(_exporter(url), share)


def _exporter(url: str) -> SpanExporter:
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class JsonExporter(SpanExporter):
        """Posts batches from the processor's own thread. A collector that is away costs spans, never an answer."""

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            request = urllib.request.Request(url, json.dumps(payload(spans)).encode(), {"content-type": "application/json"})  # noqa: S310
            try:
                with urllib.request.urlopen(request, timeout=EXPORT_S):  # noqa: S310 - the setting allows http and https only
                    return SpanExportResult.SUCCESS
            except OSError as error:
                log.warning("%d spans are lost: the trace collector does not take them (%s)", len(spans), type(error).__name__)
                return SpanExportResult.FAILURE

        def shutdown(self) -> None:
            """Nothing is kept open."""

    return JsonExporter()


def payload(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """`ExportTraceServiceRequest` in the protocol's JSON: ids in hexadecimal, 64-bit numbers as text."""
    first = spans[0]
    return {"resourceSpans": [{
        "resource": {"attributes": _attributes(dict(first.resource.attributes))},
        "scopeSpans": [{"scope": {"name": NAME}, "spans": [_span(span) for span in spans]}]}]}


def _span(span: ReadableSpan) -> dict[str, Any]:
    context = span.get_span_context()
    ids = {} if context is None else {"traceId": f"{context.trace_id:032x}", "spanId": f"{context.span_id:016x}"}
    body = {**ids, "name": span.name, "kind": span.kind.value + 1,
            "startTimeUnixNano": str(span.start_time), "endTimeUnixNano": str(span.end_time),
            "attributes": _attributes(dict(span.attributes or {})), "status": {"code": span.status.status_code.value}}
    return body | ({"parentSpanId": f"{span.parent.span_id:016x}"} if span.parent is not None else {})


def _attributes(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}}
            for name, value in found.items()]


def _address(notes: Notes) -> str:
    """What was asked, with few different values: the use case, or nothing."""
    return notes.use_case or "/"
