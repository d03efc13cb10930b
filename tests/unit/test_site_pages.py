"""The site as a whole: what every page holds, hostile names, contracts for machines, budgets, proof."""

from __future__ import annotations

import csv
import gzip
import hashlib
import html
import io
import json
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support import scrape, site
from tests.support.site import ABOUT, NOW, RULES, STATUS
from tracker import stats
from tracker.alerts import State
from tracker.model import DAY, HOUR, About, Evidence, Market, Metric, Series, Usage, iso
from tracker.site import Feed, History, Status, market_parts, markets
from tracker.site.charts import sparkline
from tracker.site.content import fold
from tracker.stats import summarise

BUDGET = 14_000
SCRIPT_BUDGET = 2_500
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(scope="module")
def eventful():
    return site.eventful_day()


@pytest.fixture(scope="module")
def files(eventful):
    return eventful.render()


EVIDENCE = [
    Evidence(f"minute/date=2026-11-23/hour=22/2210-{name}.parquet", hashlib.sha256(name.encode()).hexdigest(), name)
    for name in ("binance", "coinbase", "kraken")
]
EVIDENCE.append(Evidence("summary/date=2026-11-23/hour=22/2210.parquet", hashlib.sha256(b"summary").hexdigest()))


@pytest.fixture(scope="module")
def hundred():
    """Make a hundred markets out of many, with all that takes bytes: objects, quotes, links to then."""
    quotes = ("USD", "EUR", "GBP", "USDT", "BTC", "ETH")
    some = [replace(one, quote=quotes[n % 6]) for n, one in enumerate(site.markets(300))]
    walks = {(one, metric): values for one in some for metric, values in site.walk(one).items()}
    history = History((NOW.replace(minute=0) - HOUR, NOW.replace(minute=0) - DAY), copy=True)
    day = site.day(walks)
    before = summarise(day.window, NOW)
    ranks = pa.array(np.roll(np.arange(1, before.num_rows + 1), 1), pa.int32())
    moved = before.set_column(before.schema.get_field_index("rank"), before.schema.field("rank"), ranks)
    return day.render(evidence=EVIDENCE, history=history, hour_ago=moved)


def pages(files):
    return {path: data.decode() for path, data in files.items() if path.endswith(".html")}


def zipped(data: bytes) -> int:
    return len(gzip.compress(data, 9))


def text_of(page: str) -> str:
    body = re.sub(r"<(style|script|svg).*?</\1>", "", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))


