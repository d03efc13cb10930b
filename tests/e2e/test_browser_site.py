"""The site as readers meet it: with and without JavaScript, on a phone, in the dark, and growing old."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from bench import pictures
from tests.support import site
from tests.support.browser import serve
from tests.support.site import NOW
from tracker.model import Market, Metric, iso
from tracker.site import History

PAGES = [
    "index.html", "volume.html", "m/coinbase-sol-usd.html", "m/coinbase-pepe-usd.html", "alerts.html", "status.html",
    "methodology.html", "markets.html", "404.html",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    files = site.eventful_day().render(history=History(copy=True))
    return site.write(files, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def address(folder):
    with serve(folder) as address:
        yield address


@pytest.fixture
def open_page(browser: Browser, address: str):
    """Give a function that opens a page of the site, at a time of our choice; faults in its script fail the test."""
    contexts, faults = [], []

    def opened(path: str, *, after: float = 25, **options: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        if options.get("java_script_enabled", True):
            page.clock.install(time=iso(NOW + timedelta(seconds=after)))
        page.goto(address + path)
        return page

    opened.faults = faults
    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def markets(page: Page) -> list[str]:
    return page.locator("tbody tr:visible th a").all_inner_texts()


def test_sorting_by_a_column_orders_numbers_as_numbers_and_absent_ones_last(open_page):
    page = open_page("index.html")
    header = page.locator("th[data-k=last]")
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    assert markets(page)[:2] == ["BTC-USD", "ETH-USD"]
    assert markets(page)[-1] == "PEPE-USD" or "BONK-USD" in markets(page)[-3:]
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "ascending")
    assert markets(page)[-1] == "BTC-USD"
    assert page.locator("[aria-sort]").count() == 1
    for _ in range(2):
        page.locator("th[data-k=ratio] button").click()
        assert set(markets(page)[-2:]) == {"ADA-USD", "MKR-USD"}


def test_the_tiniest_price_sorts_below_those_that_print_more_digits(open_page):
    page = open_page("index.html?sort=last")
    assert [one for one in markets(page) if one in {"PEPE-USD", "SHIB-USD", "BONK-USD"}] == [
        "PEPE-USD", "SHIB-USD", "BONK-USD",
    ]  # fmt: skip
    assert markets(page)[0] == "PEPE-USD"


def test_volumes_in_short_form_sort_by_their_size(open_page):
    page = open_page("volume.html?sort=-mean")
    assert markets(page)[:3] == ["PEPE-USD", "SHIB-USD", "BONK-USD"]
    assert "M" not in page.locator("tbody tr").last.locator("td").nth(5).inner_text()


def test_filtering_is_in_the_address_and_survives_a_reload(open_page):
    page = open_page("index.html")
    page.get_by_label("Filter markets").fill("btc -usd")
    assert "BTC-USD" in markets(page)
    assert "ETH-USD" not in markets(page)
    assert "q=btc+-usd" in page.url
    expect(page.locator("#shown")).to_contain_text("in 30 rows")
    page.reload()
    assert "ETH-USD" not in markets(page)
    page.get_by_label("Filter markets").fill("no such market")
    expect(page.locator("#none")).to_be_visible()
    page.get_by_label("Filter markets").fill("")
    assert len(markets(page)) == 30


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Serve a ranking of three pages, of two exchanges and quotes."""
    some = [
        replace(one, exchange=("coinbase", "kraken")[n % 2], quote=("USD", "EUR")[n // 2 % 2])
        for n, one in enumerate(site.markets(205))
    ]
    values = {(one, Metric.PRICE): [float(n + 1), float(2 * n + 2)] for n, one in enumerate(some)}
    with serve(site.write(site.day(values).render(), tmp_path_factory.mktemp("many"))) as address:
        yield address


def test_sorting_asks_all_pages_of_the_ranking_and_once(open_page, many):
    page = open_page("404.html")
    asked = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(many)))
    page.goto(f"{many}index.html")
    assert len(markets(page)) == 100
    assert asked == ["index.html"]
    page.locator("th[data-k=last] button").click()
    page.locator("th[data-k=last] button").click()
    expect(page.locator("#shown")).to_contain_text("205")
    ranks = [int(one.split()[0]) for one in page.locator("tbody tr:visible td:first-child").all_inner_texts()]
    assert ranks == list(range(205, 105, -1))
    assert sorted(asked) == ["index-2.html", "index-3.html", "index.html"]


