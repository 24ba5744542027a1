"""Open Inference Protocol, version 2: one named tensor per feature, as JSON (`null` means missing) or binary (NaN does).

Two more tensors are understood: `id` (BYTES, one request id per row) and `event_time` (BYTES, ISO 8601 with a zone). Without `id`,
a request's own id names its row; several rows become `<id>/0`, `<id>/1`, … One request is answered by one model; one refused row refuses
the request.
"""

from __future__ import annotations

from functools import cache, partial
from importlib.metadata import version as installed_version
from typing import TYPE_CHECKING, Any

from interlock.records.ids import new_id
from interlock.serving.admission import heed_timeout
from interlock.serving.batches import Large
from interlock.serving.fields import OWN
from interlock.serving.records import Row, check_records
from interlock.serving.shelf import Arm, Serving
from interlock.serving.tensor_replies import check_wanted, infer_reply, output_kinds, tell_batch, wants_reasons
from interlock.serving.tensors import RequestDecoder, columns_of, records_of, row_count
from interlock.serving.wire import Receive, Refusal, Scope

if TYPE_CHECKING:
    from interlock.serving.endpoint import Endpoint

DATATYPES = {"numeric": "FP64", "boolean": "BOOL", "category": "BYTES", "context": "BYTES"}


async def infer(endpoint: Endpoint, name: str, version: str | None, scope: Scope, receive: Receive) -> Any:
    """Answer a batch of tensors."""
    _arm(endpoint.serving(name), name, version)
    request = await endpoint.body(scope, receive, RequestDecoder(scope), endpoint.serving(name))
    if request.body.model_name not in (None, name) or request.body.model_version not in (None, version):
        raise Refusal(422, "the body names another model than the address", value=str(request.body.model_name)[:80], allowed=name)
    heed_timeout(request.body.parameters)
    request_id = request.body.id or new_id()
    serving = endpoint.serving(name)
    arm = _arm(serving, name, version) if version is not None else serving.arm_for(request_id)
    if arm is None:
        raise Refusal(503, f"use case '{name}' has no champion yet: nothing has been approved", headers={"retry-after": "5"})
    rows = row_count(request)
    check_wanted(request.body, arm.loaded.manifest, abstains=_abstains(serving))

    columns = cache(partial(columns_of, request, request_id, rows))
    by_row = version is None and serving.route.sticky_salt is not None  # each row says for itself which arm it belongs to

    def prepare() -> list[Row]:
        if by_row:
            found = _of_one_arm(check_records(serving, records_of(columns())))
            check_wanted(request.body, found[0].arm.loaded.manifest, abstains=_abstains(serving))
            return found
        return check_records(serving, records_of(columns()), arm)

    large = None if by_row else Large(columns, arm, partial(tell_batch, request.body))
    answers, captured = await endpoint.predict(serving, rows, prepare, explain=wants_reasons(request.body), large=large)
    return infer_reply(name, request_id, request.body, serving, answers, captured)


def _of_one_arm(rows: list[Row]) -> list[Row]:
    """One request is answered by one model; in an A/B test its rows have to belong to one arm."""
    if len({row.arm.name for row in rows}) > 1:
        raise Refusal(422, "the rows of this request belong to different arms of an A/B test", allowed="one entity per request, or the "
                      "records route /v1/{use_case}/predict")
    return rows


def server_metadata() -> dict[str, Any]:
    return {"name": "interlock", "version": installed_version("interlock-control"), "extensions": ["binary_tensor_data"]}


def model_metadata(endpoint: Endpoint, name: str, version: str | None) -> dict[str, Any]:
    """Inputs and outputs of the champion or of a named version; every version that may be asked for."""
    serving = endpoint.serving(name)
    arm = _arm(serving, name, version)
    if arm is None:
        raise Refusal(503, f"use case '{name}' has no champion yet: nothing has been approved", headers={"retry-after": "5"})
    manifest = arm.loaded.manifest
    needed = set(arm.loaded.inputs)
    inputs = [{"name": field, "datatype": DATATYPES[kind], "shape": [-1], "parameters": {"optional": field not in needed}}
              for field, kind in arm.loaded.fields.items()]
    inputs += [{"name": field, "datatype": "BYTES", "shape": [-1], "parameters": {"optional": True}} for field in OWN]
    kinds = output_kinds(manifest, abstains=_abstains(serving), explained=False)
    outputs: list[dict[str, Any]] = [{"name": output, "datatype": datatype, "shape": shape} for output, datatype, shape in kinds]
    if manifest.intervals is not None:
        levels = {"levels": [manifest.intervals.levels[0], manifest.intervals.levels[-1]]}
        outputs = [output | {"parameters": levels} if output["name"] == "interval" else output for output in outputs]
    by_group = manifest.group_thresholds
    versions = sorted(serving.versions | set(endpoint.shelf.older.versions(name)), key=int)
    return {"name": name, "versions": versions, "platform": "xgboost_ubj",
            "inputs": inputs, "outputs": outputs,
            "parameters": {"version": str(arm.slot.version), "digest": arm.slot.digest, "task": manifest.task, "title": manifest.title,
                           "threshold": manifest.threshold, "meaning": manifest.meaning, "moment": manifest.moment,
                           **({} if by_group is None else {"group_thresholds": by_group.model_dump()})}}


def model_ready(endpoint: Endpoint, name: str, version: str | None) -> dict[str, Any]:
    """200 when the model answers; 503 while nothing is approved."""
    if _arm(endpoint.serving(name), name, version) is None:
        raise Refusal(503, f"use case '{name}' has no champion yet: nothing has been approved", name=name, ready=False)
    return {"name": name, "ready": True}


def repository_index(endpoint: Endpoint) -> list[dict[str, Any]]:
    """Every use case and version that answers when asked, as `POST /v2/repository/index` gives them."""
    return [{"name": name, "version": version, "state": "READY", "reason": ""} for name, serving in sorted(endpoint.shelf.serving.items())
            for version in sorted(serving.versions, key=int)]


def _abstains(serving: Serving) -> bool:
    return serving.policy is not None and serving.policy.abstains


def _arm(serving: Serving, name: str, version: str | None) -> Arm | None:
    if version is None:
        return serving.champion
    found = serving.arm_of_version(version)
    if found is None:
        raise Refusal(404, f"version '{version[:40]}' of '{name}' does not answer here",
                      allowed=", ".join(sorted(serving.versions | set(serving.older), key=int)) or "none")
    return found
