"""The assets and markets that the simulated exchanges list. Sizes are of the right order, prices are made up."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

from tracker.sim.tape import Listed, State


class Asset(NamedTuple):
    """What makes a price: dollars, volatility per year, turnover in dollars a day, trades a minute."""

    name: str
    price: float
    yearly: float
    turnover: float
    trades: float
    beta: float = 0.7
    """How much of its steps it shares with all others."""

    @property
    def spread(self) -> float:
        """How far a trade lies off the middle: wide where few trade, as a part of the price."""
        return min(0.0015, 0.0008 / (1 + self.trades)) if self.yearly > 0.1 else 0.00005


_CASH = (
    Asset("USD", 1.0, 0.0, 0.0, 0.0, 0.0),
    Asset("EUR", 1.09, 0.07, 40e6, 60.0, 0.1),
    Asset("GBP", 1.27, 0.08, 20e6, 40.0, 0.1),
    Asset("USDT", 1.0002, 0.004, 150e6, 90.0, 0.0),
    Asset("USDC", 1.0, 0.0, 0.0, 0.0, 0.0),
)

_COINS = (
    Asset("BTC", 91_250.0, 0.48, 900e6, 400.0, 0.9),
    Asset("ETH", 3_120.0, 0.65, 500e6, 250.0, 0.88),
    Asset("SOL", 182.0, 0.8, 210e6, 120.0, 0.82),
    Asset("XRP", 1.24, 0.8, 160e6, 90.0, 0.75),
    Asset("DOGE", 0.2173, 0.95, 90e6, 60.0, 0.75),
    Asset("ADA", 0.742, 0.85, 45e6, 40.0, 0.78),
    Asset("AVAX", 34.6, 0.9, 30e6, 30.0, 0.78),
    Asset("LINK", 16.2, 0.85, 32e6, 30.0, 0.78),
    Asset("LTC", 96.4, 0.7, 28e6, 25.0, 0.75),
    Asset("DOT", 6.83, 0.85, 18e6, 18.0, 0.78),
    Asset("SHIB", 0.0000242, 1.0, 35e6, 22.0, 0.7),
    Asset("PEPE", 0.0000071, 1.25, 40e6, 22.0, 0.65),
    Asset("BONK", 0.0000263, 1.3, 15e6, 12.0, 0.65),
    Asset("UNI", 8.91, 0.95, 14e6, 12.0, 0.72),
    Asset("AAVE", 171.5, 0.95, 12e6, 10.0, 0.72),
    Asset("ATOM", 7.36, 0.85, 9e6, 9.0, 0.75),
    Asset("NEAR", 5.42, 1.0, 9e6, 8.0, 0.72),
    Asset("BCH", 452.0, 0.8, 9e6, 8.0, 0.7),
    Asset("MKR", 1_735.0, 0.8, 4e6, 3.0, 0.65),
    Asset("PAXG", 2_655.0, 0.13, 4e6, 3.0, 0.05),
    Asset("ALGO", 0.263, 1.0, 2.9e6, 4.0, 0.7),
    Asset("XTZ", 0.913, 0.95, 1.8e6, 2.5, 0.7),
    Asset("GRT", 0.218, 1.05, 1.9e6, 2.5, 0.7),
    Asset("CRV", 0.462, 1.2, 2.4e6, 3.0, 0.6),
    Asset("COMP", 58.7, 0.95, 1.4e6, 1.4, 0.6),
    Asset("SNX", 1.93, 1.1, 1.1e6, 1.5, 0.6),
    Asset("ZRX", 0.411, 1.0, 0.8e6, 1.2, 0.6),
    Asset("BAT", 0.2246, 0.9, 0.7e6, 1.4, 0.65),
    Asset("DASH", 31.2, 0.85, 0.8e6, 1.2, 0.55),
    Asset("ZEC", 47.8, 0.95, 1.6e6, 1.6, 0.5),
    Asset("MANA", 0.486, 1.05, 1.0e6, 1.3, 0.65),
    Asset("CHZ", 0.0816, 1.05, 1.0e6, 1.3, 0.6),
    Asset("ANKR", 0.0342, 1.1, 0.6e6, 1.0, 0.6),
    Asset("SKL", 0.0523, 1.2, 0.5e6, 0.9, 0.55),
    Asset("STORJ", 0.537, 1.2, 0.4e6, 0.8, 0.55),
    Asset("NKN", 0.0791, 1.3, 0.3e6, 0.7, 0.5),
    Asset("OXT", 0.0687, 1.3, 0.25e6, 0.6, 0.5),
    Asset("NMR", 17.9, 1.1, 0.3e6, 0.6, 0.45),
    Asset("BAND", 1.47, 1.1, 0.3e6, 0.6, 0.5),
    Asset("CTSI", 0.171, 1.2, 0.3e6, 0.6, 0.5),
    Asset("BADGER", 3.86, 1.4, 0.2e6, 0.45, 0.4),
    Asset("FARM", 41.3, 1.2, 0.12e6, 0.3, 0.35),
    Asset("MLN", 18.4, 1.2, 0.1e6, 0.3, 0.35),
    Asset("RARI", 2.14, 1.4, 0.1e6, 0.35, 0.4),
    Asset("TRAC", 0.613, 1.1, 0.15e6, 0.4, 0.4),
    Asset("DNT", 0.0437, 1.5, 0.08e6, 0.3, 0.3),
    Asset("FOX", 0.0296, 1.4, 0.07e6, 0.25, 0.3),
    Asset("WLUNA", 0.0000873, 1.8, 0.09e6, 0.35, 0.2),
    Asset("IDEX", 0.0461, 1.4, 0.2e6, 0.5, 0.4),
    Asset("ENJ", 0.263, 1.1, 0.7e6, 1.1, 0.6),
    Asset("LRC", 0.214, 1.15, 0.6e6, 1.0, 0.6),
    Asset("SUSHI", 1.12, 1.2, 0.9e6, 1.2, 0.6),
    Asset("YFI", 8_140.0, 1.0, 0.7e6, 0.6, 0.55),
    Asset("BAL", 2.71, 1.1, 0.3e6, 0.5, 0.5),
    Asset("KNC", 0.587, 1.1, 0.4e6, 0.8, 0.55),
    Asset("REQ", 0.1214, 1.15, 0.2e6, 0.5, 0.45),
    Asset("POWR", 0.2483, 1.2, 0.3e6, 0.6, 0.45),
    Asset("PERP", 0.914, 1.4, 0.3e6, 0.6, 0.45),
    Asset("RLC", 1.83, 1.15, 0.2e6, 0.5, 0.45),
    Asset("FORTH", 3.52, 1.2, 0.15e6, 0.4, 0.4),
    Asset("AUCTION", 14.7, 1.3, 0.3e6, 0.6, 0.35),
    Asset("SPELL", 0.000713, 1.4, 0.3e6, 0.7, 0.4),
    Asset("MOG", 0.00000132, 1.7, 0.6e6, 1.0, 0.4),
    Asset("KRL", 0.318, 1.3, 0.06e6, 0.2, 0.3),
)

_ASSETS = {one.name: one for one in (*_CASH, *_COINS)}

EXCHANGES = ("coinbase", "kraken", "binance")
_MANY = {"coinbase": 800, "kraken": 1100, "binance": 1500}
"""How many markets the real ones can trade, about."""


@lru_cache
def asset(name: str) -> Asset:
    """Give an asset by its name; one that is not in the tables is small, and made from its name."""
    if name in _ASSETS:
        return _ASSETS[name]
    number = crc32(name.encode())
    size = 10 ** (number % 997 / 997 * 2)  # 1 to 100
    price = 10 ** (number % 7919 / 7919 * 6 - 4)  # 0.0001 to 100
    return Asset(name, price, 1.0 + number % 101 / 100, 0.02e6 * size, 0.05 * size, 0.2 + number % 41 / 100)


def main_quote(exchange: str) -> str:
    """Give what most of an exchange's trades are paid in."""
    return "USDT" if exchange == "binance" else "USD"


