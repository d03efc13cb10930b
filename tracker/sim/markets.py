"""Made-up markets that look like markets: a seed and an instant give price and volume, in any order of asking.

Each asset has a log price in dollars. At UTC midnights it is a sum of slow waves of noise (trends of days and
months); between two midnights it walks, with fat-tailed steps whose size follows the time of day and comes in
clusters, tied to both ends (a Brownian bridge, https://en.wikipedia.org/wiki/Brownian_bridge). All assets share
a part of their steps, so that they fall together. A market is its base against its quote, with a little noise
of its own, rounded to the exchange's steps. No state is kept: only caches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from tracker.sim.catalogue import EXCHANGES, Asset, asset, catalogue, main_quote
from tracker.sim.tape import DAY, Columns, Listed, State

Floats = NDArray[np.float64]

_MINUTES_A_YEAR = 525_600
_WAVES = (2, 4, 8, 16, 32, 64, 128)  # days
_CLUSTER = 45  # minutes from one knot of the volatility's own walk to the next
_SLOT = {"coinbase": 12}
"""Minutes for each of which one small market of the exchange spikes; others take an hour."""
_WILD = 6
_SMALL = 3e6  # dollars a day


class MadeUp:
    """A `Tape` of made-up markets."""

    hold = 10
    fills = True

    def __init__(self, seed: int, *, many: bool = False) -> None:
        """Make markets from a seed: a few dozen by exchange, or with `many` as many as the real ones list."""
        self.seed = seed
        self._listed = {exchange: catalogue(exchange, many=many) for exchange in EXCHANGES}
        self._path = lru_cache(maxsize=2048)(self._path_of)
        self._block = lru_cache(maxsize=16_384 if many else 4_096)(self._block_of)  # two days of every market
        self._shared = lru_cache(maxsize=64)(self._shared_of)
        self._wild = lru_cache(maxsize=64)(self._wild_of)
        self._level = lru_cache(maxsize=8192)(self._level_of)
        self._knot = lru_cache(maxsize=65536)(self._knot_of)

    def markets(self, exchange: str) -> Sequence[Listed]:
        """Give what `exchange` lists. See `Tape`."""
        return self._listed[exchange]

    def columns(self, exchange: str, market: Listed, first: int, last: int) -> Columns:
        """Give the candles that opened in [first, last]. See `Tape`."""
        days = range(first // DAY, last // DAY + 1) if last >= first else range(first // DAY, first // DAY + 1)
        blocks = [self._block(exchange, market, day) for day in days]
        cuts = [np.searchsorted(block.minute, (first, last + 1)) for block in blocks]
        parts = [[column[a:b] for column in block] for block, (a, b) in zip(blocks, cuts, strict=True)]
        return Columns(*parts[0]) if len(parts) == 1 else Columns(*map(np.concatenate, zip(*parts, strict=True)))

    def close_before(self, exchange: str, market: Listed, minute: int) -> int | None:
        """Give the last close before `minute`. See `Tape`; the last minute of each day trades, so a day suffices."""
        block = self._block(exchange, market, (minute - 1) // DAY)
        index = int(np.searchsorted(block.minute, minute)) - 1
        if index < 0:
            block = self._block(exchange, market, (minute - 1) // DAY - 1)
        return int(block.close[index])

    # assets --------------------------------------------------------------------------------------

    def _random(self, name: str, *key: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, crc32(name.encode()), *key])

    def _knot_of(self, name: str, wave: int, index: int) -> float:
        return float(self._random(name, wave, index).standard_normal())

    def _level_of(self, name: str, day: int) -> float:
        """Give a slow walk in daily deviations: waves of noise, each twice as long and sqrt(2) times as high."""
        total = 0.4 * self._knot(name, 1, day)
        for wave in _WAVES:
            knot, part = divmod(day, wave)
            ease = (1 - math.cos(math.pi * part / wave)) / 2
            height = 0.45 * math.sqrt(wave)
            total += height * ((1 - ease) * self._knot(name, wave, knot) + ease * self._knot(name, wave, knot + 1))
        return total

    def _anchor(self, one: Asset, day: int) -> float:
        daily = one.yearly / math.sqrt(365)
        common = one.beta * self._level("the market", day)
        own = math.sqrt(1 - one.beta**2) * self._level(one.name, day)
        return math.log(one.price) + daily * (common + own)

    def _cluster(self, name: str, day: int) -> Floats:
        """Give the log of the volatility, minute by minute of a day: knots joined by straight lines."""
        knots = DAY // _CLUSTER
        today = self._random(name, 2, day).standard_normal(knots)
        tomorrow = self._random(name, 2, day + 1).standard_normal(1)
        walk = 0.45 * np.concatenate((today, tomorrow))
        calm: Floats = np.interp(np.arange(DAY), np.arange(knots + 1) * _CLUSTER, walk)
        return calm

    def _shared_of(self, day: int) -> tuple[Floats, Floats]:
        """Give the steps that all assets share on a day, and the log of their volatility."""
        steps = self._random("the market", 3, day).standard_t(4, DAY) / math.sqrt(2)
        return steps, self._cluster("the market", day)

    def _path_of(self, name: str, day: int) -> tuple[Floats, Floats]:
        """Give the log price in dollars at the 1,441 edges of a day's minutes, and the size of its 1,440 moves."""
        one = asset(name)
        if one.yearly == 0:
            return np.full(DAY + 1, math.log(one.price)), np.ones(DAY)
        shared, excited = self._shared(day)
        own = self._random(name, 3, day).standard_t(4, DAY) / math.sqrt(2)
        size = season() * np.exp(0.6 * excited + self._cluster(name, day))
        sigma = one.yearly / math.sqrt(_MINUTES_A_YEAR) * size
        walk = np.concatenate(([0.0], np.cumsum(sigma * (one.beta * shared + math.sqrt(1 - one.beta**2) * own))))
        time = np.concatenate(([0.0], np.cumsum(sigma**2)))
        start, end = self._anchor(one, day), self._anchor(one, day + 1)
        return start + walk + (end - start - walk[-1]) * (time / time[-1]), size

    # markets -------------------------------------------------------------------------------------

    def _block_of(self, exchange: str, market: Listed, day: int) -> Columns:
        """Give a day of a market's candles. Its first and its last minute always trade."""
        (base, size), (quote, _) = self._path(market.base, day), self._path(market.quote, day)
        one, main = asset(market.base), market.quote == main_quote(exchange)
        random = self._random(f"{exchange}:{market.pair}", day)
        noise = one.spread * random.standard_normal(DAY + 1)
        noise[[0, -1]] = 0.0
        activity = one.trades * (1.0 if main else 0.3)
        busy = activity * size
        traded = random.random(DAY) < -np.expm1(-busy)
        factor = np.ones(DAY)
        for at, minutes, times in self.spikes(exchange, market, day):
            factor[at : at + minutes] = times
            traded[at - 1 : at + minutes + 3] = True
        traded[[0, -1]] = True

        scale = 10.0**market.price_decimals
        logs = base - quote + noise
        closes = np.maximum(np.rint(np.exp(logs[1:]) * factor * scale), 1).astype(np.int64)
        close = closes[traded]
        start = max(round(math.exp(logs[0]) * scale), 1)
        opens = np.concatenate(([start], close[:-1]))
        wick = np.abs(random.standard_normal((2, close.size))) * (
            one.spread + 0.3 * one.yearly / 725 * size[traded] * math.sqrt(1 / 2)
        )
        high = np.maximum(np.rint(np.maximum(opens, close) * (1 + wick[0])).astype(np.int64), np.maximum(opens, close))
        low = np.maximum(np.rint(np.minimum(opens, close) * (1 - wick[1])).astype(np.int64), 1)
        low = np.minimum(low, np.minimum(opens, close))

        turnover = one.turnover / DAY * (1.0 if main else 0.2)
        per_trade = turnover / np.exp(base[1:]) / np.maximum(-np.expm1(-busy), 0.02)
        amount = per_trade * size**1.4 * random.lognormal(-0.4, 0.9, DAY) * np.where(factor > 1, 25.0, 1.0)
        volume = np.maximum(np.rint(amount[traded] * 10.0**market.volume_decimals), 1).astype(np.int64)
        minute = np.flatnonzero(traded).astype(np.int64) + day * DAY
        return Columns(minute, opens, high, low, close, volume)

    def spikes(self, exchange: str, market: Listed, day: int) -> list[tuple[int, int, float]]:
        """Give the spikes of a day: first minute of the day, how many minutes (1 to 3), how many times the price.

        Each slot has one. A few small markets of the exchange take turns for a day, others the next: most stay calm.
        """
        wild = self._wild(exchange, day)
        if market.pair not in wild:
            return []
        slot = _SLOT.get(exchange, 60)
        found = []
        for number in range(wild.index(market.pair), DAY // slot, len(wild)):
            random = self._random(f"{exchange} spikes", day, number)
            at = number * slot + int(random.integers(1, slot - 3))
            found.append((at, int(random.integers(1, 4)), float(random.uniform(3.6, 6.0))))
        return found

    def _wild_of(self, exchange: str, day: int) -> tuple[str, ...]:
        quote = main_quote(exchange)
        live = [one for one in self._listed[exchange] if one.quote == quote and one.state is State.ONLINE]
        small = [one.pair for one in live if asset(one.base).turnover < _SMALL]
        chosen = self._random(f"{exchange} turns", day).permutation(len(small))[:_WILD]
        return tuple(small[index] for index in chosen)


@lru_cache
def season() -> Floats:
    """Give the shape of a day: quiet at 04:00 UTC, busy from 13:00 to 17:00, when America trades; mean about 1."""
    hour = np.arange(DAY) / 60
    shape: Floats = 0.72 + 0.75 * np.exp(-(((hour - 14.8) / 2.8) ** 2)) + 0.2 * np.exp(-(((hour - 8.3) / 1.8) ** 2))
    return shape
