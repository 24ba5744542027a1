"""Every error that Interlock raises on purpose.

    InterlockError
    ├── UseCaseError          a use-case file is wrong                     (permanent)
    ├── SettingsError         settings or environment are wrong            (permanent)
    ├── SourceError           a source cannot be read                      (permanent)
    ├── DataError             data were read but cannot be used            (permanent)
    ├── PackageError          a model package is damaged or unsuitable     (permanent)
    ├── EvidenceError         evidence is missing, altered or stale        (permanent)
    ├── DecisionRefused       a person may not do this, or not now         (permanent)
    ├── StaleState            somebody else changed it first               (permanent for this call)
    ├── StoreError            the store's schema or content is wrong       (permanent)
    └── Unavailable           a part does not answer now; try again        (transient)

A text says what failed, the value received, what is allowed and the next command. Only `transient` errors are retried.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

WORD_CHARACTERS_MAX = 100  # of a word that a hint is looked for; comparing a longer one would take seconds


class InterlockError(Exception):
    """Base of all errors raised on purpose. `transient` says whether trying again can help."""

    transient = False

    def __init__(self, what: str, *, value: object = None, allowed: str = "", next_step: str = "") -> None:
        self.what = what
        self.value = value
        self.allowed = allowed
        self.next_step = next_step
        super().__init__(self._text())

    def _text(self) -> str:
        lines = [self.what]
        if self.value is not None:
            lines.append(f"  got:     {_shorten(self.value)}")
        if self.allowed:
            lines.append(f"  allowed: {self.allowed}")
        if self.next_step:
            lines.append(f"  next:    {self.next_step}")
        return "\n".join(lines)


class UseCaseError(InterlockError):
    """A use-case file is wrong; `problems` holds every problem found, not just the first."""

    def __init__(self, what: str, *, problems: Iterable[object] = (), **details: object) -> None:
        self.problems = list(problems)
        super().__init__(what, **details)  # type: ignore[arg-type]


class SettingsError(InterlockError):
    """A setting or the environment is wrong."""


class SourceError(InterlockError):
    """A source cannot be read: missing, empty, wrong dialect, wrong encoding."""


class DataError(InterlockError):
    """Data were read but cannot be used: too few rows, one class only, nothing valid."""


class PackageError(InterlockError):
    """A model package is damaged, altered or made for something else."""


class EvidenceError(InterlockError):
    """Evidence is missing, altered, stale or belongs to another candidate."""


class DecisionRefused(InterlockError):
    """The actor may not take this decision, or it is void, expired or already taken."""


class StaleState(InterlockError):
    """The expected generation or state is no longer the current one; nothing was changed."""


class StoreError(InterlockError):
    """The store's revision or content is not what this version expects."""


class Unavailable(InterlockError):
    """A part does not answer right now; the same call may succeed later."""

    transient = True


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint such as ``did you mean 'target'?``, or an empty text where nothing is close."""
    if len(word) > WORD_CHARACTERS_MAX:
        return ""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else ""


def _shorten(value: object, limit: int = 200) -> str:
    text = str(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"
