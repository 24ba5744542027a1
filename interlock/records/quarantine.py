"""Judging rows: which enter the snapshot, which are refused, and every reason why. Nothing is dropped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from interlock.modeling import schema
from interlock.modeling.times import event_times
from interlock.records.sources import RawRows
from interlock.records.tokens import tokens
from interlock.spec.data import FileSource
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

REFUSED = ("_reason", "_reasons", "_row_number", "_source", "_event_time", "_raw")


@dataclass(frozen=True)
class Origin:
    """Where rows come from: shown name, identity for row ids, official split, rows of the source before this file."""

    name: str
    identity: str
    split: str | None = None
    first_row: int = 0


@dataclass(frozen=True)
class Judged:
    """Rows that are in order (typed, with the system columns) and rows that are refused (as text, with their reasons)."""

    accepted: pl.DataFrame
    refused: pl.DataFrame

    def reasons(self) -> dict[str, int]:
        """How many rows each reason holds for; a row with two reasons counts under both."""
        import polars as pl

        if self.refused.is_empty():
            return {}
        counted = self.refused.select(pl.col("_reasons").explode()).to_series().value_counts().sort("_reasons")
        return {str(reason): int(count) for reason, count in counted.iter_rows()}


def judge_rows(raw: RawRows, use_case: UseCase, origin: Origin, *, now: datetime, key: bytes | None = None,
               taken: dict[str, pl.Series] | None = None, window: tuple[datetime | None, datetime | None] = (None, None)) -> Judged:
    """Judge the rows whose event time is in `window` (half-open; rows without an event time belong to the window without a start).

    `key` makes the tokens of subject columns; `taken` holds the values that unique columns had in earlier batches.
    """
    import polars as pl

    clean = schema.cleaned(raw.frame, use_case)
    frame = schema.typed(clean, use_case)
    times = event_times(frame, clean, use_case, first_row=origin.first_row, now=now)
    inside = _inside(times, window)
    first = window[0] is None
    if not inside.all():
        clean, frame, times, kept = clean.filter(inside), frame.filter(inside), times.filter(inside), raw.frame.filter(inside)
    else:
        kept = raw.frame
    public, kept = _tokenised(frame, clean, kept, use_case, key)
    reasons = _reasons(kept, clean, frame, public, times, use_case, taken or {})
    bad = pl.Series("bad", reasons["row"], dtype=pl.UInt32)
    mask = pl.int_range(kept.height, dtype=pl.UInt32, eager=True).is_in(bad.implode())
    accepted = _with_system_columns(public, frame, kept, times, use_case, origin).filter(~mask).sort("_event_time", maintain_order=True)
    refused = _refused(kept, times, reasons, origin)
    if first and raw.malformed.height:
        withheld = bool(use_case.by_role("subject"))  # a broken record cannot be told apart into fields, so nor can the person in it
        refused = pl.concat([refused, _malformed(raw.malformed, origin, withheld=withheld)], how="diagonal")
    return Judged(accepted, refused)


def _inside(times: pl.Series, window: tuple[datetime | None, datetime | None]) -> pl.Series:
    import polars as pl

    start, end = window
    inside = pl.Series([True] * len(times), dtype=pl.Boolean) if start is None else (times >= start).fill_null(False)
    return inside if end is None else inside & (times < end).fill_null(start is None)


def _tokenised(frame: pl.DataFrame, clean: pl.DataFrame, raw: pl.DataFrame, use_case: UseCase,
               key: bytes | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Typed rows and raw rows with tokens in place of subject values; a subject value is no longer in either."""
    for name in use_case.by_role("subject"):
        if key is None:
            raise ValueError(f"column '{name}' is a subject: judging needs the token key")
        made = tokens(clean[name], key, f"{use_case.name}/{name}").alias(name)
        frame, raw = frame.with_columns(made), raw.with_columns(made)
    return frame, raw


