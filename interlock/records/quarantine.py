"""Judging rows: which enter the snapshot, which are refused, and every reason why. Nothing is dropped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from interlock.modeling import schema
from interlock.modeling.times import event_times
from interlock.records.sources import RawRows
from interlock.records.tokens import tokens
from interlock.records.uniqueness import Seen
from interlock.spec.data import FileSource
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

Window = tuple[datetime | None, datetime | None]
NINE_DIGITS = 1_000_000_000
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
               taken: Seen | None = None, window: Window = (None, None)) -> Judged:
    """Judge the rows whose event time is in `window` (half-open; rows without an event time belong to the window without a start).

    `key` makes the tokens of subject columns; `taken` holds the values that unique columns had before, and gets those of these rows.
    """
    clean = schema.cleaned(raw.frame, use_case)
    frame = schema.typed(clean, use_case)
    times = event_times(frame, clean, use_case, first_row=origin.first_row, now=now)
    inside, kept = inside_window(times, window), raw.frame
    if not inside.all():
        clean, frame, times, kept = clean.filter(inside), frame.filter(inside), times.filter(inside), raw.frame.filter(inside)
    public, kept = tokenised(frame, clean, kept, use_case, key)
    found = reasons(kept, clean, frame, public, times, use_case, repeated(public, use_case, taken))
    refused = [refused_rows(kept, times, found, origin)]
    if window[0] is None:
        refused.append(malformed_rows(raw.malformed, origin, use_case))
    return Judged(accepted_rows(public, frame, kept["_row_number"], times, found["row"], use_case, origin), stacked(refused))


def stacked(refused: list[pl.DataFrame]) -> pl.DataFrame:
    """The refused rows together; an empty part adds no column."""
    import polars as pl

    return pl.concat([refused[0], *(part for part in refused[1:] if part.height)], how="diagonal")


def inside_window(times: pl.Series, window: Window) -> pl.Series:
    """Which rows belong to the window."""
    import polars as pl

    start, end = window
    inside = pl.Series([True] * len(times), dtype=pl.Boolean) if start is None else (times >= start).fill_null(False)
    return inside if end is None else inside & (times < end).fill_null(start is None)


def tokenised(frame: pl.DataFrame, clean: pl.DataFrame, raw: pl.DataFrame, use_case: UseCase,
              key: bytes | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Typed rows and raw rows with tokens in place of subject values; a subject value is no longer in either."""
    for name in use_case.by_role("subject"):
        if key is None:
            raise ValueError(f"column '{name}' is a subject: judging needs the token key")
        made = tokens(clean[name], key, f"{use_case.name}/{name}").alias(name)
        frame, raw = frame.with_columns(made), raw.with_columns(made)
    return frame, raw


def reasons(raw: pl.DataFrame, clean: pl.DataFrame, frame: pl.DataFrame, public: pl.DataFrame, times: pl.Series, use_case: UseCase,
            again: pl.DataFrame) -> pl.DataFrame:
    """One line per refused row: `row`, `_reasons` in the order of the columns and checks."""
    import polars as pl

    untypable = schema.untypable(clean, frame, use_case)
    broken = schema.violations(frame, use_case)
    wrong = untypable.select("row", pl.col("reason").str.replace("^type:", "missing:"))
    parts = [_too_long(raw, use_case), untypable, broken.join(wrong, on=["row", "reason"], how="anti"), again]
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


def repeated(public: pl.DataFrame, use_case: UseCase, taken: Seen | None) -> pl.DataFrame:
    """Rows (`row`, `reason`) whose value of a unique column occurred before; `taken` then knows the values of these rows too."""
    import polars as pl

    found = [pl.DataFrame(schema={"row": pl.UInt32, "reason": pl.String})]
    for name, column in use_case.columns.items():
        if not column.unique:
            continue
        values = public[name]
        again = ~values.is_first_distinct() & values.is_not_null()
        if taken is not None:
            again = again | taken.known(values)
            taken.add(values)
        rows = again.arg_true()
        found.append(pl.DataFrame({"row": rows}).select(pl.col("row").cast(pl.UInt32), reason=pl.lit(f"unique:{name}")))
    return pl.concat(found)


def accepted_rows(public: pl.DataFrame, frame: pl.DataFrame, numbers: pl.Series, times: pl.Series, bad: pl.Series, use_case: UseCase,
                  origin: Origin) -> pl.DataFrame:
    """The rows at all places but `bad`, with the system columns, by event time and then source order."""
    import polars as pl

    label = schema.labels(frame, use_case)
    if len(bad):
        keep = ~pl.int_range(frame.height, dtype=pl.UInt32, eager=True).is_in(bad.cast(pl.UInt32).implode())
        public, numbers, times, label = public.filter(keep), numbers.filter(keep), times.filter(keep), label.filter(keep)
    made = public.with_columns(
        _row_ids(numbers, origin),
        times,
        # What a row holds is known at its prediction moment, by declaration (role = "later" says what is not).
        times.alias("_seen_time"),
        label,
        pl.when(label.is_not_null()).then(times + use_case.label_delay).alias("_label_seen_time"),
        pl.lit(origin.split, dtype=pl.String).alias("_split"),
    )
    return made if times.is_sorted() else made.sort("_event_time", maintain_order=True)


def _row_ids(numbers: pl.Series, origin: Origin) -> pl.Series:
    """Identity of the file and number of the row, at least nine digits of it."""
    import polars as pl

    number = pl.col("number").cast(pl.Int64)
    digits = number.cast(pl.String).str.zfill(9)
    if (numbers.max() or 0) < NINE_DIGITS:  # type: ignore[operator]
        digits = (number + NINE_DIGITS).cast(pl.String).str.slice(1)  # the same text in half the time
    return numbers.alias("number").to_frame().select(pl.concat_str(pl.lit(origin.identity + "-"), digits).alias("_row_id")).to_series()


def refused_rows(raw: pl.DataFrame, times: pl.Series, found: pl.DataFrame, origin: Origin) -> pl.DataFrame:
    """The rows that have reasons, as text with all of them."""
    import polars as pl

    at = found["row"].cast(pl.UInt32)
    return raw[at].with_columns(times.gather(at), found["_reasons"]).select(
        pl.col("_reasons").list.first().alias("_reason"), "_reasons", "_row_number", pl.lit(origin.name).alias("_source"), "_event_time",
        pl.lit(None, dtype=pl.String).alias("_raw"), pl.exclude(*REFUSED))


def malformed_rows(rows: pl.DataFrame, origin: Origin, use_case: UseCase) -> pl.DataFrame:
    """Broken records as refused rows; withheld where there are people, for nobody can tell a broken record's fields apart."""
    import polars as pl

    if use_case.by_role("subject"):
        size = pl.col("_raw").str.len_bytes()
        rows = rows.with_columns(_raw=pl.format("withheld: {} bytes that may name a person; see the source", size))
    return rows.select("_reason", pl.concat_list("_reason").alias("_reasons"), "_row_number", pl.lit(origin.name).alias("_source"),
                       pl.lit(None, dtype=pl.Datetime("us", "UTC")).alias("_event_time"), "_raw")
