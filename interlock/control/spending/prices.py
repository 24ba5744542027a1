"""Prices: a table with sources and a date, which an installation and a use case can replace; and the arithmetic on it."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from interlock.errors import SettingsError
from interlock.settings import Settings
from interlock.spec.operation import Costs

SHIPPED = Path(__file__).resolve().parents[3] / "infra" / "prices.toml"
BYTES_PER_GB = 1_000_000_000
DAYS_PER_MONTH = 365.25 / 12


class Price(BaseModel):
    """One price and where it comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float = Field(ge=0)
    source: str


class PriceTable(BaseModel):
    """The prices used for one use case."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    date: date
    currency: str = "USD"
    note: str
    cpu_hour_usd: Price
    storage_gb_month_usd: Price
    million_requests_usd: Price

    def day_usd(self, *, cpu_seconds: float = 0.0, storage_bytes: int = 0, requests: int = 0) -> float:
        """US dollars for one day's use: CPU hours + one day of storage (a month has 30.4375 days) + requests."""
        return (cpu_seconds / 3600 * self.cpu_hour_usd.value
                + storage_bytes / BYTES_PER_GB * self.storage_gb_month_usd.value / DAYS_PER_MONTH
                + requests / 1_000_000 * self.million_requests_usd.value)


def price_table(settings: Settings, costs: Costs | None = None) -> PriceTable:
    """The shipped example prices, or the installation's own (`<home>/prices.toml`), with the use case's `[costs]` on top."""
    own = settings.home.resolve() / "prices.toml"
    table = _read(own if own.is_file() else SHIPPED)
    names = ("cpu_hour_usd", "storage_gb_month_usd", "million_requests_usd")
    overrides = {name: Price(value=getattr(costs, name), source="the use case's [costs]")
                 for name in names if costs is not None and getattr(costs, name) is not None}
    return table.model_copy(update=overrides)


def _read(path: Path) -> PriceTable:
    try:
        return PriceTable.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise SettingsError(f"the price table {path} cannot be read: {error}", next_step=f"compare it with {SHIPPED}") from error
