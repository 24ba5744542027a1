"""`POST /v1/{use_case}/predict` and `POST /v1/{use_case}/labels`: plain JSON records."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from interlock.modeling.package import Manifest
from interlock.rules.routes import Slot
from interlock.serving.batches import Large, Ready
from interlock.serving.capturing import Captured
from interlock.serving.records import ID_CHARACTERS_MAX, Aside, check_records, read_time
from interlock.serving.shelf import Serving
from interlock.serving.wire import Receive, Refusal, Scope

if TYPE_CHECKING:
    from interlock.serving.endpoint import Endpoint


class PredictBody(msgspec.Struct, forbid_unknown_fields=True):
    """Records to be answered, in order; `explain` asks for the reasons of each answer."""

    records: list[dict[str, Any]]
    explain: bool = False


class LabelsBody(msgspec.Struct, forbid_unknown_fields=True):
    """Outcomes of earlier requests."""

    labels: list[dict[str, Any]]


_predict = msgspec.json.Decoder(PredictBody)
_labels = msgspec.json.Decoder(LabelsBody)


async def predict(endpoint: Endpoint, use_case: str, scope: Scope, receive: Receive) -> dict[str, Any]:
    """Answer records. The whole request is refused when one record is, unless the use case says `batch = "each"`."""
    body = await endpoint.body(scope, receive, _predict, endpoint.serving(use_case))
    serving = _ready(endpoint, use_case)
    if not body.records:
        raise Refusal(422, "there is no record in the request", allowed=f"1 to {endpoint.limits.rows_max} records")
    aside = Aside() if serving.policy is not None and serving.policy.each else None
    answers, captured = await endpoint.predict(serving, len(body.records), lambda: check_records(serving, body.records, aside=aside),
                                               explain=body.explain, large=Large(lambda: body.records))
    if isinstance(answers, Ready):
        slot = answers.batch.arm.slot
        reply = _reply(use_case, slot, serving, captured, answers.said)
        return reply if aside is None else reply | {"refused": 0}
    slots = {answer.row.arm.slot.digest: answer.row.arm.slot for answer in answers}
    slot = next(iter(slots.values())) if len(slots) == 1 else serving.arms["champion"].slot
    said = [answer.as_json(answer.scores is not None) for answer in answers]
    reply = _reply(use_case, slot, serving, captured, said)
    return reply if aside is None else reply | _in_place(endpoint, len(body.records), said, aside)


def _reply(use_case: str, slot: Slot, serving: Serving, captured: Captured, said: Any) -> dict[str, Any]:
    return {"use_case": use_case, "version": slot.version, "digest": slot.digest, "generation": serving.route.generation,
            "captured": captured, "predictions": said}


def _in_place(endpoint: Endpoint, records: int, said: list[dict[str, Any]], aside: Aside) -> dict[str, Any]:
    """`predictions` with the refused records' problems in their places, and how many there are; counts them."""
    for arm, number in aside.by_arm:
        arm.counts(endpoint.counters).refused(number)
    answered = iter(said)
    predictions = [{"error": "this record does not fit", "problems": aside.problems[place]} if place in aside.problems else next(answered)
                   for place in range(records)]
    return {"predictions": predictions, "refused": len(aside.problems)}


async def labels(endpoint: Endpoint, use_case: str, scope: Scope, receive: Receive) -> dict[str, Any]:
    """Write outcomes down. A label that cannot be recorded is refused with 503, so that the sender tries again."""
    endpoint.serving(use_case)
    body = await endpoint.body(scope, receive, _labels)
    manifest = _ready(endpoint, use_case).arms["champion"].loaded.manifest
    if not 0 < len(body.labels) <= endpoint.limits.rows_max:
        raise Refusal(413 if body.labels else 422, "wrong number of labels in one request", value=len(body.labels),
                      allowed=f"1 to {endpoint.limits.rows_max}")
    now = datetime.now(UTC)
    problems: list[dict[str, Any]] = []
    rows = [_label(manifest, place, label, now, problems) for place, label in enumerate(body.labels)]
    if problems:
        first = problems[0]
        raise Refusal(422, f"label {first['record']}: field '{first['field']}' {first['problem']}", problems=problems[:20])
    if not await endpoint.capture.record(use_case, {"kind": "labels", "rows": rows}, len(rows)):
        raise Refusal(503, "the labels cannot be recorded now", headers={"retry-after": "1"})
    return {"accepted": len(rows), "captured": True}


def _ready(endpoint: Endpoint, use_case: str) -> Serving:
    """The newest route after the body has arrived; 503 when it has no champion."""
    serving = endpoint.serving(use_case)
    if serving.champion is None:
        raise Refusal(503, f"use case '{use_case}' has no champion yet: nothing has been approved", headers={"retry-after": "5"})
    return serving


def _label(manifest: Manifest, place: int, label: dict[str, Any], now: datetime, problems: list[dict[str, Any]]) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    request_id, value = label.get("id"), label.get("label")
    if isinstance(request_id, int) and not isinstance(request_id, bool) and abs(request_id) < 2**63:
        request_id = str(request_id)
    if not isinstance(request_id, str) or not 0 < len(request_id) <= ID_CHARACTERS_MAX:
        found.append({"field": "id", "problem": "is not the id of a prediction", "value": repr(request_id)[:100], "allowed": "a text"})
    outcome, allowed = _outcome(manifest, value)
    if outcome is None:
        found.append({"field": "label", "problem": "is not an outcome of this use case", "value": repr(value)[:100], "allowed": allowed})
    seen = read_time(label.get("label_seen_time"), "label_seen_time", now, found)
    unknown = sorted(set(label) - {"id", "label", "label_seen_time"})
    if unknown:
        found.append({"field": unknown[0][:100], "problem": "is not a field of a label", "value": "",
                      "allowed": "id, label, label_seen_time"})
    problems += [{"record": place, **problem} for problem in found]
    return {"_request_id": request_id, "_label": outcome, "_label_seen_time": seen, "_received_at": now}


def _outcome(manifest: Manifest, value: Any) -> tuple[float | str | None, str]:
    """The label as it is stored, None when it is none; and what is allowed."""
    if manifest.task == "multiclass":
        return value if isinstance(value, str) and value in manifest.classes else None, ", ".join(manifest.classes)
    if manifest.task == "binary":
        return float(value) if isinstance(value, (int, float)) and value in (0, 1) else None, "0 or 1"
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300 and math.isfinite(value)
    return float(value) if is_number else None, "a finite number"
