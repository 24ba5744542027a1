"""Explain one captured request in a process of its own: `python -m interlock.control.answers.looking_child`.

The question comes on standard input. Read is {"use_case", "request"}; written is {"found"} or the error as {"error", "kind", "value",
"allowed", "next_step"}, as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

if __name__ == "__main__":  # who imports this module keeps both
    for _heavy in ("pandas", "sklearn"):  # XGBoost imports both where it can, and does without
        sys.modules[_heavy] = None  # type: ignore[assignment]

from interlock.control.answers.explaining import explain_request
from interlock.errors import InterlockError
from interlock.settings import load_settings
from interlock.spec.usecase import UseCase


def main() -> int:
    """Child: 0 with an answer, also where it is an error that was raised on purpose."""
    question = json.loads(sys.stdin.read())
    try:
        use_case = UseCase.model_validate(question["use_case"])
        reply: dict[str, Any] = {"found": explain_request(load_settings(), use_case, question["request"]).as_json()}
    except InterlockError as error:
        value = None if error.value is None else str(error.value)[:500]
        reply = {"error": error.what, "kind": type(error).__name__, "value": value, "allowed": error.allowed, "next_step": error.next_step}
    sys.stdout.write(json.dumps(reply, ensure_ascii=False, allow_nan=False, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