def listed(base: str, quote: str, state: State = State.ONLINE) -> Listed:
    """List a market with steps of about a 20,000th of its price, and of about a cent's worth of its base."""
    price, worth = asset(base).price / asset(quote).price, asset(base).price
    price_decimals = max(2, 4 - _magnitude(price)) if asset(base).yearly > 0.02 else 5
    return Listed(base, quote, price_decimals, min(max(2 + _magnitude(worth), 0) + (2 if worth > 1 else 0), 8), state)


def _magnitude(value: float) -> int:
    """Give the power of ten of a number: 2 for 100 to 999.9."""
    return int(f"{value:e}".partition("e")[2])


def _coinbase() -> tuple[Listed, ...]:
    found = [listed(one.name, "USD") for one in _COINS] + [listed("USDT", "USD")]
    found += [listed(base, "EUR") for base in ("BTC", "ETH", "SOL", "XRP", "ADA", "LTC")]
    found += [listed(base, "USDT") for base in ("BTC", "ETH", "SOL", "DOGE", "XRP")]
    found += [listed(base, "BTC") for base in ("ETH", "SOL", "LTC", "LINK")]
    found += [listed("BTC", "GBP"), listed("ETH", "GBP")]
    found = [_in_state(one) for one in found]
    gone = (("BTC", "USDC"), ("ETH", "USDC"), ("DNT", "EUR"), ("BAT", "USDC"))
    found += [listed(base, quote, State.DELISTED) for base, quote in gone]
    return tuple(sorted(found, key=lambda one: one.pair))