def test_exchange_and_quote_are_chosen_over_all_pages_and_stand_in_the_address(open_page, many):
    page = open_page("404.html")
    page.goto(f"{many}index.html")
    page.get_by_label("Exchanges").select_option("kraken")
    page.get_by_label("Quotes").select_option("EUR")
    expect(page.locator("#shown")).to_contain_text("51")
    assert len(markets(page)) == 51
    assert page.url.endswith("?ex=kraken&quote=EUR")
    page.reload()
    expect(page.get_by_label("Quotes")).to_have_value("EUR")
    expect(page.locator("tbody tr:visible")).to_have_count(51)
    assert all(name.endswith("-EUR") for name in markets(page))


def test_when_other_pages_cannot_be_had_the_answer_says_of_what_it_is(open_page, many):
    page = open_page("404.html")
    page.route("**/index-2.html", lambda route: route.abort())
    with page.expect_console_message(lambda message: message.type == "error"):
        page.goto(f"{many}index.html?q=usd")
    expect(page.locator("#shown")).to_contain_text("of this page only")
    open_page.faults.clear()


def test_a_kept_hour_is_never_stale(open_page, address):
    page = open_page("at/2026-11-23T22/index.html", after=90_000)
    expect(page.locator("html")).to_have_attribute("data-age", "kept")
    expect(page.locator(".asof")).to_contain_text("25 h old · kept")
    assert page.get_by_label("live").count() == 0
    page.get_by_role("link", name="Now").click()
    assert page.url == f"{address}index.html"


def test_a_mangled_address_shows_the_ranking_all_the_same(open_page):
    page = open_page("index.html?sort=-%22%5D,*&q=%3Cscript%3E")
    page.get_by_label("Filter markets").fill("")
    assert len(markets(page)) == 30


