"""CSV to rows without losing any, block by block: fast readers whose result is proven, and an exact one for the rest.

Polars fills short records with nulls without a word. So separators are counted: line by line where a block has no quote, else over
the block; a block whose counts do not add up (or that Polars refuses) goes through Python's `csv`, which says exactly which records
have too few or too many fields.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator

from interlock.errors import SourceError
from interlock.records.byte_blocks import RecordBlocks, opened
from interlock.records.plain_lines import PlainLines, plain_lines
from interlock.records.sources import RawFile, RawRows, check_names, no_malformed
from interlock.spec.data import FileSource

BAD_BYTE = "\ufffd"  # stands before every escaped byte that is not UTF-8
_MARK = (BAD_BYTE + "\\x").encode()
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BLANK = re.compile(rb"^\r?$", re.MULTILINE)


def csv_blocks(file: RawFile, source: FileSource, columns: list[str]) -> Iterator[RawRows | PlainLines]:
    """All records of the file in order; those with a wrong number of fields or with bytes that are not UTF-8 come as malformed."""
    with opened(file.path, file.name) as stream:
        blocks = RecordBlocks(stream, source.quote.encode())
        names = _header(blocks, file, source, columns)
        number, found = 1, False
        while (taken := blocks.take()) is not None:
            body = _decoded(taken[0], source)
            if body.isspace():
                number += body.count(b"\n")
                continue
            found = True
            rows, number = _block(body, taken[1], blocks, source, (names, columns), number)
            yield rows
        if not found:
            raise SourceError(f"{file.name} has no rows", value=file.path, next_step="deliver the file again")


def _block(body: bytes, whole: bool, blocks: RecordBlocks, source: FileSource, names: tuple[list[str], list[str]],
           number: int) -> tuple[RawRows | PlainLines, int]:
    """The rows of one block (`names`: the columns as in the file, and as declared), and the number of the record that follows."""
    found, declared = names
    if whole and source.quote.encode() not in body and (body.isascii() or _MARK not in body) and source.separator.isascii():
        plain = plain_lines(body, names=found, order=declared, separator=source.separator, first_number=number)
        if plain is not None:
            return plain, plain.last_number + 1
    fast = _fast(body, source, found, number) if whole else None
    rows, following = fast if fast is not None else _exact(body, blocks, source, found, number)
    return _without_bad_bytes(RawRows(rows.frame.select("_row_number", *declared), rows.malformed, rows.last_number), declared), following


def _header(blocks: RecordBlocks, file: RawFile, source: FileSource, columns: list[str]) -> list[str]:
    """The columns in the file's order; the blocks begin with the first record afterwards."""
    beginning = blocks.beginning()
    if beginning.startswith(_UTF16):
        raise SourceError(f"{file.name} is UTF-16", value=file.path, allowed="utf-8, latin-1", next_step="convert it to UTF-8")
    if source.encoding == "utf-8" and beginning.startswith(codecs.BOM_UTF8):
        blocks.pass_over(len(codecs.BOM_UTF8))
    for _ in range(file.skip_rows):
        if not blocks.line().endswith(b"\n"):
            raise SourceError(f"{file.name} has fewer lines than skip_rows skips", value=file.skip_rows)
    if not source.header:
        return columns
    line = _decoded(blocks.line(), source).decode().rstrip("\r\n")
    fields = next(csv.reader([line], delimiter=source.separator, quotechar=source.quote), [])
    names = [name.strip() for name in fields]
    if not any(names):
        raise SourceError(f"{file.name}: the first line is empty", value=file.path, allowed="the names of the columns",
                          next_step="set header = false or skip_rows")
    check_names(file.name, names, columns)
    return names


def _decoded(data: bytes, source: FileSource) -> bytes:
    """UTF-8 bytes; a byte that is not UTF-8 becomes U+FFFD and `\\xNN`, so that its row can be told and nothing of it is lost."""
    if data.isascii():
        return data
    if source.encoding == "latin-1":
        return data.decode("latin-1").encode()
    try:
        data.decode()
    except UnicodeDecodeError:
        codecs.register_error("interlock.escape", _escape)
        return data.decode(errors="interlock.escape").encode()
    return data


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(f"{BAD_BYTE}\\x{byte:02x}" for byte in error.object[error.start:error.end]), error.end


