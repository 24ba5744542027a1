"""Words for reasons: what the use-case file calls each feature when a person is told why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from interlock.spec.data import Column

CALENDAR = {"hour": "hour of the day", "weekday": "day of the week", "month": "month", "day_of_year": "day of the year",
            "minute_of_day": "time of the day"}
CALENDAR_PREFIX = "event_time."


@dataclass(frozen=True)
class Words:
    """What one feature is called. `withheld` says why it must not be given as a reason; empty where it may."""

    title: str
    reason: str = ""
    high: str = ""
    low: str = ""
    missing: str = ""
    withheld: str = ""

    def text(self, value: object, typical: float | None) -> str:
        """The reason for this value: `missing`, `high`, `low` or `reason`, the title where none is written.

        Numbers are high or low against `typical` (None: neither); true is high and false is low. A text is added to the title where no
        reason is written; a written reason stands alone, because codes tell a person nothing.
        """
        if value is None or value != value:
            return self.missing or f"{self.title}: not given"
        if isinstance(value, str):
            return self.reason or f"{self.title}: {value}"
        side = self._side(value, typical)
        return {"high": self.high, "low": self.low}.get(side, "") or self.reason or self.title

    @staticmethod
    def _side(value: object, typical: float | None) -> str:
        if isinstance(value, bool):
            return "high" if value else "low"
        if typical is None or not isinstance(value, (int, float)) or value == typical:
            return ""
        return "high" if value > typical else "low"


def words_for(columns: Mapping[str, Column], names: Iterable[str], made: Mapping[str, Column] | None = None,
              sources: Mapping[str, Iterable[str]] | None = None) -> dict[str, Words]:
    """Words of each feature (a model's column names). Sensitive columns, what was made of one, and features without words are withheld.

    `columns`: those of the source. `made`: derived and looked-up ones, whose words are their title; `sources`: made feature → columns
    or features that it was made of, those made first standing first. A part of the event time has its usual name. A feature that is
    none of these, or was made and has no title, has no words, because nobody wrote any.
    """
    sensitive = {name for name, column in columns.items() if column.role == "sensitive"}
    for name, of in (sources or {}).items():
        sensitive |= {name} if sensitive & set(of) else set()
    found = {}
    for name in names:
        column, part = columns.get(name), name.removeprefix(CALENDAR_PREFIX)
        title = made[name].title if column is None and made is not None and name in made else ""
        if title:
            found[name] = Words(title, withheld="it is made of a sensitive attribute" if name in sensitive else "")
        elif column is not None:
            title = column.title or name.replace("_", " ").replace("-", " ")
            why = "it is a sensitive attribute" if column.role == "sensitive" else ""
            found[name] = Words(title, column.reason, column.reason_high, column.reason_low, column.reason_missing, why)
        elif name.startswith(CALENDAR_PREFIX) and part in CALENDAR:
            found[name] = Words(CALENDAR[part], reason=f"The {CALENDAR[part]} of the request")
        else:
            found[name] = Words(name, withheld="the use-case file has no words for it")
    return found