class Links(HTMLParser):
    """Collects what a browser would fetch and where links lead."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.links.append(given["href"])
        elif tag == "link" and given["rel"] not in {"canonical", "alternate"}:
            self.fetched.append(given["href"])
        elif tag in {"script", "img", "iframe", "video", "object"} and "src" in given:
            self.fetched.append(given["src"])


def test_the_map_of_the_site_is_that_of_the_contract(files):
    assert {
        "index.html", "volume.html", "alerts.html", "status.html", "methodology.html", "404.html", "feed.xml",
        "favicon.svg", "m/coinbase-btc-usd.html", "data/ranking.csv", "data/coinbase-btc-usd-24h.csv",
        "data/coinbase-btc-usd-24h.parquet", "api/v1/ranking.json", "api/v1/series/coinbase-btc-usd.json",
        "api/v1/alerts.json", "api/v1/status.json",
    } <= set(files)  # fmt: skip
    assert list(files)[-1] == "index.html"


def test_rendering_twice_gives_the_same_bytes(eventful, files):
    assert eventful.render() == files


def test_parts_made_by_other_processes_have_the_same_bytes(eventful, files, monkeypatch):
    monkeypatch.setattr(markets, "PART", 7)
    yet = market_parts(eventful.content())
    make = pickle.loads(pickle.dumps(yet.make))
    made = [make(pickle.loads(pickle.dumps(part))) for part in yet.parts]
    assert len(made) > 3
    whole = {path: data for some in made for path, data in some.items()}
    assert whole == {path: files[path] for path in yet.paths}


def test_every_link_leads_to_a_file_of_the_site_and_every_id_is_unique(files):
    for path, page in pages(files).items():
        found = Links(page)
        assert len(found.ids) == len(set(found.ids)), path
        for href in found.links:
            if href.startswith(("https://", "#")):
                continue
            folder = path.rpartition("/")[0]
            parts = [*folder.split("/"), *href.partition("#")[0].split("/")]
            resolved: list[str] = []
            for part in filter(None, parts):
                resolved.pop() if part == ".." else resolved.append(part)
            assert "/".join(resolved) in files, (path, href)


def test_no_page_asks_for_a_second_file_or_another_host(files):
    for path, page in pages(files).items():
        assert all(one.startswith("data:") for one in Links(page).fetched), path
        assert "url(" not in page
        assert "@import" not in page


def test_every_page_says_its_minute_and_when_it_is_stale_without_a_script(files):
    for path, page in pages(files).items():
        said = text_of(page)
        assert "as of 2026-11-23 22:10 UTC" in said, path
        assert "a page older than 2026-11-23 22:13 UTC is stale" in said, path
        assert f'data-at="{int(NOW.timestamp())}" data-period="60"' in page


def test_the_period_moves_the_time_of_staleness(eventful):
    page = eventful.render(about=replace(ABOUT, repaint_seconds=300))["index.html"].decode()
    assert "a page older than 2026-11-23 22:17 UTC is stale" in text_of(page)


def test_the_script_may_run_only_because_its_hash_is_named(files):
    import base64
    import hashlib

    for path, page in pages(files).items():
        [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'" in html.unescape(page), path
        assert not re.search(r"\son\w+=", re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)), path


def test_a_ranking_of_a_hundred_rows_and_each_market_page_fit_the_first_round_trip(hundred):
    for path, data in hundred.items():
        if path.startswith(("index", "volume", "m/", "at/")) and path.endswith(".html"):
            assert zipped(data) <= BUDGET, path
    assert hundred["index.html"].count(b"<tr") == 101
    assert hundred["index.html"].count(b"<option") > 6


def test_no_page_has_more_script_than_its_budget(files):
    for path, page in pages(files).items():
        [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
        assert zipped(script.encode()) <= SCRIPT_BUDGET, path


def test_rendering_needs_no_pandas():
    program = (
        "import sys; from tests.support import site; d = site.quiet_day(2)\n"
        "from tracker.stats import summarise; s = summarise(d.window, d.minute)\n"
        "from tracker.site import render\n"
        "render(s, d.window, d.evaluation, d.minute, rules=site.RULES, status=site.STATUS, about=site.ABOUT)\n"
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_ranking_longer_than_a_page_goes_on_with_one_place_for_each_series():
    values = {(market, Metric.PRICE): [float(n + 1), float(2 * n + 2)] for n, market in enumerate(site.markets(205))}
    files = site.day(values).render()
    rows = [
        re.findall(r'<th scope="row"><a href="(m/[^"]+)"', files[f"index{n}.html"].decode()) for n in ("", "-2", "-3")
    ]
    assert [len(one) for one in rows] == [100, 100, 5]
    assert len({one for some in rows for one in some}) == 205
    assert "rows 201 to 205 of 205" in text_of(files["index-3.html"].decode())
    assert 'href="index-2.html" aria-current="page"' in files["index-2.html"].decode()
    assert "markets.html" in files


def test_ranking_json_is_exactly_the_contract(files, eventful):
    said = json.loads(files["api/v1/ranking.json"])
    assert list(said) == ["minute", "series"]
    assert said["minute"] == "2026-11-23T22:10:00Z"
    assert {tuple(row) for row in said["series"]} == {
        ("market", "metric", "latest", "latest_minute", "change_24h", "mean_1h", "ratio_1h", "stdev_24h", "cv_24h",
         "rank", "n_1h", "n_24h", "min_24h", "max_24h", "state")
    }  # fmt: skip
    by_series = {(row["market"], row["metric"]): row for row in said["series"]}
    for row in summarise(eventful.window, NOW).to_pylist():
        published = by_series[row["market"], row["metric"]]
        for name in ("latest", "change_24h", "mean_1h", "ratio_1h", "stdev_24h", "cv_24h", "rank", "n_1h", "n_24h"):
            assert published[name] == row[name]
        assert published["latest_minute"] == iso(row["latest_minute"])
    assert by_series["coinbase:ADA-USD", "price"]["state"] == "no_data"
    assert by_series["coinbase:ADA-USD", "price"]["ratio_1h"] is None
    assert by_series["coinbase:PEPE-USD", "price"]["state"] == "firing"
    assert by_series["coinbase:BTC-USD", "price"]["state"] == "ok"


def test_series_json_csv_and_parquet_hold_the_same_samples(files, eventful):
    said = json.loads(files["api/v1/series/coinbase-sol-usd.json"])
    assert list(said) == ["market", "minute", "metrics"]
    assert list(said["metrics"]) == ["price", "volume_24h"]
    stored = pq.read_table(io.BytesIO(files["data/coinbase-sol-usd-24h.parquet"])).to_pylist()
    of_parquet = [[int(row["minute"].timestamp()), row["value"]] for row in stored if row["metric"] == "price"]
    assert said["metrics"]["price"] == of_parquet
    assert len(of_parquet) == 1440 - 284
    rows = list(csv.DictReader(io.StringIO(files["data/coinbase-sol-usd-24h.csv"].decode())))
    assert list(rows[0]) == ["minute", "price", "volume_24h"]
    assert len(rows) == 1440
    assert [float(row["price"]) for row in rows if row["price"]] == [value for _, value in of_parquet]
    assert rows[-1]["minute"] == "2026-11-23T22:10:00Z"
    assert rows[500]["price"] == ""


def test_ranking_csv_is_the_json_row_by_row(files):
    rows = list(csv.DictReader(io.StringIO(files["data/ranking.csv"].decode())))
    series = json.loads(files["api/v1/ranking.json"])["series"]
    assert len(rows) == len(series)
    for row, published in zip(rows, series, strict=True):
        for name, value in published.items():
            assert row[name] == ("" if value is None else str(value))


def test_alerts_json_tells_what_is_open_and_what_ended(files):
    said = json.loads(files["api/v1/alerts.json"])
    [opened], [ended] = said["open"], said["ended"]
    assert (opened["market"], opened["state"], opened["ended"]) == ("coinbase:PEPE-USD", "firing", None)
    assert (ended["market"], ended["why_ended"], ended["rises"]) == ("coinbase:DOGE-USD", "resolved", 1)
    assert ended["peak_ratio"] > 4


def test_status_json_is_what_an_outside_watcher_needs(files):
    said = json.loads(files["api/v1/status.json"])
    assert said["minute"] == "2026-11-23T22:10:00Z"
    assert said["outbox"] == {"depth": 1, "oldest_unsent": "2026-11-23T22:06:00Z", "failed": 0, "mail_configured": True}
    assert said["feeds"][1]["error"] == "kraken, 22:10: HTTP 503; waits a minute"
    assert said["states"]["firing"] == 1


def test_the_feed_is_atom_with_ids_that_do_not_depend_on_when_it_is_made(eventful, files):
    feed = ET.fromstring(files["feed.xml"])
    entries = feed.findall(f"{ATOM}entry")
    ids = [entry.findtext(f"{ATOM}id") for entry in entries]
    assert len(entries) == 3
    assert len(set(ids)) == 3
    assert all(one.startswith("tag:tracker.example.org,2026:") for one in ids)
    assert feed.findtext(f"{ATOM}updated") == entries[0].findtext(f"{ATOM}updated")
    assert entries[0].findtext(f"{ATOM}title") == "PEPE/USD price is 3.60× its 1 h mean (coinbase)"
    later = replace(eventful, minute=NOW + timedelta(minutes=1))
    assert later.render()["feed.xml"] == files["feed.xml"]


HOSTILE = [
    Market("coinbase", "<script>alert(1)</script>", "USD"),
    Market("coinbase", "../../etc/passwd", "USD"),
    Market("coinbase", '"onload="alert(1)', "USD"),
    Market("coinbase", "Ω₿-測試", "USD"),
    Market("coinbase", "A" * 200, "USD"),
    Market("coinbase", "a,b\n=1+1", "USD"),
    Market("coinbase", "{{ 7*7 }}", "U&D"),
    Market("coinbase", "' OR 1=1 --", "USD"),
]


@pytest.fixture(scope="module")
def hostile_day():
    return site.day({(one, metric): values for one in HOSTILE for metric, values in site.walk(one).items()})


@pytest.fixture(scope="module")
def hostile(hostile_day):
    return hostile_day.render()


def test_hostile_names_stay_text(hostile):
    for path, page in pages(hostile).items():
        assert "<script>alert" not in page, path
        assert '"onload=' not in page, path
        assert len(re.findall("<script", page)) == 1
    said = text_of(hostile["index.html"].decode())
    for market in HOSTILE:
        assert " ".join(market.pair.split()) in " ".join(said.split())
    assert "49" not in re.findall(r"\{\{.*?\}\}", said)[0]


def test_hostile_names_stay_inside_the_site_and_its_files(hostile, tmp_path):
    for path in hostile:
        assert re.fullmatch(r"[a-z0-9._/-]+", path), path
        assert ".." not in path
        assert len(path) < 140
    site.write(hostile, tmp_path)
    names = {row["market"] for row in csv.DictReader(io.StringIO(hostile["data/ranking.csv"].decode()))}
    assert names == {str(market) for market in HOSTILE}
    assert {row["market"] for row in json.loads(hostile["api/v1/ranking.json"])["series"]} == names


def test_hostile_names_do_not_break_the_feed_or_inject_sql(hostile_day, hostile, tmp_path, monkeypatch):
    ET.fromstring(hostile["feed.xml"])
    site.stored(hostile_day, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for market in HOSTILE:
        with duckdb.connect() as connection:
            for statement in scrape.statements(hostile[f"m/{market.slug}.html"].decode()):
                rows = connection.execute(statement).fetchall()
        assert len(rows) == 2 * 25


def test_nothing_stored_yet_is_a_site_that_says_so():
    empty = site.day({(Market("coinbase", "BTC", "USD"), Metric.PRICE): [np.nan]})
    files = empty.render(status=Status(), about=About(version="0.1.0"))
    assert "There is no sample of the last 24 hours yet" in text_of(files["index.html"].decode())
    assert "No series has a sample in the last 24 hours" in text_of(files["status.html"].decode())
    assert json.loads(files["api/v1/ranking.json"])["series"] == []
    assert not [path for path in files if path.startswith("m/")]


def test_a_single_sample_is_unranked_and_shown():
    market = Market("coinbase", "BTC", "USD")
    files = site.day({(market, Metric.PRICE): [65012.4]}).render()
    page = files["index.html"].decode()
    assert "65,012.40" in page
    assert "<td>–" in page
    assert "no sample of the last" not in page
    assert "65,012.40" in files[f"m/{market.slug}.html"].decode()


def test_a_volume_that_starts_from_zero_reads_from_zero_and_infinity_never_reaches_json():
    market = Market("coinbase", "NEW", "USD")
    files = site.day({(market, Metric.VOLUME_24H): [0.0] * 100 + [5.0]}).render()
    assert "from 0" in files["volume.html"].decode()
    said = json.loads(files["api/v1/alerts.json"], parse_constant=pytest.fail)
    assert said["open"][0]["peak_ratio"] is None
    assert "from 0" in text_of(files["alerts.html"].decode())
    ET.fromstring(files["feed.xml"])


def test_an_alert_is_open_while_the_rules_say_so_and_its_end_is_unknown_when_they_say_nothing(eventful):
    series = Series(Market("coinbase", "PEPE", "USD"), Metric.PRICE)
    fired = [one for one in eventful.transitions if one.series == series]
    [open_] = fold(fired, {fired[0].alert_id: State.RESOLVING})
    [closed] = fold(fired, {})
    assert (open_.open, open_.state) == (True, State.RESOLVING)
    assert (closed.open, closed.ended, closed.why_ended) == (False, None, "end not recorded")


def test_ranks_that_moved_within_the_hour_say_how_far(eventful):
    before = summarise(eventful.window, NOW)
    ranks = before.column("rank").to_pylist()
    other = pa.array([*ranks[1:2], *ranks[0:1], *ranks[2:]], pa.int32())
    moved = before.set_column(before.schema.get_field_index("rank"), before.schema.field("rank"), other)
    page = eventful.render(hour_ago=moved)["index.html"].decode()
    assert "<td>1<small> ▲1</small>" in page
    assert "<td>2<small> ▼1</small>" in page


def test_the_status_page_says_the_worst_first(eventful, files):
    assert "kraken did not answer at the last fetch" in text_of(files["status.html"].decode())
    good = text_of(eventful.render(status=Status(feeds=(Feed("coinbase", 30, 30, 60, 0.2),)))["status.html"].decode())
    assert "4 of 60 series are without data" in good
    assert "did you mean BTC-USD?" in text_of(files["status.html"].decode())
    assert "not set: alerts are recorded and shown, not mailed" in good


def test_the_hour_is_kept_as_it_was_with_links_to_then_and_now(eventful):
    noon = NOW.replace(minute=0)
    history = History((noon - HOUR, noon - DAY), copy=True, every=(noon - 30 * HOUR, noon - DAY, noon - HOUR))
    files = eventful.render(history=history)
    kept = {path for path in files if path.startswith("at/2026-11-23T22/")}
    assert kept == {f"at/2026-11-23T22/{name}" for name in ("index.html", "volume.html", "ranking.csv")}
    page = files["at/2026-11-23T22/index.html"].decode()
    assert "The ranking as it was at 2026-11-23 22:10 UTC" in text_of(page)
    assert "kept as it was" in text_of(page)
    assert "stale" not in text_of(page)
    assert "data-period" not in page
    assert {"../../index.html", "../../at/2026-11-23T21/index.html", "../../at/index.html#2026-11-23"} <= set(
        Links(page).links
    )
    assert "../../m/coinbase-btc-usd.html" in Links(page).links
    assert files["at/2026-11-23T22/ranking.csv"] == files["data/ranking.csv"]
    then = Links(files["volume.html"].decode()).links
    assert {"at/2026-11-23T21/volume.html", "at/2026-11-22T22/volume.html", "at/index.html"} <= set(then)
    hours = text_of(files["at/index.html"].decode())
    assert "4 of them" in hours
    assert hours.index("2026-11-23 21:00 22:00") < hours.index("2026-11-22 16:00 22:00")


def test_without_a_kept_hour_no_page_links_to_one(files):
    assert not [path for path in files if path.startswith("at/")]
    assert "As it was" not in text_of(files["index.html"].decode())


def test_the_status_page_says_what_publishing_costs(eventful):
    status = replace(STATUS, usage=Usage(publishes=1440, writes=92_448, reads=4_320, bytes=7_300_000_000))
    said = text_of(eventful.render(status=status)["status.html"].decode())
    assert "Counted in 1,440 publishes of the last 24 h: 92,448 writes of 7.30 GB, 4,320 reads" in said
    assert "A month of it: 2,773,440 writes of 219 GB" in said
    assert "$7.98 at Cloudflare R2 or $13.92 at Amazon S3" in said


def test_the_methodology_states_the_constants_of_the_code(files):
    said = text_of(files["methodology.html"].decode())
    assert " ".join(stats.SQL.split()) in " ".join(said.split())
    assert "[t − 60 min, t)" in said
    assert "the last sample of every 120 minutes (price) or 180 minutes (24 h volume)" in said
    assert "poll made within 90 s after t" in said
    assert "late 120 s and stale 180 s" in said
    assert "No sample for 3 minutes is no data" in said
    assert "k 3 3.15 4 5 6 10 30" in said
    assert "minutes above 0 2 7 10 12 16 19" in said


def test_the_page_of_a_changed_rule_says_the_changed_rule(eventful):
    rules = (replace(RULES[0], limit="2.5", min_samples=20), RULES[1])
    said = text_of(eventful.render(rules=rules)["methodology.html"].decode())
    assert "more than 2.5 times its mean of the 60 minutes before" in said
    assert "It needs 20 of the 60 minutes before" in said


def test_no_template_leaves_a_python_word_on_a_page(files):
    for path, page in pages(files).items():
        said = text_of(page)
        for word in ("None", "nan", "inf ", "State.", "Metric.", "datetime", "{{", "{%"):
            assert word not in said, (path, word)


def test_without_a_public_address_or_a_run_pages_are_whole(eventful):
    files = eventful.render(about=About(version="0.1.0"))
    page = files["index.html"].decode()
    assert "canonical" not in page
    assert "run " not in re.search(r"<footer>.*?</footer>", page, re.DOTALL)[0]
    assert 'href="alerts.html"' in files["feed.xml"].decode()


def test_texts_keep_their_contrast_in_both_schemes():
    from tracker.site import assets

    text = assets.style("style")
    light, dark = re.findall(r":root\{(color-scheme[^}]*|--bg:#111[^}]*)\}", text)
    for scheme in (light, dark):
        token = dict(re.findall(r"--(\w+):(#[0-9a-f]{3,6})", scheme))
        for ink in ("text", "muted", "line", "mean", "up", "down"):
            for ground in ("bg", "soft", "hot"):
                assert _contrast(token[ink], token[ground]) >= 4.5, (ink, ground, token)


def _contrast(one: str, two: str) -> float:
    """Give the contrast of WCAG 2.2."""

    def luminance(color: str) -> float:
        color = color.lstrip("#")
        color = "".join(c * 2 for c in color) if len(color) == 3 else color
        parts = [int(color[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


def test_a_status_with_a_thousand_problems_stays_readable(eventful):
    many = replace(STATUS, problems=STATUS.problems * 1000)
    assert "950 more in" in text_of(eventful.render(status=many)["status.html"].decode())


def test_an_outage_is_told_in_words_with_its_length():
    two = site.markets(2)
    values = {(one, Metric.PRICE): site.walk(one)[Metric.PRICE] for one in two}
    for series in values.values():
        series[352:635] = np.nan
    day = site.day(values)
    page = day.render(status=replace(STATUS, coverage=(site.coverage(day, two),)))["status.html"].decode()
    told = "coinbase gave nothing from 04:02 to 08:45 UTC , 283 minutes: an outage, candles of its 2 markets have none"
    assert told in text_of(page)
    assert "<title>coinbase:BTC-USD, minutes of the last 24 h: 1,157 polled, 283 outage.</title>" in page
    assert page.count('<tr><th scope="row"><a href="m/coinbase-') == 2


def test_few_markets_have_a_strip_each_and_many_only_where_there_is_something_to_tell():
    def strips(count, gap_in):
        some = site.markets(count)
        values = {(one, Metric.PRICE): np.ones(1440) for one in some}
        for one in some[:gap_in]:
            values[one, Metric.PRICE][100:200] = np.nan
        day = site.day(values)
        page = day.render(status=replace(STATUS, coverage=(site.coverage(day, some),)))["status.html"].decode()
        return page.count('<td class="l"><svg'), text_of(page)

    assert strips(100, 0)[0] == 100
    shown, said = strips(101, 0)
    assert (shown, "101 markets have a sample of every minute" in said) == (0, True)
    shown, said = strips(101, 3)
    assert (shown, "98 more markets have a sample of every minute" in said) == (3, True)
    shown, said = strips(300, 299)
    assert (shown, "49 more with gaps in status.json" in said) == (250, True)


def test_the_status_page_of_a_thousand_ragged_markets_keeps_its_budget():
    some, random = site.markets(1000), np.random.default_rng(7)
    values = {(one, Metric.PRICE): np.where(random.random(1440) < random.random() * 0.2, np.nan, 1.0) for one in some}
    table = site.window(values)
    coverage = site.coverage(site.Day(table, None, (), NOW), some)
    day = site.quiet_day(2)
    page = day.render(status=replace(STATUS, coverage=(coverage,)))["status.html"]
    assert len(gzip.compress(page)) < 100_000


def test_a_sparkline_of_a_constant_lies_in_the_middle():
    from tracker.site.samples import Samples

    assert "M0 4" in sparkline(Samples(np.arange(1, 1441), np.ones(1440)), 120)
