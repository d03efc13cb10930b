"""The pictures of the docs: the ranking and two markets, light and dark, on a day of the simulated exchange.

`python -m bench.pictures [--into docs/images]`, or `make pictures`: the simulator's clock stands at a fixed minute, in
which an alert is open, so the same code draws the same pages. Chromium writes them as WebP, small enough for git.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.support.browser import FLAGS, serve
from tests.support.exchange import running
from tracker.bootstrap import build
from tracker.model import DAY, HOUR, MINUTE, iso
from tracker.settings import ROOT

PAGES = {"ranking": "index.html", "market": "m/coinbase-btc-usd.html", "alert": "m/coinbase-bat-usd.html"}
SCHEMES = ("light", "dark")
WIDTH, HEIGHT = 1200, 750
QUALITY = 0.9
LAST = datetime(2026, 11, 23, 22, 32, tzinfo=UTC)
"""The minute of the pictures."""

MINUTES = 5
"""So many minutes are run as live ones, the last of them LAST; those before are loaded."""

TO_WEBP = """async ([png, quality]) => {
  const picture = await createImageBitmap(await (await fetch('data:image/png;base64,' + png)).blob());
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext('2d').drawImage(picture, 0, 0);
  const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: 'image/webp', quality })).arrayBuffer());
  return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ''));
}"""


@contextmanager
def simulated_site() -> Iterator[Path]:
    """Make a site of a simulated day, as the product does: history loaded, then minutes fetched and published."""
    first = LAST - (MINUTES - 1) * MINUTE
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder, running(now=first) as exchange:
        places = {"TRACKER_STORE_URL": f"{folder}/store", "TRACKER_SITE_URL": f"{folder}/site"}
        pipeline = build(exchange.environment | places, exchange.clock)
        pipeline.load(first - DAY - HOUR, first)
        for minute in (first + n * MINUTE for n in range(MINUTES)):
            exchange.now = minute + timedelta(seconds=3)
            pipeline.fetch(minute)
            pipeline.analyze(minute)
            pipeline.publish(minute)
        yield Path(folder) / "site"


def picture(browser: Browser, address: str, scheme: str) -> bytes:
    """Take the first screen of a page, as WebP."""
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
    page = context.new_page()
    page.clock.install(time=iso(LAST + timedelta(seconds=25)))
    page.goto(address)
    png = base64.b64encode(page.screenshot()).decode()
    blank = context.new_page()  # its policy lets it read the picture
    blank.goto("about:blank")
    webp = base64.b64decode(blank.evaluate(TO_WEBP, [png, QUALITY]))
    context.close()
    return webp


def main(arguments: list[str]) -> int:
    """Write the pictures and print their sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "images")
    into = parser.parse_args(arguments).into
    into.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or sys.exit("this needs Debian's package chromium")
    with simulated_site() as folder, serve(folder) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for name, path in PAGES.items():
            for scheme in SCHEMES:
                data = picture(browser, address + path, scheme)
                (into / f"{name}-{scheme}.webp").write_bytes(data)
                print(f"{name}-{scheme}.webp: {len(data):,} bytes")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