def _reasons(raw: pl.DataFrame, clean: pl.DataFrame, frame: pl.DataFrame, public: pl.DataFrame, times: pl.Series, use_case: UseCase,
             taken: dict[str, pl.Series]) -> pl.DataFrame:
    """One line per refused row: `row`, `_reasons` in the order of the columns and checks."""
    import polars as pl

    untypable = schema.untypable(clean, frame, use_case)
    broken = schema.violations(frame, use_case)
    wrong = untypable.select("row", pl.col("reason").str.replace("^type:", "missing:"))
    parts = [_too_long(raw, use_case), untypable, broken.join(wrong, on=["row", "reason"], how="anti"), _repeated(public, use_case, taken)]
    lost = pl.DataFrame({"row": times.is_null().arg_true()}).select(pl.col("row").cast(pl.UInt32), reason=pl.lit("event_time"))
    found = pl.concat([*(part.cast({"row": pl.UInt32}) for part in parts), lost])
    return found.unique(maintain_order=True).group_by("row", maintain_order=True).agg(pl.col("reason").alias("_reasons")).sort("row")


def _too_long(raw: pl.DataFrame, use_case: UseCase) -> pl.DataFrame:
    import polars as pl

    empty = pl.DataFrame(schema={"row": pl.UInt32, "reason": pl.String})
    if not isinstance(use_case.source, FileSource):
        return empty
    limit = use_case.source.cell_bytes_max
    longest = raw.select(pl.col(list(use_case.columns)).str.len_bytes().max()).row(0, named=True)
    numbered = raw.with_row_index("row")
    return pl.concat([empty, *(numbered.filter(pl.col(name).str.len_bytes() > limit).select("row", reason=pl.lit(f"too_long:{name}"))
                               for name, length in longest.items() if (length or 0) > limit)])


def _repeated(frame: pl.DataFrame, use_case: UseCase, taken: dict[str, pl.Series]) -> pl.DataFrame:
    import polars as pl

    found = [pl.DataFrame(schema={"row": pl.UInt32, "reason": pl.String})]
    for name, column in use_case.columns.items():
        if not column.unique:
            continue
        values = frame[name]
        again = ~values.is_first_distinct()
        if name in taken:
            again = again | values.is_in(taken[name].implode())
        rows = (again & values.is_not_null()).fill_null(False).arg_true()
        found.append(pl.DataFrame({"row": rows}).select(pl.col("row").cast(pl.UInt32), reason=pl.lit(f"unique:{name}")))
    return pl.concat(found)


def _with_system_columns(public: pl.DataFrame, frame: pl.DataFrame, raw: pl.DataFrame, times: pl.Series, use_case: UseCase,
                         origin: Origin) -> pl.DataFrame:
    import polars as pl

    label = schema.labels(frame, use_case)
    return public.with_columns(
        pl.concat_str(pl.lit(origin.identity + "-"), raw["_row_number"].cast(pl.String).str.zfill(9)).alias("_row_id"),
        times,
        # What a row holds is known at its prediction moment, by declaration (role = "later" says what is not).
        times.alias("_seen_time"),
        label,
        pl.when(label.is_not_null()).then(times + use_case.label_delay).alias("_label_seen_time"),
        pl.lit(origin.split, dtype=pl.String).alias("_split"),
    )


def _refused(raw: pl.DataFrame, times: pl.Series, reasons: pl.DataFrame, origin: Origin) -> pl.DataFrame:
    import polars as pl

    rows = raw.with_columns(times).with_row_index("_at").join(reasons, left_on="_at", right_on="row", how="inner", maintain_order="left")
    return rows.drop("_at").select(
        pl.col("_reasons").list.first().alias("_reason"), "_reasons", "_row_number", pl.lit(origin.name).alias("_source"), "_event_time",
        pl.lit(None, dtype=pl.String).alias("_raw"), pl.exclude(*REFUSED))


def _malformed(rows: pl.DataFrame, origin: Origin, *, withheld: bool) -> pl.DataFrame:
    import polars as pl

    if withheld:
        size = pl.col("_raw").str.len_bytes()
        rows = rows.with_columns(_raw=pl.format("withheld: {} bytes that may name a person; see the source", size))
    return rows.select("_reason", pl.concat_list("_reason").alias("_reasons"), "_row_number", pl.lit(origin.name).alias("_source"),
                       pl.lit(None, dtype=pl.Datetime("us", "UTC")).alias("_event_time"), "_raw")