def _fast(body: bytes, source: FileSource, names: list[str], number: int) -> tuple[RawRows, int] | None:
    """Polars' reading, if the separators prove that every record has all its fields; else None."""
    import polars as pl

    try:
        frame = pl.read_csv(body, has_header=False, separator=source.separator, quote_char=source.quote, empty_string_is_null=False,
                            schema=dict.fromkeys(names, pl.String), missing_columns="insert", row_index_name="_row_number",
                            row_index_offset=number, glob=False)
    except pl.exceptions.PolarsError:
        return None
    if not source.header and frame.height and len(names) == 1:
        return None
    blank = len(_BLANK.findall(body.removesuffix(b"\n")))
    empty = pl.all_horizontal(pl.col(name).fill_null("") == "" for name in names)
    quoted = frame.select(pl.sum_horizontal(pl.col(name).str.count_matches(source.separator, literal=True).sum() for name in names)).item()
    separators = body.count(source.separator.encode())
    if frame.select(empty.sum()).item() != blank or separators - quoted != (frame.height - blank) * (len(names) - 1):
        return None
    following = number + frame.height
    return RawRows(frame.filter(~empty) if blank else frame, no_malformed(), following - 1), following


def _exact(body: bytes, blocks: RecordBlocks, source: FileSource, names: list[str], number: int) -> tuple[RawRows, int]:
    """Python's reading, record by record: slower, and it knows how many fields each record has."""
    import polars as pl

    csv.field_size_limit(2**31 - 1)  # the longest cell is judged later, under its own name
    good: list[list[str]] = []
    good_numbers: list[int] = []
    bad: list[tuple[int, str, str]] = []
    lines = _Lines(body, blocks, source)
    reader = csv.reader(lines, delimiter=source.separator, quotechar=source.quote)
    while lines.left and (fields := next(reader, None)) is not None:
        if fields and len(fields) == len(names):
            good.append(fields)
            good_numbers.append(number)
        elif fields:
            bad.append((number, source.separator.join(fields), f"fields:{len(fields)}_instead_of_{len(names)}"))
        number += 1
    frame = pl.DataFrame(good, schema=dict.fromkeys(names, pl.String), orient="row")
    frame = frame.insert_column(0, pl.Series("_row_number", good_numbers, dtype=pl.UInt32))
    return RawRows(frame, pl.DataFrame(bad, schema=no_malformed().schema, orient="row"), number - 1), number


class _Lines:
    """The lines of a block; a record that the end of the block would tear gets the lines it lacks from the stream."""

    def __init__(self, body: bytes, blocks: RecordBlocks, source: FileSource) -> None:
        self._text = io.StringIO(body.decode(), newline="")
        self._blocks = blocks
        self._source = source
        self.left = self._text.readline()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.left
        if line:
            self.left = self._text.readline()
            return line
        line = _decoded(self._blocks.line(), self._source).decode()
        if not line:
            raise StopIteration
        return line


def _without_bad_bytes(rows: RawRows, columns: list[str]) -> RawRows:
    """Records with escaped bytes leave as malformed, their text with the escapes."""
    import polars as pl

    marked = pl.any_horizontal(pl.col(name).str.contains(BAD_BYTE + "\\x", literal=True) for name in columns)
    if rows.frame.is_empty() or not rows.frame.select(marked.any()).item():
        return rows
    bad = rows.frame.filter(marked).select("_row_number", pl.concat_str(columns, separator=",", ignore_nulls=True).alias("_raw"),
                                           pl.lit("encoding").alias("_reason"))
    return RawRows(rows.frame.filter(~marked), pl.concat([rows.malformed, bad], how="vertical_relaxed"), rows.last_number)
