"""What the outcomes of a window's rows were when it was judged, so that a corrected one is noticed though their number stays the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from interlock.rules.canonical import digest_bytes

if TYPE_CHECKING:
    import polars as pl

KEY = "told"  # in a window's `reports`


class Outcomes(BaseModel):
    """Number, content and age of the outcomes that were known."""

    model_config = ConfigDict(frozen=True)

    known: int
    digest: str
    learned_ms: int  # sum over the outcomes of when each was learned: a correction is learned later than what it corrects, or then

    def correct(self, reports: Mapping[str, Any]) -> bool:
        """Whether as many outcomes as in a recorded window say something else, and none of them is older.

        Looking back from an earlier moment gives back what was corrected since: its sum is smaller, and the record stays. Windows recorded
        before outcomes were kept are never corrected.
        """
        before = reports.get(KEY)
        if before is None:
            return False
        recorded = Outcomes.model_validate(before)
        return self.known == recorded.known and self.digest != recorded.digest and self.learned_ms >= recorded.learned_ms


def outcomes_of(rows: pl.DataFrame) -> Outcomes:
    """Of rows joined with their labels: `_request_id`, `_label` (null: not known) and `_label_seen_time`."""
    import polars as pl

    told = rows.filter(pl.col("_label").is_not_null()).sort("_request_id")
    lines = told.select(pl.concat_str(pl.col("_request_id"), pl.col("_label").cast(pl.String), separator="\t")).to_series()
    learned = told["_label_seen_time"].dt.epoch("ms").sum()
    return Outcomes(known=told.height, digest=digest_bytes("\n".join(lines).encode()), learned_ms=int(learned))
