"""After the scores: who answers where the model abstains, and the reasons that were asked for."""

from __future__ import annotations

from interlock.serving.abstaining import with_abstentions
from interlock.serving.answering import Answer
from interlock.serving.counters import Counters
from interlock.serving.reasons import with_reasons
from interlock.serving.shelf import Serving
from interlock.serving.wire import Refusal
from interlock.spec.serving import Serving as Options


def settled(serving: Serving, answers: list[Answer], counters: Counters, explain: bool) -> list[Answer]:
    """The answers as they are given."""
    if serving.policy is not None and serving.policy.abstains:
        answers = with_abstentions(serving, answers, counters)
    return with_reasons(answers) if explain else answers


def check_bound(options: Options, rows: int) -> None:
    """413 when reasons are asked for more records than the use case allows; 422 where it gives none."""
    if options.explain_rows_max == 0:
        raise Refusal(422, "this use case gives no reasons with its answers", allowed="a request without `explain`")
    if rows > options.explain_rows_max:
        raise Refusal(413, "reasons for too many records in one request", value=rows, allowed=f"{options.explain_rows_max} records")
