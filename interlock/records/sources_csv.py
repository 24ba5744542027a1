"""CSV to rows of text without losing any: a fast reader whose result is proven, and an exact one for the files it cannot read.

Polars fills short records with nulls without a word. So separators are counted: a file whose counts do not add up (or that Polars
refuses) goes through Python's `csv`, which says exactly which records have too few or too many fields.
"""

from __future__ import annotations

import codecs
import csv
import io
import re

from interlock.errors import SourceError
from interlock.records.sources import RawFile, RawRows, check_names, no_malformed
from interlock.spec.data import FileSource

BAD_BYTE = "\ufffd"  # stands before every escaped byte that is not UTF-8
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BLANK = re.compile(rb"^\r?$", re.MULTILINE)


def parse_csv(data: bytes, file: RawFile, source: FileSource, columns: list[str]) -> RawRows:
    """All records of the file; those with a wrong number of fields or with bytes that are not UTF-8 come as malformed, with their text."""
    data = _decoded(data, file, source)
    header, body = _split_header(_skip(data, file), file, source, columns)
    if not body.strip():
        raise SourceError(f"{file.name} has no rows", value=file.path, next_step="deliver the file again")
    fast = _fast(body, source, header)
    rows = fast if fast is not None else _exact(body, source, header)
    return _without_bad_bytes(RawRows(rows.frame.select("_row_number", *columns), rows.malformed), columns)


def _decoded(data: bytes, file: RawFile, source: FileSource) -> bytes:
    """UTF-8 bytes; a byte that is not UTF-8 becomes U+FFFD and `\\xNN`, so that its row can be told and nothing of it is lost."""
    if data.startswith(_UTF16):
        raise SourceError(f"{file.name} is UTF-16", value=file.path, allowed="utf-8, latin-1", next_step="convert it to UTF-8")
    if source.encoding == "latin-1":
        return data.decode("latin-1").encode()
    data = data.removeprefix(b"\xef\xbb\xbf")
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


def _skip(data: bytes, file: RawFile) -> bytes:
    position = 0
    for _ in range(file.skip_rows):
        end = data.find(b"\n", position)
        if end < 0:
            raise SourceError(f"{file.name} has fewer lines than skip_rows skips", value=file.skip_rows)
        position = end + 1
    return data[position:]


def _split_header(data: bytes, file: RawFile, source: FileSource, columns: list[str]) -> tuple[list[str], bytes]:
    if not source.header:
        return columns, data
    line, _, body = data.partition(b"\n")
    fields = next(csv.reader([line.decode().rstrip("\r")], delimiter=source.separator, quotechar=source.quote), [])
    names = [name.strip() for name in fields]
    if not any(names):
        raise SourceError(f"{file.name}: the first line is empty", value=file.path, allowed="the names of the columns",
                          next_step="set header = false or skip_rows")
    check_names(file.name, names, columns)
    return names, body


def _fast(body: bytes, source: FileSource, names: list[str]) -> RawRows | None:
    """Polars' reading, if the separators prove that every record has all its fields; else None."""
    import polars as pl

    try:
        frame = pl.read_csv(body, has_header=False, separator=source.separator, quote_char=source.quote, empty_string_is_null=False,
                            schema=dict.fromkeys(names, pl.String), missing_columns="insert", row_index_name="_row_number",
                            row_index_offset=1, glob=False)
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
    return RawRows(frame.filter(~empty) if blank else frame, no_malformed())


def _exact(body: bytes, source: FileSource, names: list[str]) -> RawRows:
    """Python's reading, record by record: slower, and it knows how many fields each record has."""
    import polars as pl

    csv.field_size_limit(2**31 - 1)  # the longest cell is judged later, under its own name
    good: list[list[str]] = []
    good_numbers: list[int] = []
    bad: list[tuple[int, str, str]] = []
    reader = csv.reader(io.StringIO(body.decode(), newline=""), delimiter=source.separator, quotechar=source.quote)
    for number, fields in enumerate(reader, start=1):
        if not fields:
            continue
        if len(fields) == len(names):
            good.append(fields)
            good_numbers.append(number)
        else:
            bad.append((number, source.separator.join(fields), f"fields:{len(fields)}_instead_of_{len(names)}"))
    frame = pl.DataFrame(good, schema=dict.fromkeys(names, pl.String), orient="row")
    frame = frame.insert_column(0, pl.Series("_row_number", good_numbers, dtype=pl.UInt32))
    return RawRows(frame, pl.DataFrame(bad, schema=no_malformed().schema, orient="row"))


def _without_bad_bytes(rows: RawRows, columns: list[str]) -> RawRows:
    """Records with escaped bytes leave as malformed, their text with the escapes."""
    import polars as pl

    marked = pl.any_horizontal(pl.col(name).str.contains(BAD_BYTE + "\\x", literal=True) for name in columns)
    if rows.frame.is_empty() or not rows.frame.select(marked.any()).item():
        return rows
    bad = rows.frame.filter(marked).select("_row_number", pl.concat_str(columns, separator=",", ignore_nulls=True).alias("_raw"),
                                           pl.lit("encoding").alias("_reason"))
    return RawRows(rows.frame.filter(~marked), pl.concat([rows.malformed, bad], how="vertical_relaxed"))
