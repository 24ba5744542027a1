"""Judging a block: rows whose values can be proven good at once are taken in bulk, all others go the patient way with their text.

The patient way (`interlock.records.quarantine`) defines what is accepted and every reason; the bulk way only proves that it would
accept a row with the same values. Both give the same rows, so which way a row went shows nowhere.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from interlock.modeling import schema
from interlock.modeling.times import event_times
from interlock.records import quarantine
from interlock.records.plain_lines import PlainLines
from interlock.records.quarantine import Judged, Origin, Window, judge_rows
from interlock.records.sources import RawRows
from interlock.records.uniqueness import Seen
from interlock.spec.data import FileSource
from interlock.spec.usecase import UseCase

if TYPE_CHECKING:
    import polars as pl

PATIENT_SHARE = 0.5  # with more doubtful rows than this the whole block goes the patient way
SPARSE_SHARE = 0.02  # numbers that are missing more often than this are read as text, which tells missing from wrong
NUMBERS, WORDS = ("integer", "float"), ("category", "text")
_ZULU = "%Y-%m-%dT%H:%M:%SZ"


def judge_block(block: RawRows | PlainLines, use_case: UseCase, origin: Origin, *, now: datetime, key: bytes | None = None,
                taken: Seen | None = None, window: Window = (None, None), sparse: set[str] | None = None) -> Judged:
    """As `quarantine.judge_rows`, of a block that may be plain lines.

    `sparse` collects, from block to block, the columns of numbers that are better read as text; it changes the time, never the rows.
    """
    if not isinstance(block, PlainLines):
        return judge_rows(block, use_case, origin, now=now, key=key, taken=taken, window=window)
    source = use_case.source
    if isinstance(source, FileSource) and block.longest <= source.cell_bytes_max:
        judged = _Bulk(block, use_case, origin, now, sparse if sparse is not None else set()).judged(key, taken, window)
        if judged is not None:
            return judged
    block = block.evened()
    text = RawRows(block.text(), block.malformed, block.last_number)
    return judge_rows(text, use_case, origin, now=now, key=key, taken=taken, window=window)


class _Bulk:
    """One block on its way: `frame` the typed rows, `clean` the texts that were read as such, `times` the event times."""

    def __init__(self, block: PlainLines, use_case: UseCase, origin: Origin, now: datetime, sparse: set[str]) -> None:
        self.use_case, self.origin, self.now = use_case, origin, now
        self.direct = [name for name in use_case.columns if name not in sparse and name != block.last_name and self._readable(name)]
        self.block, read = block.read({name: self._kind(name) for name in use_case.columns})
        sparse |= {name for name in self.direct if read[name].null_count() > SPARSE_SHARE * read.height}
        self.clean = self._cleaned(read)
        self.frame = self.clean.select(self._typed(name) for name in use_case.columns)
        self.times = event_times(self.frame, self.clean, use_case, first_row=origin.first_row, now=now)

    def judged(self, key: bytes | None, taken: Seen | None, window: Window) -> Judged | None:
        """None where too many rows are doubtful for this way to pay (nothing was added to `taken` then)."""
        import polars as pl

        doubtful = self._doubtful()
        if int(doubtful.sum()) > PATIENT_SHARE * self.frame.height:
            return None
        self._mend(doubtful)
        frame, times, numbers = self.frame, self.times, self.clean["_row_number"]
        clean = self.clean.select(self.use_case.by_role("subject"))
        at = pl.int_range(frame.height, eager=True)
        inside = quarantine.inside_window(times, window)
        if not inside.all():
            frame, times, numbers = frame.filter(inside), times.filter(inside), numbers.filter(inside)
            clean = clean.filter(inside) if clean.width else clean
            at, doubtful = at.filter(inside), doubtful.filter(inside)
        public, _ = quarantine.tokenised(frame, clean, clean, self.use_case, key)
        again = quarantine.repeated(public, self.use_case, taken)
        if again.height:
            doubtful = doubtful | pl.int_range(frame.height, dtype=pl.UInt32, eager=True).is_in(again["row"].implode())
        bad, refused = self._looked_at(doubtful.arg_true(), at, frame, public, times, again, key)
        malformed = [quarantine.malformed_rows(self.block.malformed, self.origin, self.use_case)] if window[0] is None else []
        accepted = quarantine.accepted_rows(public, frame, numbers, times, bad, self.use_case, self.origin)
        return Judged(accepted, quarantine.stacked([refused, *malformed]))

    def _looked_at(self, places: pl.Series, at: pl.Series, frame: pl.DataFrame, public: pl.DataFrame, times: pl.Series,
                   again: pl.DataFrame, key: bytes | None) -> tuple[pl.Series, pl.DataFrame]:
        """The rows at the places the patient way: which of all rows are bad, and the refused ones with their text."""
        import polars as pl

        raw = self.block.text(at[places].to_numpy())
        clean = schema.cleaned(raw, self.use_case)
        moments, some = times.gather(places), frame[places]
        _, raw = quarantine.tokenised(some, clean, raw, self.use_case, key)
        numbered = pl.DataFrame({"row": places.cast(pl.UInt32), "place": pl.int_range(len(places), dtype=pl.UInt32, eager=True)})
        repeated = again.join(numbered, on="row", how="inner", maintain_order="left").select(pl.col("place").alias("row"), "reason")
        found = quarantine.reasons(raw, clean, some, public[places], moments, self.use_case, repeated)
        return places.gather(found["row"]), quarantine.refused_rows(raw, moments, found, self.origin)

    def _mend(self, doubtful: pl.Series) -> None:
        """Give doubtful rows the values of the patient reading, where it knows better."""
        import polars as pl

        places = doubtful.arg_true()
        clean = schema.cleaned(self.block.text(places.to_numpy()), self.use_case)
        frame = schema.typed(clean, self.use_case)
        times = event_times(frame, clean, self.use_case, first_row=self.origin.first_row, now=self.now)
        if frame.equals(self.frame[places]) and times.equals(self.times.gather(places)):
            return
        both = pl.concat([self.frame.with_columns(self.times).filter(~doubtful), frame.with_columns(times)])
        order = pl.concat([(~doubtful).arg_true(), places]).arg_sort()
        self.frame, self.times = both[order].drop("_event_time"), both["_event_time"].gather(order)

    def _doubtful(self) -> pl.Series:
        """Rows that are not yet proven good: a rule is broken, a number or time is missing or unreadable, there is no event time."""
        import polars as pl

        implied = {f"missing:{name}" for name in self.direct}
        sure = [rule for reason, rule in schema.named_rules(self.use_case, self.direct) if reason not in implied]
        for name in self.direct:
            column = self.use_case.columns[name]
            bounded = column.min is not None and column.max is not None  # no infinity, no NaN and no missing value lies between them
            sure += [] if bounded else [pl.col(name).is_not_null()]
            sure += [pl.col(name).is_finite()] if column.type == "float" and not bounded else []
            sure += [pl.col(name) != value for value in self._missing_numbers()]
        others = [name for name, column in self.use_case.columns.items() if name not in self.direct and column.type not in WORDS]
        lost = [name for name in others if self.frame[name].null_count() > self.clean[name].null_count()]
        unread = [self.frame[name].is_null() & self.clean[name].is_not_null() for name in lost]
        proven = schema.evaluated(self.frame, [pl.all_horizontal(sure).fill_null(False)]).to_series() if sure else self.times.is_not_null()
        for one in unread:
            proven = proven & ~one
        return ~(proven & self.times.is_not_null())

    def _readable(self, name: str) -> bool:
        """Whether the reader itself may make numbers of the column: not of persons and clocks, whose text is needed."""
        column = self.use_case.columns[name]
        return column.type in NUMBERS and column.role != "subject" and name != self.use_case.time.column

    def _kind(self, name: str) -> Any:
        import polars as pl

        return schema.polars_type(self.use_case.columns[name]) if name in self.direct else pl.String()

    def _missing_numbers(self) -> list[float]:
        """Numbers that stand for a missing value, such as -999."""
        source = self.use_case.source
        found = []
        for text in source.missing if isinstance(source, FileSource) else []:
            try:
                found.append(float(text))
            except ValueError:
                continue
        return [value for value in found if value == value]

    def _cleaned(self, read: pl.DataFrame) -> pl.DataFrame:
        return schema.cleaned(read, self.use_case, [name for name in self.use_case.columns if name not in self.direct])

    def _typed(self, name: str) -> pl.Expr:
        import polars as pl

        column = self.use_case.columns[name]
        if name in self.direct:
            return pl.col(name)
        if column.type == "datetime" and (name != self.use_case.time.column or self.use_case.time.format is None):
            lengths = self.clean[name].str.len_bytes()
            if (lengths.min(), lengths.max()) == (20, 20):
                return pl.col(name).str.to_datetime(_ZULU, time_unit="us", strict=False).dt.replace_time_zone("UTC")
        return schema.plain_cast(name, column, self.use_case)
