"""Alerts at scale: all of 10,000 series at once, 1,440 in a day, and a month of 100 series replayed.

python -m bench.alerts_at_scale [at-once] [spikes] [month] [month-live]
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa

from tests.support import site
from tests.support.fakes import FakeNotifier
from tracker.alerts import Event, Transition, batches, evaluate, load_rules, standings
from tracker.bucket import SiteBucket
from tracker.frames import SAMPLES
from tracker.mail.composing import compose
from tracker.model import DAY, HOUR, MINUTE, About, Metric
from tracker.outbox import ObjectOutbox
from tracker.pipeline import Pipeline
from tracker.settings import ROOT
from tracker.site.replay import report
from tracker.stats import summarise
from tracker.store import ParquetStore
from tracker.watchlist import Watchlist

RULES = load_rules((ROOT / "resources" / "alert_rules.toml").read_text(), "alert_rules.toml")
PRICES = tuple(rule for rule in RULES if rule.metric is Metric.PRICE)
START = datetime(2026, 3, 1, tzinfo=UTC)


def table(values: np.ndarray, last: datetime, metrics: int = 1) -> pa.Table:
    """Make a window: a row of `values` per market (and metric), one value a minute up to `last`; NaN is no sample."""
    series, minutes = values.shape
    markets = [f"coinbase:C{n:05}-USD" for n in range(series // metrics)]
    there = ~np.isnan(values)
    owner = np.broadcast_to(np.arange(series)[:, None], values.shape)[there].astype(np.int32)
    at = np.broadcast_to(np.arange(minutes)[None, :], values.shape)[there]
    stamps = int(last.timestamp() * 1e6) - (minutes - 1 - at) * 60_000_000
    times = pa.array(stamps, pa.timestamp("us", tz="UTC"))
    names = pa.array([one.value for one in Metric])
    columns = [
        pa.DictionaryArray.from_arrays((owner // metrics).astype(np.int32), pa.array(markets)),
        pa.DictionaryArray.from_arrays((owner % metrics).astype(np.int32), names),
        times,
        pa.array(values[there]),
        times,
        pa.DictionaryArray.from_arrays(np.zeros(len(stamps), np.int32), pa.array(["poll"])),
    ]
    return pa.Table.from_arrays(columns, schema=SAMPLES)


def timed(what: str, act: Callable[[], object]) -> object:
    began = time.perf_counter()
    result = act()
    print(f"  {what:62} {time.perf_counter() - began:8.3f} s")
    return result


def at_once(count: int = 10_000) -> int:
    """Let every series fire in one minute."""
    print(f"{count:,} series, 24 h each, all firing in one minute")
    chance = np.random.default_rng(1)
    values = chance.lognormal(0, 3, (count, 1)) * (1 + chance.normal(0, 0.001, (count, 1440)))
    quiet = table(values, START)
    values[:, -1] *= chance.uniform(3.2, 9, count)
    window = table(values, START)
    summary = summarise(window, START)
    timed("evaluate a minute in which nothing happens", lambda: evaluate(RULES, quiet, summary, START))
    found = timed("evaluate the minute in which all fire", lambda: evaluate(RULES, window, summary, START))
    told = found.transitions
    timed("evaluate it again, all open", lambda: evaluate(RULES, window, summary, START, told=told))
    with tempfile.TemporaryDirectory() as folder:
        outbox = ObjectOutbox(folder)
        timed("record the transitions", lambda: outbox.record(told))
        mails = timed(
            "make the mail of each of two recipients", lambda: batches(told, RULES, ["a@x.org", "b@x.org"], window)
        )
        timed("queue them", lambda: [outbox.queue(one) for one in mails])
        waiting = outbox.pending(START + MINUTE)
        digests = [compose(outbox.batch(one.id), "https://x.org", "t@x.org", RULES) for one in waiting]
    sizes = [len(one.as_bytes()) for one in digests]
    text = digests[0].get_body(("plain",)).get_content()
    more = next(line for line in text.splitlines() if line.startswith("and "))
    print(f"  transitions {len(told):,}; mails {len(digests)} of {sizes} bytes; {more!r}; {digests[0]['Subject']!r}")
    print(f"  listed {text.count('FIRED:')}; {text.splitlines()[3]}")
    return int(len(told) != count or len(digests) != 2 or max(sizes) >= 1_000_000)


def spikes() -> int:
    """Let one of 60 series spike each minute of a day: each of 1,440 spikes lasts one minute."""
    print("1,440 spikes of one minute in one day, on 60 series in turn")
    values = np.ones((60, 2880))
    for minute in range(1440):
        values[minute % 60, 1440 + minute] = 20.0  # above 3 times a mean that holds the spike of an hour ago: 1.3
    end = START + DAY
    told: dict[str, Transition] = {}
    began = time.perf_counter()
    for index in range(1440, 2880):
        minute = START + (index - 1439) * MINUTE
        window = table(values[:, max(0, index - 1439) : index + 1], minute)
        empty = summarise(window, minute).slice(0, 0)
        for one in evaluate(PRICES, window, empty, minute, told=standings(told.values())).transitions:
            told.setdefault(one.id, one)
    spent = time.perf_counter() - began
    fired = [one for one in told.values() if one.event is Event.FIRING]
    with tempfile.TemporaryDirectory() as folder:
        outbox = ObjectOutbox(folder)
        for one in told.values():
            outbox.record([one])
        logged = [one for one in outbox.transitions(START, end) if one.event is Event.FIRING]
        lines = sum(len(path.read_text().splitlines()) for path in Path(folder).rglob("*.jsonl"))
    window = table(values[:, -1440:], end)
    day = site.Day(
        window, evaluate(PRICES, window, summarise(window, end), end, told=told.values()), tuple(told.values()), end
    )
    feed = day.render()["feed.xml"]
    entries = [
        one.findtext("{http://www.w3.org/2005/Atom}id")
        for one in ET.fromstring(feed).iter("{http://www.w3.org/2005/Atom}entry")
    ]
    in_feed = len({one for one in entries if "/firing/" in one})
    print(
        f"  firing transitions {len(fired):,}, in the log {len(logged):,} of {lines:,} lines, in the feed {in_feed:,}; "
        f"feed {len(feed):,} bytes; 1,440 evaluations in {spent:.1f} s"
    )
    return int(not len(fired) == len(logged) == in_feed == 1440)


def month(days: int = 30, count: int = 100, *, live: bool = False) -> int:
    """Replay a month of 100 markets with both metrics; `live`: compare with evaluating each of its minutes in turn."""
    print(f"{days} days x {count} markets x 2 metrics")
    chance = np.random.default_rng(2)
    with tempfile.TemporaryDirectory() as folder:
        store = ParquetStore(f"{folder}/store")
        kept = {}
        for day in range(-1, days):
            for hour in range(24):
                begin = START + day * DAY + hour * HOUR
                values = np.exp(np.cumsum(chance.standard_t(3, (2 * count, 60)) * 0.002, axis=1)) * 100
                for _ in range(3 if chance.random() < 0.2 else 0):
                    where, at = chance.integers(2 * count), chance.integers(60)
                    values[where, at : at + chance.integers(1, 9)] *= chance.uniform(2.5, 20)
                values[chance.random(values.shape) < 0.01] = np.nan
                rows = table(values, begin + HOUR - MINUTE, metrics=2)
                store.write_candles(begin, "coinbase", rows)
                store.seal(begin)
                if live:
                    kept[begin] = rows
        end = START + days * DAY - MINUTE
        text = '{"markets": {"coinbase": ["*-USD"]}, "metrics": ["price", "volume_24h"]}'
        pipeline = Pipeline(
            watchlist=Watchlist.parse(text, "m", ["coinbase"]), rules=RULES, sources={}, store=store,
            outbox=ObjectOutbox(f"{folder}/store"), bucket=SiteBucket(f"{folder}/site"), notifier=FakeNotifier(),
            recipients=(), sender="", about=About(version="0"), clock=lambda: end, sleep=lambda _s: None,
        )  # fmt: skip
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = timed("replay", lambda: pipeline.replayed(START - MINUTE, end))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        page = timed("HTML report", lambda: report(found))
        print(
            f"  alerts {len(found.alerts):,}, transitions {found.transitions:,}, reopened {found.saved_by_cooldown}; "
            f"report {len(page):,} bytes; memory {before / 1024:.0f} MB before, at most {peak / 1024:.0f} MB"
        )
        if not live:
            return 0
        began = time.perf_counter()
        told = list(lived(kept, START - DAY, end))
        print(f"  the same minutes evaluated one by one: {time.perf_counter() - began:.0f} s")
    told = [one for one in told if one.minute > START - MINUTE]
    same = len(told) == found.transitions and {one.alert_id for one in told} == {one.id for one in found.alerts}
    print(f"  live transitions {len(told):,}: {'the same' if same else 'DIFFERENT'}")
    return int(not same)


def lived(kept: dict[datetime, pa.Table], start: datetime, end: datetime) -> Iterator[Transition]:
    """Evaluate each minute from the rules about values, as the live product does: each knows what was told."""
    values = [rule for rule in RULES if not rule.kind.silence]
    told: list[Transition] = []
    minute = start
    while minute <= end:
        hour = minute.replace(minute=0)
        # two hours back hold all that these rules look at
        window = pa.concat_tables([kept[one] for one in (hour - HOUR, hour) if one in kept]) if hour in kept else None
        if window is not None:
            empty = summarise(window.slice(0, 0), minute)
            changes = evaluate(values, window, empty, minute, told=told).transitions
            yield from changes
            told = [one for one in standings([*told, *changes]) if minute - one.minute < timedelta(hours=20)]
        minute += MINUTE


def main(arguments: list[str]) -> int:
    chosen = arguments or ["at-once", "spikes", "month-live"]
    return max(
        {"at-once": at_once, "spikes": spikes, "month": month, "month-live": partial(month, live=True)}[one]()
        for one in chosen
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
