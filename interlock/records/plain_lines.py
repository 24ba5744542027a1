"""A block of CSV without any quote: one record per line, whose typed values are read straight from the bytes.

Polars fills short lines and cuts long ones without a word. So the places of the separators are compared with those of the line ends
first: only lines that have all their fields are handed to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

PART_BYTES = 256 * 1024


@dataclass(frozen=True)
class PlainLines:
    """Lines of text (`body`, each ends with a line feed), and the malformed records that were taken out of them.

    `ends` are the positions of the line feeds, `numbers` the record numbers within the file, `order` the declared order of the
    columns, `names` their order in the file, `longest` the bytes of the longest line, `counted` whether the separators of all lines
    together are as many as even lines have, `even` whether each line is known to have as many fields as there are names.
    """

    body: bytes
    ends: NDArray[np.int64]
    numbers: NDArray[np.uint32]
    names: list[str]
    order: list[str]
    separator: str
    malformed: pl.DataFrame
    longest: int
    last_number: int
    counted: bool = False
    even: bool = False

    @property
    def last_name(self) -> str:
        """The last column of the file."""
        return self.names[-1]

    def beyond(self, number: int) -> PlainLines:
        """The records after the one with the number."""
        import numpy as np
        import polars as pl

        malformed = self.malformed.filter(pl.col("_row_number") > number)
        if len(self.numbers) and self.numbers[0] > number:
            return replace(self, malformed=malformed)
        return self._only(np.flatnonzero(self.numbers > number), malformed)

    def read(self, kinds: dict[str, Any]) -> tuple[PlainLines, pl.DataFrame]:
        """The even lines, and their values: each column in the given type (null where a text does not fit it), and `_row_number`.

        The last column of the file comes as text whatever its type.
        """
        import polars as pl

        kinds = kinds | {self.last_name: pl.String()}
        frame = self._read(self.body, kinds) if self.even else self._proven(kinds)
        if frame is None:
            return self.evened().read(kinds)
        return replace(self, even=True), frame.select(pl.Series("_row_number", self.numbers), *self.order)

    def _proven(self, kinds: dict[str, Any]) -> pl.DataFrame | None:
        """The values, if the reading itself proves that the lines are even; else None.

        A line that lacks fields comes with null in its last column, where an empty text would be one: without any such line each has
        at least its separators, and with as many in all as even lines have, none has more.
        """
        import polars as pl

        if not self.counted:
            return None
        try:
            frame = self._read(self.body, kinds)
        except pl.exceptions.PolarsError:
            return None
        return frame if frame.height == len(self.ends) and not frame[self.last_name].null_count() else None

    def text(self, places: NDArray[np.int64] | None = None) -> pl.DataFrame:
        """The lines at the places (default: all) as text, with `_row_number`; only of lines that are even."""
        import polars as pl

        body = self.body if places is None else self.lines(places)
        numbers = self.numbers if places is None else self.numbers[places]
        frame = self._read(body, dict.fromkeys(self.names, pl.String()))
        return frame.select(pl.Series("_row_number", numbers), *self.order)

    def evened(self) -> PlainLines:
        """Only the lines that have all their fields; blank lines are gone, the others are malformed records, with their text."""
        import numpy as np

        if self.even:
            return self
        if self.counted and _all_even(self.body, self.ends, self.separator, len(self.names) - 1):
            return replace(self, even=True)
        cells = np.frombuffer(self.body, dtype=np.uint8)
        fields = np.diff(np.searchsorted(np.flatnonzero(cells == ord(self.separator)), self.ends), prepend=0) + 1
        lengths = np.diff(self.ends, prepend=-1)
        blank = (lengths == 1) | ((lengths == 2) & (cells[self.ends - 1] == ord("\r")))
        wrong = np.flatnonzero((fields != len(self.names)) & ~blank)
        texts = [self.lines(wrong[[at]]).decode().rstrip("\r\n") for at in range(len(wrong))]
        reasons = [f"fields:{count}_instead_of_{len(self.names)}" for count in fields[wrong].tolist()]
        malformed = malformed_frame(self.numbers[wrong].tolist(), texts, reasons)
        return replace(self._only(np.flatnonzero((fields == len(self.names)) & ~blank), malformed), even=True)

    def lines(self, places: NDArray[np.int64]) -> bytes:
        """The bytes of the lines at the places (ascending); neighbours are copied together."""
        import numpy as np

        if not len(places):
            return b""
        places = places.astype(np.int64)
        breaks = np.flatnonzero(np.diff(places) != 1)
        first, last = places[np.concatenate(([0], breaks + 1))], places[np.concatenate((breaks, [len(places) - 1]))]
        starts = np.where(first > 0, self.ends[first - 1] + 1, 0).tolist()
        return b"".join(self.body[start:stop] for start, stop in zip(starts, (self.ends[last] + 1).tolist(), strict=True))

    def _only(self, places: NDArray[np.int64], malformed: pl.DataFrame) -> PlainLines:
        import numpy as np

        body = self.lines(places)
        ends = np.flatnonzero(np.frombuffer(body, dtype=np.uint8) == ord("\n"))
        return replace(self, body=body, ends=ends, numbers=self.numbers[places], malformed=malformed, counted=False)

    def _read(self, body: bytes, kinds: dict[str, Any]) -> pl.DataFrame:
        import polars as pl

        schema = {name: kinds[name] for name in self.names}
        if not body:
            return pl.DataFrame(schema=schema)
        found = pl.read_csv(body, has_header=False, separator=self.separator, quote_char=None, empty_string_is_null=False, schema=schema,
                            ignore_errors=True, glob=False)
        return found.rechunk()  # columns in unequal chunks would be copied by every query


def plain_lines(body: bytes, *, names: list[str], order: list[str], separator: str, first_number: int) -> PlainLines | None:
    """The block as lines, or None where it has to be read more patiently (empty lines in a file of one column mean something)."""
    import numpy as np

    body = body if body.endswith(b"\n") else body + b"\n"
    ends, separators = _marks(body, separator)
    lengths = np.diff(ends, prepend=-1)
    if len(names) == 1 and int(lengths.min()) <= 2:
        return None
    numbers = np.arange(first_number, first_number + len(ends), dtype=np.uint32)
    return PlainLines(body, ends, numbers, names, order, separator, malformed_frame([], [], []), int(lengths.max()), int(numbers[-1]),
                      separators == (len(names) - 1) * len(ends))


def _marks(body: bytes, separator: str) -> tuple[NDArray[np.int64], int]:
    """The places of the line feeds, and how many separators there are: part by part, so that what is looked at stays in the cache."""
    import numpy as np

    cells, ends, separators = np.frombuffer(body, dtype=np.uint8), [], 0
    for start in range(0, len(cells), PART_BYTES):
        part = cells[start:start + PART_BYTES]
        ends.append(np.flatnonzero(part == ord("\n")) + start)
        separators += int(np.count_nonzero(part == ord(separator)))
    return np.concatenate(ends), separators


def _all_even(body: bytes, ends: NDArray[np.int64], separator: str, wanted: int) -> bool:
    """Whether each line has `wanted` separators: the first of a line lies behind the line end before it, the last before its own."""
    import numpy as np

    places = np.flatnonzero(np.frombuffer(body, dtype=np.uint8) == ord(separator))
    if len(places) != wanted * len(ends):
        return False
    return not wanted or bool((places[wanted - 1::wanted] < ends).all() and (places[wanted::wanted] > ends[:-1]).all())


def malformed_frame(numbers: list[int], texts: list[str], reasons: list[str]) -> pl.DataFrame:
    """Malformed records: number, text as it came, reason."""
    import polars as pl

    return pl.DataFrame({"_row_number": numbers, "_raw": texts, "_reason": reasons},
                        schema={"_row_number": pl.UInt32, "_raw": pl.String, "_reason": pl.String})
