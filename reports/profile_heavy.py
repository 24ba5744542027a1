"""Two small mergeable summaries of many different texts: which are frequent (Misra-Gries), and how many there are (HyperLogLog)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

STREAM_COUNTERS = 4_096  # while reading
STORED_COUNTERS = 32     # in a stored profile
REGISTERS = 256          # a power of two; the standard error of the distinct count is 1.04 / sqrt(REGISTERS) = 6.5 %
Registers = NDArray[np.uint8]


class Heavy(NamedTuple):
    """Counters of the most frequent texts. Every count is at most `error` rows below the true one, and never above it; a text without a
    counter has at most `error` rows."""

    counts: dict[str, int]
    error: int


def lightened(heavy: Heavy, counters: int) -> Heavy:
    """At most `counters` counters: the count of the first one too many is taken off all. Of n rows counted the error stays at most
    n / (counters + 1), however often summaries were merged (Misra and Gries 1982; Agarwal et al. 2012, theorem 2.2)."""
    if len(heavy.counts) <= counters:
        return heavy
    ordered = sorted(heavy.counts.values(), reverse=True)
    off = ordered[counters]
    return Heavy({text: rows - off for text, rows in sorted(heavy.counts.items()) if rows > off}, heavy.error + off)


def joined(first: Heavy, second: Mapping[str, int], error: int, counters: int) -> Heavy:
    """Both together; the same whichever stands first."""
    counts = dict(first.counts)
    for text, rows in second.items():
        counts[text] = counts.get(text, 0) + rows
    return lightened(Heavy(counts, first.error + error), counters)


def unnamed(heavy: Heavy, below: int) -> Heavy:
    """Without the texts counted fewer than `below` times: rare values can identify people. The error covers what was dropped."""
    dropped = max((rows for rows in heavy.counts.values() if rows < below), default=0)
    return Heavy({text: rows for text, rows in heavy.counts.items() if rows >= below}, heavy.error + dropped)


def registers_of(texts: Iterable[str]) -> Registers:
    """HyperLogLog registers (REGISTERS,) of different texts; which texts they were cannot be read back."""
    hashes = np.frombuffer(b"".join(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest() for text in texts), dtype=">u8")
    found = np.zeros(REGISTERS, dtype=np.uint8)
    if hashes.size:
        bits = int(REGISTERS).bit_length() - 1
        rest = (hashes & np.uint64((1 << (64 - bits)) - 1)).astype(np.uint64)
        length = np.zeros(rest.size, dtype=np.int64)
        for shift in (32, 16, 8, 4, 2, 1):  # bits needed to write the rest, by halves
            large = rest >= (np.uint64(1) << np.uint64(shift))
            length += np.where(large, shift, 0)
            rest = np.where(large, rest >> np.uint64(shift), rest)
        length += rest.astype(np.int64)
        np.maximum.at(found, (hashes >> np.uint64(64 - bits)).astype(np.int64), (64 - bits - length + 1).astype(np.uint8))
    return found


def distinct_of(registers: Registers) -> int:
    """How many different texts the registers saw: standard error 6.5 %, counting empty registers while few are filled.

    Source: Flajolet, Fusy, Gandouet, Meunier 2007, 'HyperLogLog'. Registers merge by their maximum, which is exact, associative and
    commutative.
    """
    empty = int(np.count_nonzero(registers == 0))
    if empty == REGISTERS:
        return 0
    estimate = 0.7213 / (1 + 1.079 / REGISTERS) * REGISTERS**2 / float(np.sum(2.0 ** -registers.astype(np.float64)))
    if estimate <= 2.5 * REGISTERS and empty:
        estimate = REGISTERS * float(np.log(REGISTERS / empty))
    return max(1, round(estimate))
