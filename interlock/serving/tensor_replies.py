"""Answers of the Open Inference Protocol: the outputs that were asked for, as JSON or binary tensors."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec

from interlock.modeling.package import Manifest
from interlock.serving.answering import Answer
from interlock.serving.batches import Batch, Ready
from interlock.serving.binary_tensors import encoded
from interlock.serving.capturing import Captured
from interlock.serving.shelf import Arm, Serving
from interlock.serving.tensors import InferBody
from interlock.serving.wire import Content, Refusal, encode_json

NOBODY = {"INT64": -1, "BYTES": "", "FP64": None}  # a prediction that no model and no rule made


@dataclass(frozen=True)
class Output:
    """One output tensor."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any]


@dataclass(frozen=True)
class Told:
    """What a reply says of its rows. `tail`: the bytes after the JSON; None where nothing was asked for in binary."""

    outputs: list[dict[str, Any]]
    tail: bytes | None
    ids: Any
    flags: Any


def output_kinds(manifest: Manifest, *, abstains: bool, explained: bool) -> list[tuple[str, str, list[int]]]:
    """Name, datatype and shape of each output; -1 stands for the number of rows."""
    found = [("score", "FP64", [-1]), ("prediction", {"binary": "INT64", "regression": "FP64"}.get(manifest.task, "BYTES"), [-1])]
    if manifest.task == "multiclass":
        found.append(("scores", "FP64", [-1, len(manifest.classes)]))
    if manifest.intervals is not None:
        found.append(("interval", "FP64", [-1, 2]))
    if abstains:
        found += [("abstained", "BOOL", [-1]), ("answered_by", "BYTES", [-1]), ("reason", "BYTES", [-1])]
    return [*found, ("reasons", "BYTES", [-1])] if explained else found


def wants_reasons(body: InferBody) -> bool:
    """Whether reasons were asked for: by the parameter `explain`, or by naming the output."""
    return body.parameters.get("explain") is True or any(wanted.name == "reasons" for wanted in body.outputs or [])


def check_wanted(body: InferBody, manifest: Manifest, *, abstains: bool) -> None:
    """422 when an output is asked for that there is not, or in a way that is not understood. Before anything is scored."""
    known = [name for name, _, _ in output_kinds(manifest, abstains=abstains, explained=True)]
    seen: set[str] = set()
    for wanted in body.outputs or []:
        if wanted.name in seen:  # a reply of any size could be asked for
            raise Refusal(422, f"output '{wanted.name[:80]}' is asked for twice", allowed="each once")
        seen.add(wanted.name)
        if wanted.name not in known:
            raise Refusal(422, f"there is no output '{wanted.name[:80]}'", allowed=", ".join(known))
        odd = [name for name in wanted.parameters if name.startswith("shared_memory") or name == "classification"]
        if odd:
            raise Refusal(422, f"output '{wanted.name}' is asked for in a way that is not understood", value=odd[0],
                          allowed="binary_data")
        _is_flag(wanted.parameters, "binary_data")
    _is_flag(body.parameters, "binary_data_output")
    _is_flag(body.parameters, "explain")


def infer_reply(name: str, request_id: str, body: InferBody, serving: Serving, answers: list[Answer] | Ready, captured: Captured) -> Any:
    """The reply: JSON, or JSON and bytes where an output was asked for in binary. What a batch says was made with its answers."""
    if isinstance(answers, Ready):
        return _reply(name, request_id, answers.batch.arm, serving, captured, answers.said, {})
    slots = [answer.row.arm.slot for answer in answers]
    several = any(slot != slots[0] for slot in slots)  # the champion answers rows from which the candidate abstained
    arm = asked(answers[0]) if several else answers[0].row.arm
    outputs, tail = _as_wanted(body, _outputs(answers, explained=wants_reasons(body)))
    told = Told(outputs, tail, [answer.row.id for answer in answers], [answer.flags for answer in answers])
    more = {"versions": [str(slot.version) for slot in slots], "digests": [slot.digest for slot in slots]} if several else {}
    return _reply(name, request_id, arm, serving, captured, told, more)


