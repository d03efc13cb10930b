"""Made markets for tests of the site: random walks that look like a day of trading, with what goes wrong on one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from tracker.alerts import AlertRule, Evaluation, Transition, evaluate, history
from tracker.coverage import ExchangeCoverage, cover
from tracker.frames import SAMPLES, dictionary_column, number_column, samples_of, samples_table
from tracker.frames.buffers import TIME
from tracker.model import (
    DAY,
    HOUR,
    MINUTE,
    About,
    Listing,
    Market,
    MarketStatus,
    Metric,
    Origin,
    Problem,
    Sample,
    whole_hour,
)
from tracker.site import Content, Feed, Figure, Run, Status, Step, render
from tracker.stats import summarise
from tracker.store import ParquetStore

NOW = datetime(2026, 11, 23, 22, 10, tzinfo=UTC)

RULES = (AlertRule("price_3x", Metric.PRICE), AlertRule("volume_3x", Metric.VOLUME_24H))

ABOUT = About(
    version="0.1.0",
    run_id="scheduled__2026-11-23T22:10:00+00:00",
    run_url="https://airflow.example.org/dags/track_prices/runs/scheduled__2026-11-23T22:10:00+00:00",
    public_url="https://tracker.example.org",
    commit="9f3c1e07a4b25d8896e0",
    mail_to_count=2,
    store="s3://prices/store",
)

STATUS = Status(
    problems=(Problem("coinbase:BTC-UDS", "is not listed by the exchange; did you mean BTC-USD?"),),
    feeds=(
        Feed("coinbase", 31, 30, 60, 0.84),
        Feed("kraken", 0, 0, 0, 10.01, "kraken, 22:10: HTTP 503; waits a minute"),
    ),
    steps=(Step("fetch", 1.42), Step("analyze", 0.36), Step("publish", 0.91)),
    runs=(
        Run(NOW - 3 * MINUTE, (Step("fetch", 10.02), Step("analyze", 0.35), Step("publish", 0.9)), ("kraken",)),
        Run(NOW - MINUTE, (Step("fetch", 1.38), Step("analyze", 0.36), Step("publish", 0.88))),
    ),
    figures=(Figure("minute_age", "Seconds from the minute to its readable index", 3.12),),
    outbox_depth=1,
    oldest_unsent=NOW - timedelta(minutes=4),
    mail_configured=True,
)

_LEVELS = {
    "BTC": 65012.4, "ETH": 3388.91, "SOL": 166.03, "XRP": 0.6231, "DOGE": 0.1413, "ADA": 0.4711, "LTC": 82.17,
    "LINK": 14.52, "DOT": 6.02, "AVAX": 28.4, "SHIB": 0.00001823, "PEPE": 0.00000432187, "BONK": 0.0000207, "USDT": 1.0,
    "ATOM": 6.77, "UNI": 8.11, "AAVE": 96.4, "ALGO": 0.1502, "FIL": 4.41, "ICP": 9.02, "NEAR": 5.31, "ARB": 0.792,
    "OP": 1.71, "APT": 7.02, "SUI": 1.13, "INJ": 22.9, "XLM": 0.1019, "BCH": 371.2, "ETC": 21.8, "MKR": 2711.0,
}  # fmt: skip


@dataclass(frozen=True)
class Day:
    """The inputs of a render."""

    window: pa.Table
    evaluation: Evaluation
    transitions: tuple[Transition, ...]
    minute: datetime

    def render(self, **changes: object) -> dict[str, bytes]:
        given: dict[str, object] = {
            "rules": RULES, "transitions": self.transitions, "status": STATUS, "about": ABOUT, **changes,
        }  # fmt: skip
        return render(summarise(self.window, self.minute), self.window, self.evaluation, self.minute, **given)

    def content(self) -> Content:
        return Content.gather(
            summarise(self.window, self.minute),
            self.window,
            self.evaluation,
            self.minute,
            rules=RULES,
            transitions=self.transitions,
            status=STATUS,
            about=ABOUT,
        )


def markets(count: int, exchange: str = "coinbase") -> list[Market]:
    """Give `count` markets: known names first, then made ones."""
    names = [*_LEVELS, *(f"C{index:04}" for index in range(count))]
    return [Market(exchange, name, "USD") for name in names[:count]]


def walk(market: Market, seed: int = 0) -> dict[Metric, np.ndarray]:
    """Make 1,440 prices and 24 h volumes of a market: a random walk with the decimals an exchange would send."""
    random = np.random.default_rng([seed, *str(market).encode()])
    level = _LEVELS.get(market.base, float(10 ** random.uniform(-3, 3)))
    calm = 0.00005 if market.base == "USDT" else float(random.uniform(0.0003, 0.001))
    price = level * np.exp(np.cumsum(random.standard_t(4, 1440) * calm))
    traded = random.lognormal(0, 1, 2880) * 4e6 / level / 1440
    volume = np.convolve(traded, np.ones(1440), "valid")[1:]
    return {Metric.PRICE: np.array([float(f"{x:.6g}") for x in price]), Metric.VOLUME_24H: np.round(volume, 2)}


def window(values: Mapping[tuple[Market, Metric], Iterable[float]], minute: datetime = NOW) -> pa.Table:
    """Make the window that ends at `minute`: one value a minute, the last at `minute`; NaN leaves a minute out."""
    keys = sorted(values, key=lambda key: (str(key[0]), key[1].value))
    codes, metrics, minutes, numbers = [], [], [], []
    names = sorted({str(market) for market, _ in keys})
    for market, metric in keys:
        series = np.asarray(values[market, metric], float)
        kept = np.flatnonzero(~np.isnan(series))
        codes.append(np.full(len(kept), names.index(str(market)), np.int32))
        metrics.append(np.full(len(kept), list(Metric).index(metric), np.int32))
        minutes.append(int(minute.timestamp() * 1e6) - (len(series) - 1 - kept) * 60_000_000)
        numbers.append(series[kept])
    stamps = np.concatenate(minutes)
    columns = [
        dictionary_column(np.concatenate(codes), names),
        dictionary_column(np.concatenate(metrics), [one.value for one in Metric]),
        number_column(stamps, TIME),
        number_column(np.concatenate(numbers), pa.float64()),
        number_column(stamps + 2_000_000, TIME),
        dictionary_column(np.zeros(len(stamps), np.int32), ["poll"]),
    ]
    return pa.Table.from_arrays(columns, schema=SAMPLES)


def day(
    values: Mapping[tuple[Market, Metric], Iterable[float]],
    minute: datetime = NOW,
    rules: Sequence[AlertRule] = RULES,
) -> Day:
    """Judge a window as the pipeline would have done minute by minute."""
    table = window(values, minute)
    told = history(rules, table, minute - DAY, minute - MINUTE)
    evaluation = evaluate(rules, table, summarise(table, minute), minute, told=told)
    return Day(table, evaluation, (*told, *evaluation.transitions), minute)


def quiet_day(count: int, minute: datetime = NOW, exchange: str = "coinbase", seed: int = 0) -> Day:
    """Make a day of `count` markets on which nothing happens."""
    return day(_walks(markets(count, exchange), seed), minute)


def eventful_day(count: int = 30, minute: datetime = NOW) -> Day:
    """Make a day with a spike that ended, one that fires now, an outage, a silent, a young and a thin market."""
    values = _walks(markets(count), 0)
    price = {market.base: series for (market, metric), series in values.items() if metric is Metric.PRICE}
    price["DOGE"][700:703] *= 4.2
    price["PEPE"][1436:] *= 3.6
    price["SOL"][400:684] = np.nan
    for (market, _metric), series in values.items():
        if market.base == "ADA":
            series[1428:] = np.nan
        if market.base == "SUI":
            series[:1415] = np.nan
        if market.base == "MKR":
            series[np.random.default_rng(1).random(1440) < 0.7] = np.nan
    return day(values, minute)


def coverage(
    day: Day, some: Sequence[Market], *, loaded: bool = True, reach: timedelta | None = None
) -> ExchangeCoverage:
    """Say what became of the minutes of some markets of one exchange, all hours but the last two loaded, or none."""
    hours = {whole_hour(day.minute) - n * HOUR: frozenset(some) for n in range(2, 25)} if loaded else {}
    return cover(day.window, day.minute, some[0].exchange, some, loaded=hours, reach=reach)


def _walks(some: Sequence[Market], seed: int) -> dict[tuple[Market, Metric], np.ndarray]:
    return {(market, metric): series for market in some for metric, series in walk(market, seed).items()}


def stored(day: Day, url: str) -> ParquetStore:
    """Store a day as tracker would have it: hours sealed, one only in candles, the last one polled; a minute in both.

    The stored samples are those of the day.
    """
    store, end = ParquetStore(url), whole_hour(day.minute)
    names = {Market.parse(name).exchange for name in day.window["market"].unique().to_pylist()}
    table = samples_of(day.window)
    by_hour: dict[tuple[str, datetime], list[Sample]] = {}
    for one in table:
        by_hour.setdefault((one.series.market.exchange, whole_hour(one.minute)), []).append(one)
    for (exchange, hour), some in by_hour.items():
        if hour == end:
            for minute in sorted({one.minute for one in some}):
                store.write_minute(minute, exchange, samples_table([one for one in some if one.minute == minute]))
            wrong = [replace(one, value=one.value * 2, origin=Origin.CANDLE) for one in some if one.minute == end]
            store.write_candles(hour, exchange, samples_table(wrong))  # a poll comes before a candle
        else:
            store.write_candles(hour, exchange, samples_table([replace(one, origin=Origin.CANDLE) for one in some]))
    for hours_ago in range(2, 25):
        store.seal(end - hours_ago * HOUR)
    store.write_summary(day.minute, summarise(day.window, day.minute))
    for exchange in names:
        listed = {one.series.market for one in table if one.series.market.exchange == exchange}
        store.write_listings(
            exchange, [Listing(one, one.pair, MarketStatus.TRADABLE) for one in sorted(listed)], day.minute
        )
    return store


def write(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write a rendered site into a folder."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


__all__ = [
    "ABOUT",
    "MINUTE",
    "NOW",
    "RULES",
    "STATUS",
    "Day",
    "coverage",
    "day",
    "eventful_day",
    "markets",
    "quiet_day",
    "stored",
    "walk",
    "window",
]