def _in_state(one: Listed) -> Listed:
    state = {"WLUNA-USD": State.CANCEL_ONLY, "KRL-USD": State.LIMIT_ONLY}.get(one.pair, State.ONLINE)
    return Listed(one.base, one.quote, one.price_decimals, one.volume_decimals, state)


def _kraken() -> tuple[Listed, ...]:
    bases = [one.name for one in _COINS if one.name not in {"WLUNA", "MOG", "SPELL", "FORTH"}]
    found = [listed(base, "USD") for base in bases] + [
        listed("USDT", "USD"),
        listed("EUR", "USD"),
        listed("GBP", "USD"),
    ]
    found += [listed(base, "EUR") for base in bases[:16]]
    found += [listed(base, "BTC") for base in ("ETH", "LTC", "XRP", "DOGE", "ADA", "SOL", "ZEC")]
    found += [listed("WLUNA", "USD", State.CANCEL_ONLY), listed("SPELL", "USD", State.DELISTED)]
    return tuple(sorted(found, key=lambda one: one.pair))


def _binance() -> tuple[Listed, ...]:
    found = [listed(one.name, "USDT") for one in _COINS if one.name != "WLUNA"]
    found += [listed(base, "BTC") for base in ("ETH", "SOL", "XRP", "DOGE", "ADA", "AVAX", "LINK", "LTC", "DOT", "BCH")]
    found += [listed(base, "USDC") for base in ("BTC", "ETH", "SOL")]
    found += [listed("WLUNA", "USDT", State.DELISTED), listed("PAXG", "BTC", State.DELISTED)]
    found += [listed("MKR", "BTC", State.CANCEL_ONLY)]
    return tuple(sorted(found, key=lambda one: one.pair))


MARKETS: dict[str, tuple[Listed, ...]] = {"coinbase": _coinbase(), "kraken": _kraken(), "binance": _binance()}
"""What each exchange lists, by name."""


def catalogue(exchange: str, *, many: bool = False) -> Sequence[Listed]:
    """List the markets of an exchange; with `many`, small ones are added until there are as many as in the world."""
    found = list(MARKETS[exchange])
    number = 0
    while many and len(found) < _MANY[exchange]:
        name = f"S{number:04d}"
        found += [listed(name, quote) for quote in (main_quote(exchange), "EUR" if number % 3 else "BTC")]
        number += 1
    return tuple(found[: _MANY[exchange]]) if many else tuple(found)
