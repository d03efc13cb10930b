"""Made samples: short ways to write series down in tests."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

import pyarrow as pa

from tracker.frames import samples_table
from tracker.model import MINUTE, Market, Metric, Origin, Sample, Series

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BTC = Market("coinbase", "BTC", "USD")
ETH = Market("coinbase", "ETH", "USD")


def sample(
    market: Market,
    minute: datetime,
    value: float,
    metric: Metric = Metric.PRICE,
    origin: Origin = Origin.POLL,
    *,
    observed_at: datetime | None = None,
) -> Sample:
    return Sample(Series(market, metric), minute, value, observed_at or minute, origin)


def table(values: Mapping[datetime, float], market: Market = BTC, **more: object) -> pa.Table:
    """Give one series from its values by minute."""
    return samples_table([sample(market, minute, value, **more) for minute, value in values.items()])  # type: ignore[arg-type]


def until(end: datetime, values: Iterable[float]) -> dict[datetime, float]:
    """Stamp values a minute apart so that the last is of `end`."""
    found = list(values)
    return {end - (len(found) - 1 - index) * MINUTE: value for index, value in enumerate(found)}


def minute_of(
    minute: datetime, markets: Iterable[Market], value: Callable[[Market], float], origin: Origin = Origin.POLL
) -> pa.Table:
    """Give price and volume of markets at one minute."""
    return samples_table(
        [sample(market, minute, value(market), metric, origin) for market in markets for metric in Metric]
    )


def walk(seed: int, length: int, start: float = 100.0) -> list[float]:
    """Give a random walk of positive prices with two decimals."""
    rng, price, found = random.Random(seed), start, []
    for _ in range(length):
        price = max(0.01, price * (1 + rng.gauss(0, 0.001)))
        found.append(round(price, 2))
    return found
