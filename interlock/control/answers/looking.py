"""One captured answer looked at by a person with the right to see rows: explained in a process apart, and asked "what if" of the server.

Neither loads a model where it is called, so that the control room stays small and a broken model cannot take it down. The right is
checked here, whoever calls.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

from interlock.control.access.people import Person, permit
from interlock.errors import DataError, InterlockError, PackageError, Unavailable
from interlock.serving.client import ServingClient
from interlock.settings import Settings
from interlock.spec.usecase import UseCase

RIGHT = "see rows"
TIMEOUT_S = 60.0
AT_ONCE = 2           # explanations at work in this process
VALUES_MAX = 2_000    # fields of a what-if question
KINDS: dict[str, type[InterlockError]] = {kind.__name__: kind for kind in (DataError, PackageError, Unavailable)}
_turns = threading.BoundedSemaphore(AT_ONCE)


def explain_apart(settings: Settings, actor: str | Person, use_case: UseCase, request_id: str, *, timeout_s: float = TIMEOUT_S
                  ) -> dict[str, Any]:
    """`explaining.Explanation.as_json` of a captured request, made by a child process.

    Raises `DecisionRefused` without the right, `Unavailable` when two others are at work or it takes more than `timeout_s`, and what
    `explain_request` raises.
    """
    permit(settings, actor, RIGHT)
    if not _turns.acquire(blocking=False):
        raise Unavailable("other answers are being explained right now", allowed=f"{AT_ONCE} at once", next_step="ask again in a moment")
    try:
        return _asked(settings, use_case, request_id, timeout_s)
    finally:
        _turns.release()


def what_if(settings: Settings, actor: str | Person, use_case: str, record: Mapping[str, Any], digest: str | None = None
            ) -> dict[str, Any]:
    """What the prediction server would answer to this record (`serving.what_if.looked_at`): not captured, not counted.

    `digest`: the package to ask; None: the champion. Raises `DecisionRefused` without the right, `DataError` for values that do not fit,
    `PackageError` where that model is not loaded, `Unavailable` where the server does not answer or has too many questions.
    """
    permit(settings, actor, RIGHT)
    if len(record) > VALUES_MAX:
        raise DataError("too many fields in one question", value=len(record), allowed=f"{VALUES_MAX:,}")
    with ServingClient(settings) as client:
        return client.what_if(use_case, dict(record), digest)


def _asked(settings: Settings, use_case: UseCase, request_id: str, timeout_s: float) -> dict[str, Any]:
    question = json.dumps({"use_case": use_case.model_dump(mode="json", exclude_unset=True), "request": request_id})
    command = [sys.executable, "-m", "interlock.control.answers.looking_child"]
    environment = dict(os.environ) | {"INTERLOCK_HOME": str(settings.home.resolve()), "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, input=question.encode(), capture_output=True, timeout=timeout_s, check=False,  # noqa: S603 - ours
                              env=environment)
    except subprocess.TimeoutExpired as error:
        raise Unavailable("the explanation was not made in time", value=f"{timeout_s:g} s",
                          next_step=f"interlock explain {use_case.name} --request {request_id}") from error
    try:
        reply = json.loads(done.stdout)
    except ValueError as error:
        told = done.stderr.decode(errors="replace").strip().rpartition("\n")[2][-300:]
        raise Unavailable("the process that explains ended without an answer", value=told or f"exit code {done.returncode}",
                          next_step=f"interlock explain {use_case.name} --request {request_id}") from error
    if "error" in reply:
        raise KINDS.get(reply["kind"], InterlockError)(reply["error"], value=reply["value"], allowed=reply["allowed"],
                                                       next_step=reply["next_step"])
    return dict(reply["found"])
