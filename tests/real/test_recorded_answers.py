"""Every recorded answer of the exchanges we speak to parses, or is refused with the right error."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any

import pytest

from tracker.candles import Candles
from tracker.errors import BadAnswer, RateLimited, TrackerError, UnknownMarket
from tracker.model import Listing, Market, MarketStatus
from tracker.sources import binance, coinbase, kraken, reading

pytestmark = pytest.mark.real_data

BTC = Market("coinbase", "BTC", "USD")
XBT = Market("kraken", "BTC", "USD")
BTCUSDT = Market("binance", "BTC", "USDT")
ETHBTC = Market("binance", "ETH", "BTC")

Outcome = int | type[TrackerError]


def _listed(rows: list[Listing]) -> int:
    assert len({one.market for one in rows}) == len(rows)
    return sum(one.status is MarketStatus.TRADABLE for one in rows)


def _candles(rows: Candles, start: str = "0001-01-01T00:00+00:00") -> int:
    from datetime import datetime

    ever = datetime.fromisoformat("9999-01-01T00:00+00:00")
    ordered = reading.finished([rows], rows.market, datetime.fromisoformat(start), ever)
    assert all(one.low <= min(one.open, one.close) <= max(one.open, one.close) <= one.high for one in ordered)
    return len(ordered)


def _polled(quotes: dict[Market, tuple[object, object] | None]) -> int:
    pairs = [(reading.price(one[0]), reading.volume(one[1])) for one in quotes.values() if one]
    assert all(one and two and isfinite(one) and isfinite(two) for one, two in pairs)
    return len(pairs)


def _coinbase_products(body: Any) -> int:
    return _listed(coinbase.parse_products(body))


def _coinbase_candles(body: Any) -> int:
    return _candles(coinbase.parse_candles(body, BTC))


def _coinbase_stats(body: Any) -> int:
    return _polled(coinbase.parse_stats(body, [Market("coinbase", "NEAR", "USD")]))


def _advanced(body: Any) -> int:
    return _polled(coinbase.parse_advanced(body, [BTC]))


def _kraken_pairs(body: Any) -> int:
    return _listed(kraken.parse_pairs(kraken.parse_envelope(body, "kraken")))


def _kraken_ticker(body: Any) -> int:
    names = {XBT: "XXBTZUSD", Market("kraken", "BTC", "EUR"): "XXBTZEUR"}
    return _polled(kraken.parse_ticker(kraken.parse_envelope(body, "kraken"), names, list(names)))


def _kraken_candles(body: Any) -> int:
    return _candles(kraken.parse_candles(kraken.parse_envelope(body, "kraken"), XBT))


def _binance_symbols(body: Any) -> int:
    return _listed(binance.parse_symbols(body))


def _binance_tickers(body: Any) -> int:
    rows = body if isinstance(body, list) else [body]
    found = [Market("binance", row["symbol"][:3], row["symbol"][3:]) for row in rows if "symbol" in row]
    return _polled(binance.parse_tickers(body, found))


def _binance_candles(body: Any) -> int:
    return _candles(binance.parse_candles(body, BTCUSDT))


K = "gct_api_v3_klines_endTime_"
RECORDED: dict[str, tuple[Callable[[Any], int], Outcome]] = {
    "coinbase_exchange/products.json": (_coinbase_products, 162),
    "coinbase_exchange/xchange_products.json": (_coinbase_products, 10),
    "coinbase_exchange/truewire_products_excerpt.json": (_coinbase_products, 4),
    "coinbase_exchange/probe_products_stats_one_row.json": (_coinbase_stats, 1),
    "coinbase_exchange/truewire_candles_BTC-USD_3600.json": (_coinbase_candles, 6),
    "coinbase_exchange/xchange_example-historical-candles.json": (_coinbase_candles, 10),
    "coinbase_exchange/probe_candles_400.json": (_coinbase_candles, BadAnswer),
    "coinbase_exchange/truewire_stats_BTC-USD.json": (_coinbase_stats, BadAnswer),
    "coinbase_exchange/xchange_example-stats-data.json": (_coinbase_stats, BadAnswer),
    "coinbase_exchange/truewire_ticker_BTC-USD.json": (_coinbase_stats, BadAnswer),
    "coinbase_exchange/ccxt_ticker_BTC-USDT.json": (_coinbase_stats, BadAnswer),
    "coinbase_advanced/ccxt_ticker_BTC-USDC.json": (_advanced, BadAnswer),
    "kraken/0_public_AssetPairs.json": (_kraken_pairs, 293),
    "kraken/xchange_example-assetpairs-data.json": (_kraken_pairs, 75),
    "kraken/truewire_ticker_XBTUSD.json": (_kraken_ticker, 1),
    "kraken/xchange_example-ticker-data.json": (_kraken_ticker, 1),
    "kraken/xchange_example-ohlc-data.json": (_kraken_candles, 720),
    "kraken/probe_throttled_200.json": (_kraken_ticker, RateLimited),
    "kraken/probe_unknown_pair_200.json": (_kraken_candles, UnknownMarket),
    "binance/api_v3_exchangeInfo.json": (_binance_symbols, 1222),
    "binance/gct_api_v3_exchangeInfo.json": (_binance_symbols, 12),
    "binance/gct_api_v3_ticker_24hr.json": (_binance_tickers, 6),
    "binance/gct_api_v3_ticker_24hr_symbols_5B_22BTCUSDT_22_2C_22ETHUSDT_22_5D.json": (_binance_tickers, 2),
    "binance/gct_api_v3_ticker_24hr_symbol_BTCUSDT.json": (_binance_tickers, BadAnswer),
    "binance/gct_api_v3_ticker_24hr_symbol_DOGEUSDT.json": (_binance_tickers, BadAnswer),
    "binance/gct_api_v3_ticker_24hr_symbol_ETHBTC.json": (_binance_tickers, BadAnswer),
    "binance/gct_api_v3_ticker_bookTicker_symbol_BTCUSDT.json": (_binance_tickers, BadAnswer),
    "binance/gct_api_v3_ticker_price_symbol_BTCUSDT.json": (_binance_tickers, BadAnswer),
    "binance/gct_api_v3_avgPrice_symbol_BTCUSDT.json": (_binance_tickers, BadAnswer),
    f"binance/{K}1577836799000_interval_1d_limit_1000_startTime_1546300800000_symbol_BTCUSDT.json": (
        _binance_candles,
        365,
    ),
    f"binance/{K}1577836800000_interval_1d_limit_1000_startTime_1546300800000_symbol_BTCUSDT.json": (
        _binance_candles,
        366,
    ),
    f"binance/{K}1577836800000_interval_1d_limit_1000_startTime_1546300800000_symbol_ETHBTC.json": (
        _binance_candles,
        366,
    ),
    f"binance/{K}1578096000000_interval_1d_limit_1000_startTime_1546041600000_symbol_BTCUSDT.json": (
        _binance_candles,
        372,
    ),
    f"binance/{K}1580515200000_interval_5m_limit_24_startTime_1577836800000_symbol_BTCUSDT.json": (
        _binance_candles,
        24,
    ),
    f"binance/{K}1588636800000_interval_1m_startTime_1588636800000_symbol_BTCUSDT.json": (_binance_candles, 1),
    f"binance/{K}1588743688000_interval_1m_startTime_1588740088000_symbol_BTCUSDT.json": (_binance_candles, 60),
    f"binance/{K}1591880400000_interval_1h_limit_1000_startTime_1588280400000_symbol_BTCUSDT.json": (
        _binance_candles,
        1000,
    ),
    f"binance/{K}1593572400000_interval_1h_limit_1000_startTime_1591880400000_symbol_BTCUSDT.json": (
        _binance_candles,
        468,
    ),
    f"binance/{K}1613347200000_interval_1d_limit_1000_startTime_1598918400000_symbol_BTCUSDT.json": (
        _binance_candles,
        168,
    ),
    f"binance/{K}1673136000000_interval_1d_limit_1000_startTime_1672531200000_symbol_ETHBTC.json": (
        _binance_candles,
        6,
    ),
    f"binance/{K}1673146800000_interval_1h_limit_1000_startTime_1672516800000_symbol_BTCUSDT.json": (
        _binance_candles,
        176,
    ),
    "binance/gct_api_v3_klines_interval_5m_limit_24_symbol_BTCUSDT.json": (_binance_candles, 24),
}
"""By file: how it is read, and how many tradable markets, polled markets or candles are in it, or how it is refused."""


@pytest.fixture
def folder() -> Path:
    return Path(os.environ["TRACKER_REAL_DATA"]) / "responses"


def test_no_recorded_answer_is_left_out(folder: Path) -> None:
    ours = ("coinbase_exchange", "coinbase_advanced", "kraken", "binance")
    there = {str(path.relative_to(folder)) for name in ours for path in (folder / name).glob("*.json")}
    assert there == set(RECORDED)
    assert len(there) > 40


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_answer_means_what_it_says(folder: Path, name: str) -> None:
    read, outcome = RECORDED[name]
    body = json.loads((folder / name).read_bytes())
    if isinstance(outcome, int):
        assert read(body) == outcome
    else:
        with pytest.raises(outcome):
            read(body)


def test_known_values_are_read_as_they_are(folder: Path) -> None:
    def body(name: str) -> Any:
        return json.loads((folder / name).read_bytes())

    near = Market("coinbase", "NEAR", "USD")
    assert coinbase.parse_stats(body("coinbase_exchange/probe_products_stats_one_row.json"), [near]) == {
        near: ("1.847", "2183324.5")
    }
    newest = coinbase.parse_candles(body("coinbase_exchange/truewire_candles_BTC-USD_3600.json"), BTC)[0]
    assert (newest.open, newest.high, newest.low, newest.close, newest.volume) == (
        78704.49,
        79195.32,
        78704.49,
        79136.06,
        280.96550693,
    )
    result = kraken.parse_envelope(body("kraken/truewire_ticker_XBTUSD.json"), "kraken")
    assert kraken.parse_ticker(result, {XBT: "XXBTZUSD"}, [XBT]) == {XBT: ("63405.10000", "996.77894514")}
    rows = kraken.parse_candles(kraken.parse_envelope(body("kraken/xchange_example-ohlc-data.json"), "kraken"), XBT)
    assert sum(one.volume == 0 for one in rows) == 17
    tickers = binance.parse_tickers(body("binance/gct_api_v3_ticker_24hr.json"), [ETHBTC])
    assert tickers == {ETHBTC: ("0.03606000", "33504.01330000")}