def test_the_table_head_is_reached_and_sorted_by_keyboard_alone(open_page):
    page = open_page("index.html")
    page.locator("th[data-k=cv] button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("th[data-k=cv]")).to_have_attribute("aria-sort", "descending")
    assert markets(page)[0] == "DOGE-USD"


def test_a_page_says_its_age(open_page):
    page = open_page("alerts.html")
    for after, age, says in [
        (25, "fresh", "25 s old · fresh"),
        (119, "fresh", "fresh"),
        (125, "late", "2 min old · late"),
        (185, "stale", "3 min old · stale"),
        (90_000, "stale", "25 h old · stale"),
        (-120, "clock", "your clock seems wrong"),
    ]:
        page.clock.set_fixed_time(iso(NOW + timedelta(seconds=after)))
        page.reload()
        expect(page.locator("html")).to_have_attribute("data-age", age)
        expect(page.locator(".asof")).to_contain_text(says)


def test_an_open_page_turns_stale_by_itself_within_three_minutes(open_page):
    page = open_page("index.html")
    fresh = page.locator("body").evaluate("e => getComputedStyle(e).borderTopColor")
    page.clock.run_for(170_000)
    expect(page.locator("html")).to_have_attribute("data-age", "stale")
    assert page.locator("body").evaluate("e => getComputedStyle(e).borderTopColor") != fresh
    row = page.locator("tr", has_text="BTC-USD").locator("td").last
    assert row.evaluate("e => getComputedStyle(e, '::after').content") == '"3 min old"'


def test_live_swaps_in_the_next_minute_and_keeps_filter_and_sort(open_page, address, folder):
    page = open_page("index.html?q=btc&sort=-last")
    newer = site.eventful_day(minute=NOW + timedelta(minutes=1)).render()["index.html"]
    page.route("**/index.html*", lambda route: route.fulfill(body=newer, content_type="text/html"))
    page.get_by_label("live").check()
    page.clock.run_for(60_000)
    expect(page.locator("#at")).to_contain_text("22:11")
    expect(page.locator("html")).to_have_attribute("data-age", "fresh")
    expect(page.get_by_label("Filter markets")).to_have_value("btc")
    assert markets(page) == ["BTC-USD"]


def test_live_leaves_the_old_content_when_the_site_does_not_answer(browser, folder):
    context = browser.new_context()
    page = context.new_page()
    page.clock.install(time=iso(NOW))
    with serve(folder) as address:
        page.goto(f"{address}index.html")
        page.get_by_label("live").check()
    page.clock.run_for(200_000)
    expect(page.locator("html")).to_have_attribute("data-age", "stale")
    assert len(markets(page)) == 30
    context.close()


def test_times_can_be_shown_in_the_readers_zone_and_back(open_page):
    page = open_page("index.html", timezone_id="Asia/Kolkata")
    expect(page.locator("#at time")).to_have_text("2026-11-23 22:10 UTC")
    page.get_by_role("button", name="Local time").click()
    expect(page.locator("#at time")).to_have_text("2026-11-24 03:40 GMT+0530")
    expect(page.locator("th[data-k=sample]")).to_contain_text("GMT+0530")
    page.reload()
    expect(page.locator("#at time")).to_have_text("2026-11-24 03:40 GMT+0530")
    page.get_by_role("button", name="UTC", exact=True).click()
    expect(page.locator("#at time")).to_have_text("2026-11-23 22:10 UTC")


def test_the_slider_reads_every_minute_to_the_keyboard(open_page):
    page = open_page("m/coinbase-sol-usd.html")
    slider = page.get_by_label("Minute of the price chart")
    slider.focus()
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^22:11 UTC: [\d.]+ USD$"))
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^22:09 UTC: .*1 h mean .*×$"))
    slider.fill("500")
    expect(slider).to_have_attribute("aria-valuetext", "06:31 UTC: no sample")


def test_pointing_at_a_chart_reads_the_stored_value(open_page, folder):
    page = open_page("m/coinbase-btc-usd.html")
    plot = page.locator(".plot").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    expect(page.locator("output").first).to_have_text(re.compile(r"^\d\d:\d\d UTC: [\d,.]+ USD"))  # and no ≈
    said = page.locator("output").first.inner_text()
    lines = (folder / "data/coinbase-btc-usd-24h.csv").read_text().splitlines()
    stored = next(line.split(",")[1] for line in lines if line[11:16] == said[:5])
    read = re.match(r"\d\d:\d\d UTC: ([\d,.]+) USD", said)
    assert float(read[1].replace(",", "")) == float(stored)
    expect(page.locator(".hair").first).to_be_visible()


@pytest.mark.parametrize("width", [320, 390])
def test_no_page_is_wider_than_a_phone(open_page, address, width):
    page = open_page("index.html", viewport={"width": width, "height": 800})
    for path in PAGES:
        page.goto(address + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


@pytest.mark.parametrize("width", [320, 390])
def test_the_head_of_a_phone_is_a_line_of_age_a_row_and_one_line_of_links(open_page, width):
    page = open_page("index.html", viewport={"width": width, "height": 800})
    age, brand, *links = [
        page.locator(one).bounding_box()
        for one in (".asof", ".brand", *(f"header nav a:nth-child({n})" for n in range(1, 6)))
    ]
    assert age["y"] + age["height"] <= brand["y"]
    assert len({link["y"] for link in links}) == 1
    assert page.locator("header").bounding_box()["height"] < 120


def test_the_last_value_stands_beside_its_dot_on_a_phone(open_page):
    page = open_page("m/coinbase-sol-usd.html", viewport={"width": 390, "height": 800})
    for dot, label in zip(page.locator(".dot").all(), page.locator(".plot .last").all(), strict=True):
        at, beside = dot.bounding_box(), label.bounding_box()
        assert 0 <= beside["x"] - at["x"] < 20
        assert beside["x"] + beside["width"] <= 390


def test_a_long_name_leaves_the_strip_of_its_day_in_sight(open_page, browser, tmp_path):
    long = Market("coinbase", "WRAPPED" * 8, "USD")
    day = site.day({(long, metric): values for metric, values in site.walk(long).items()})
    status = replace(site.STATUS, coverage=(site.coverage(day, [long]),))
    with serve(site.write(day.render(status=status), tmp_path)) as address:
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.goto(f"{address}status.html")
        name = page.locator(".days tbody th").bounding_box()
        page.close()
    assert name["width"] < 180


def test_forced_colours_leave_what_only_a_background_draws(open_page):
    for path, drawn in (("index.html", ".r"), ("status.html", ".strip i"), ("m/coinbase-sol-usd.html", "[type=range]")):
        page = open_page(path, forced_colors="active")
        assert page.locator(drawn).first.evaluate("one => getComputedStyle(one).forcedColorAdjust") == "none", path
        assert page.locator("tbody th").first.evaluate("one => getComputedStyle(one).forcedColorAdjust") == "auto"


def test_a_picture_for_the_docs_is_a_small_webp(browser, address):
    made = pictures.picture(browser, f"{address}index.html", "dark")
    assert (made[:4], made[8:12]) == (b"RIFF", b"WEBP")
    assert 5_000 < len(made) < 150_000


def test_the_ranking_never_pushes_the_page_sideways(open_page):
    page = open_page("volume.html")
    for width in (768, 1280, 1440, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        page.reload()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_all_columns_of_the_price_ranking_fit_a_laptop(open_page):
    page = open_page("index.html", viewport={"width": 1280, "height": 800})
    assert page.locator(".rank").evaluate("box => box.scrollWidth - box.clientWidth") <= 0


def test_the_head_of_a_table_that_fits_stays_in_sight(open_page):
    page = open_page("index.html", viewport={"width": 1600, "height": 600})
    page.evaluate("scrollTo(0, 900)")
    expect(page.locator("h1")).not_to_be_in_viewport()
    expect(page.locator("th[data-k=last]")).to_be_in_viewport()


def test_every_page_is_complete_without_a_script(open_page, address):
    page = open_page("index.html", java_script_enabled=False)
    assert len(markets(page)) == 30
    expect(page.locator("[data-old]").first).to_have_attribute("data-old", re.compile(r"\d+ min behind"))
    for path in PAGES:
        page.goto(address + path)
        expect(page.locator(".asof")).to_contain_text("stale after 22:13")
        expect(page.locator("h1")).to_be_visible()
        assert page.locator(".js:visible").count() == 0, path
    page.goto(f"{address}m/coinbase-sol-usd.html")
    assert page.locator("svg path.va").count() == 2
    assert page.locator("[aria-label='Hour by hour'] tbody tr:visible").count() == 25


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("path", PAGES)
def test_the_script_shifts_nothing_that_was_drawn_before_it(path: str, width: int, open_page):
    """Hold the page still: what it shows before its script has run stands where it stands afterwards."""

    def tops(*, scripted: bool) -> dict[str, float]:
        page = open_page("404.html", viewport={"width": width, "height": 900})
        if not scripted:
            whole = page.request.get(address_of(page) + path).text()
            bare = re.sub(r"<script>.*?</script>", "", whole, flags=re.DOTALL)
            page.route(f"**/{path}", lambda route: route.fulfill(body=bare, content_type="text/html"))
        page.goto(address_of(page) + path)
        expect(page.locator("html[data-age]")).to_have_count(int(scripted))
        return {
            name: page.locator(name).first.bounding_box()["y"]
            for name in ("h1", "main > :last-child", "footer", "table", "svg path")
            if page.locator(name).count()
        }

    assert tops(scripted=True) == pytest.approx(tops(scripted=False), abs=1)


def address_of(page: Page) -> str:
    return page.url.rpartition("/")[0] + "/"


def test_light_and_dark_follow_the_reader(open_page):
    page = open_page("m/coinbase-pepe-usd.html")
    colors = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colors[scheme] = page.locator("body").evaluate(
            "e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]"
        )
    assert colors == {
        "light": ["rgb(17, 17, 17)", "rgb(255, 255, 255)"],
        "dark": ["rgb(238, 238, 238)", "rgb(17, 17, 17)"],
    }


def test_a_page_is_one_request(open_page, address):
    page = open_page("404.html")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    some = ["index.html", "m/coinbase-sol-usd.html", "alerts.html", "status.html"]
    for path in some:
        page.goto(address + path)
        page.wait_for_load_state("load")
    assert [one for one in asked if not one.startswith("data:")] == [address + path for path in some]


def test_printing_hides_what_paper_cannot_do(open_page):
    page = open_page("index.html")
    page.emulate_media(media="print")
    expect(page.locator("header nav")).to_be_hidden()
    expect(page.get_by_label("Filter markets")).to_be_hidden()
    assert len(markets(page)) == 30
    page = open_page("m/coinbase-sol-usd.html")
    page.emulate_media(media="print")
    hour, key = page.locator(".x").first.bounding_box(), page.locator(".key").first.bounding_box()
    assert hour["y"] + hour["height"] <= key["y"]


def test_every_control_has_a_name_and_is_large_enough_to_touch(open_page):
    page = open_page("m/coinbase-sol-usd.html", viewport={"width": 390, "height": 800})
    for control in page.locator("button:visible, input[type=range]:visible, summary:visible").all():
        box = control.bounding_box()
        assert box["height"] >= 24, control.inner_text()


def test_inside_a_sandboxed_frame_the_page_still_works(browser, address):
    context, faults = browser.new_context(), []
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.set_content(f'<iframe sandbox="allow-scripts" src="{address}index.html" width=1200 height=600></iframe>')
    frame = page.frame_locator("iframe")
    frame.locator("th[data-k=last] button").click()
    expect(frame.locator("th[data-k=last]")).to_have_attribute("aria-sort", "descending")
    frame.get_by_role("button", name="Local time").click()
    frame.get_by_label("Filter markets").fill("btc-usd")
    expect(frame.locator("tbody tr:visible")).to_have_count(1)
    assert faults == []
    context.close()
