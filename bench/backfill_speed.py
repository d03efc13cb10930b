"""Rows per second of `tracker backfill` beside a ccxt script that does the same work against the same simulator.

`python -m bench.backfill_speed [--markets 16] [--hours 48] [--runs 3] [--latency 20]`: price and 24 h volume of every
minute, from candles, one Parquet file an hour. Rate limits are off; each answer takes `--latency` ms, as on a network.
Each side is a fresh process (start-up counts), in turn, medians after one run of each that is not counted, and from
which the simulator remembers its answers. `raw` asks for our pages over two bare sockets and drops the answers: what
the simulator can give. The ccxt script sums volumes as floats in pandas, does not fsync, cannot be resumed, and does
not look for alerts in what it loaded.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from bench.backfill_setup import EXCHANGES, Ran, backfill, markets_of, run, settings, simulator
from tracker.history import LOOKBACK
from tracker.model import HOUR, MINUTE, Market, iso, whole_hour
from tracker.sources import binance, coinbase, kraken
from tracker.sources.http import Request

CCXT = {"coinbase": "coinbaseexchange", "kraken": "kraken", "binance": "binance"}
MOST = {"coinbase": 300, "kraken": 720, "binance": 1000}


def load_by_ccxt(
    *, exchange: str, url: str, pairs: Sequence[str], start: int, end: int, folder: Path, threads: int
) -> None:
    """Do the work with ccxt and pandas: samples stamped in (start, end], epoch seconds."""
    import ccxt
    import pandas as pd

    client = getattr(ccxt, CCXT[exchange])(
        {"enableRateLimit": False, "options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False}}
    )
    client.urls["api"] = _rooted(client.urls["api"], url)
    client.load_markets()
    first, last = (pd.Timestamp(at, unit="s", tz="UTC") for at in (start, end))
    oldest = max(start - LOOKBACK.total_seconds(), start if exchange == "kraken" else 0)

    def candles(pair: str) -> pd.DataFrame:
        since, rows = int(oldest) * 1000, []
        while since < end * 1000:
            page = client.fetch_ohlcv(pair.replace("-", "/"), "1m", since, MOST[exchange])
            rows += [row for row in page if row[0] >= since]
            since = max(page[-1][0] + 60_000 if page else 0, since + 60_000)
        frame = pd.DataFrame(rows, columns=["opened", "open", "high", "low", "close", "volume"])
        frame.index = pd.to_datetime(frame["opened"] + 60_000, unit="ms", utc=True)
        frame["volume_24h"] = frame["volume"].rolling("24h").sum()
        frame.loc[frame.index < frame.index[0] + pd.Timedelta("24h"), "volume_24h"] = float("nan")
        wide = frame.rename(columns={"close": "price"})[["price", "volume_24h"]]
        long = wide.rename_axis("minute").reset_index().melt("minute", var_name="metric").assign(market=pair)
        return long[(long["minute"] > first) & (long["minute"] <= last)].dropna()

    with ThreadPoolExecutor(threads) as pool:
        table = pd.concat(pool.map(candles, pairs))
    rows = 0
    for hour, part in table.groupby(table["minute"].dt.floor("h")):
        place = folder / f"date={hour:%Y-%m-%d}" / f"hour={hour:%H}"
        place.mkdir(parents=True, exist_ok=True)
        part.sort_values(["market", "metric", "minute"]).to_parquet(place / f"{exchange}.parquet", compression="zstd")
        rows += len(part)
    print(rows)


def _rooted(urls: object, root: str) -> object:
    if isinstance(urls, dict):
        return {key: _rooted(value, root) for key, value in urls.items()}
    return root + urlsplit(urls).path if isinstance(urls, str) else urls


def requests_of(exchange: str, pairs: Sequence[str], start: datetime, end: datetime) -> list[Request]:
    """Give the pages that our source asks for, in large."""
    markets = [Market.parse(f"{exchange}:{pair}") for pair in pairs]
    if exchange == "kraken":
        return [kraken.request_candles(f"{one.base}{one.quote}", start) for one in markets]
    wire = coinbase if exchange == "coinbase" else binance
    return [wire.request_candles(one, *page) for one in markets for page in wire.pages(start - LOOKBACK, end)]


def raw(url: str, requests: Sequence[Request]) -> tuple[float, int]:
    """Ask over two kept connections and drop what comes: seconds and bytes."""

    def ask(part: Sequence[Request]) -> int:
        line, total = http.client.HTTPConnection(urlsplit(url).netloc), 0
        for one in part:
            line.request("GET", f"{one.path}?{urlencode(one.params)}")
            total += len(line.getresponse().read())
        line.close()
        return total

    began = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        total = sum(pool.map(ask, (requests[::2], requests[1::2])))
    return time.perf_counter() - began, total


def rows_in(folder: Path) -> int:
    import pyarrow.parquet as pq

    return sum(pq.ParquetFile(path).metadata.num_rows for path in folder.rglob("*.parquet"))


def compare(exchange: str, url: str, folder: Path, options: argparse.Namespace) -> None:
    """Print the rows of one exchange's table."""
    pairs = markets_of(exchange, options.markets)
    hours = min(options.hours, 11) if exchange == "kraken" else options.hours  # Kraken has 12 h of minutes
    end = whole_hour(datetime.now(UTC) - 15 * MINUTE) - MINUTE
    start = end - hours * HOUR
    env = settings(folder / exchange / "settings", url, exchange, pairs)

    def ours(place: Path) -> Ran:
        return run(backfill(exchange, iso(start), iso(end)), env | {"TRACKER_STORE_URL": str(place)})

    def by_ccxt(threads: int) -> Callable[[Path], Ran]:
        job = {"exchange": exchange, "url": url, "pairs": pairs, "start": int(start.timestamp()), "threads": threads}
        job["end"] = int(end.timestamp())
        return lambda place: run(
            [sys.executable, "-m", "bench.backfill_speed", "--ccxt", json.dumps(job | {"folder": str(place)})], env
        )

    sides = {"tracker backfill": ours, "ccxt script": by_ccxt(1), "ccxt, 8 threads": by_ccxt(8)}
    found: dict[str, list[Ran]] = {name: [] for name in sides}
    counts: dict[str, int] = {}
    for turn in range(options.runs + 1):
        for name, side in sides.items():
            place = folder / exchange / "out"
            ran = side(place)
            counts[name] = rows_in(place / "candles" if name == "tracker backfill" else place)
            shutil.rmtree(place)
            if turn:
                found[name].append(ran)
    requests = requests_of(exchange, pairs, start, end)
    seconds, size = min(raw(url, requests) for _ in range(3))
    print(f"\n{exchange}: {len(pairs)} markets, {hours} h to {iso(end)}, {options.latency:g} ms an answer")
    print(f"{'':<18}{'rows':>9}{'seconds':>9}{'rows/s':>9}{'CPU s':>8}{'x ccxt':>8}")
    base = statistics.median(one.seconds for one in found["ccxt script"]) / counts["ccxt script"]
    for name, runs in found.items():
        wall, cpu = (statistics.median(getattr(one, key) for one in runs) for key in ("seconds", "cpu"))
        rate = counts[name] / wall
        print(f"{name:<18}{counts[name]:>9}{wall:>9.2f}{rate:>9.0f}{cpu:>8.2f}{rate * base:>8.1f}")
    megabytes = size / 2**20
    print(f"{'raw':<18}{len(requests):>5} req{seconds:>9.2f}{megabytes / seconds:>7.1f} MiB/s, {megabytes:.1f} MiB")


def main(arguments: Sequence[str]) -> int:
    """Print a table an exchange."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markets", type=int, default=16)
    parser.add_argument("--hours", type=int, default=48)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.0, help="milliseconds that each answer takes (default: 0)")
    parser.add_argument("--exchange", action="append", choices=EXCHANGES)
    parser.add_argument("--ccxt", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.ccxt:
        job = json.loads(options.ccxt)
        load_by_ccxt(**job | {"folder": Path(job["folder"])})
        return 0
    with tempfile.TemporaryDirectory() as folder, simulator(options.latency / 1000) as url:
        for exchange in options.exchange or EXCHANGES:
            compare(exchange, url, Path(folder), options)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