def tell_batch(body: InferBody, batch: Batch) -> Told:
    """What the reply says of a batch by column."""
    values: dict[str, list[Any]] = {"score": batch.score, "prediction": batch.prediction,
                                    "scores": list(chain.from_iterable(batch.scores or [])),
                                    "interval": list(chain.from_iterable(batch.interval or []))}
    kinds = output_kinds(batch.arm.loaded.manifest, abstains=False, explained=False)
    outputs, tail = _as_wanted(body, [Output(name, datatype, [len(batch), *shape[1:]], values[name]) for name, datatype, shape in kinds])
    packed = [one | {"data": msgspec.Raw(encode_json(one["data"]))} if "data" in one else one for one in outputs]
    return Told(packed, tail, msgspec.Raw(encode_json(batch.columns.ids)), msgspec.Raw(encode_json(batch.flags_by_row)))


def _reply(name: str, request_id: str, arm: Arm, serving: Serving, captured: Captured, told: Told, more: dict[str, Any]) -> Any:
    parameters = {"digest": arm.slot.digest, "generation": serving.route.generation, "arm": arm.name, "captured": captured,
                  "ids": told.ids, "flags": told.flags}
    head: dict[str, Any] = {"model_name": name, "model_version": str(arm.slot.version), "id": request_id, "outputs": told.outputs,
                            "parameters": parameters | more}
    if told.tail is None:
        return head
    text = encode_json(head)
    return Content(text + told.tail, "application/octet-stream", {"inference-header-content-length": str(len(text))})


def _as_wanted(body: InferBody, known: list[Output]) -> tuple[list[dict[str, Any]], bytes | None]:
    """The outputs that were asked for, and the bytes of those in binary."""
    found = {output.name: output for output in known}
    by_default = body.parameters.get("binary_data_output") is True
    chosen = [(found[wanted.name], wanted.parameters.get("binary_data", by_default)) for wanted in body.outputs or []] or [
        (output, by_default) for output in known]
    outputs, tail = [], []
    for output, is_binary in chosen:
        told: dict[str, Any] = {"name": output.name, "datatype": output.datatype, "shape": output.shape}
        if is_binary:
            tail.append(encoded(output.datatype, output.data))
            told["parameters"] = {"binary_data_size": len(tail[-1])}
        else:
            told["data"] = output.data
        outputs.append(told)
    return outputs, b"".join(tail) if tail or any(is_binary for _, is_binary in chosen) else None


def _outputs(answers: list[Answer], *, explained: bool) -> list[Output]:
    first, rows = answers[0], len(answers)
    kinds = output_kinds(asked(first).loaded.manifest, abstains=first.outcome is not None, explained=explained)
    return [Output(name, datatype, [rows, *shape[1:]], _column(name, datatype, shape, answers)) for name, datatype, shape in kinds]


def _column(name: str, datatype: str, shape: list[int], answers: list[Answer]) -> list[Any]:
    if name == "reasons":
        return ["" if answer.reasons is None else encode_json(answer.reasons).decode() for answer in answers]
    if answers[0].outcome is None:
        values = [getattr(answer, name) for answer in answers]
        return [item for value in values for item in value or []] if len(shape) > 1 else values
    bodies = [answer.as_json(answer.scores is not None) for answer in answers]
    if len(shape) > 1:
        return [value for body in bodies for value in _as_wide(body.get(name), shape[1])]
    if name == "prediction":
        return [NOBODY[datatype] if body[name] is None else body[name] for body in bodies]
    return [body.get(name, "") for body in bodies]


def asked(answer: Answer) -> Arm:
    """The arm that the request went to; where it abstained and the champion answers, not the one that answered."""
    outcome = answer.outcome
    return outcome.arm if outcome is not None and outcome.answered_by == "champion" and outcome.arm is not None else answer.row.arm


def _as_wide(values: list[Any] | None, width: int) -> list[Any]:
    """A row of the tensor: nothing where nothing was answered, or where another model, which answered, has another number of values."""
    return values if values is not None and len(values) == width else [None] * width


def _is_flag(parameters: dict[str, Any], name: str) -> None:
    if not isinstance(parameters.get(name, False), bool):
        raise Refusal(422, f"the parameter '{name}' is no flag", value=repr(parameters[name])[:40], allowed="true, false")
